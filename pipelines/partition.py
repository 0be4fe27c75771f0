"""A corpus's rows, parted by shard before any audio is read.

Rows are gathered up to a bound and spilled: one file a spill, an Arrow record batch a shard that has rows in it. So the
driver holds a bounded number of rows, a worker reads its own shard's alone, and the number of files does not grow with
the number of shards::

    rows-00000.batches      rows of shard 0 | rows of shard 1 | ... | where each of them begins (8 bytes), and the end
    letters-00000.batches   the same of what the reader had to refuse, where there is any

A worker asks a spill for two places and for what lies between them; nothing else of it is fetched from a bucket.
"""

import hashlib
import heapq
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from struct import Struct
from typing import Any

import pyarrow as pa

from pipelines.files import join, open_write, read_ranges
from schemas.arrow import DROPPED_SCHEMA, ROWS_SCHEMA, sorted_batches, table_to_dropped, table_to_rows
from schemas.records import DeadLetter, SourceRow
from transforms.backend import digest_json
from transforms.seeds import shard_of

Row = SourceRow | DeadLetter
ROWS_IN_MEMORY = 50_000
TEXT_IN_MEMORY = 64 << 20  # characters
OPTED_OUT = "opted_out"
_SPAN = Struct("=QQ")  # two neighbours of a spill's places
_VALUES = {record: attrgetter(*(field.name for field in fields(record))) for record in (SourceRow, DeadLetter)}


@dataclass(frozen=True, slots=True)
class SpillFile:
    """Args: places: Where in the file it says where each shard's rows begin."""

    name: str
    places: int


@dataclass(frozen=True, slots=True)
class Spills:
    """Where the parted rows lie: picklable, small."""

    folder: str
    row_files: tuple[SpillFile, ...]
    letter_files: tuple[SpillFile, ...]


@dataclass(frozen=True, slots=True)
class ShardInputs:
    """What a shard is made from.

    Args:
        rows: How many rows and refused entries fall into it.
        digest: Of all of them, in whatever order they came, opted-out ones included.
        opted_out: Sorted ids that are kept out of it.
    """

    rows: int
    digest: str
    opted_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Parted:
    total: int
    spills: Spills
    inputs: tuple[ShardInputs, ...]


def tombstone(utterance_id: str) -> DeadLetter:
    """What stays of an utterance whose speaker opted out: its id and no content."""
    return DeadLetter(utterance_id, "ingest", OPTED_OUT, "opted out of the corpus", "filtered", "")


def partition(
    rows: Iterable[Row],
    folder: str,
    *,
    num_shards: int,
    limit: int | None,
    opted_out: Collection[str] = (),
    rows_in_memory: int = ROWS_IN_MEMORY,
) -> Parted:
    """Write rows, and what the reader had to refuse, by shard.

    Args:
        limit: Take the first rows by utterance id only.
        opted_out: Rows with these ids become tombstones.
    """
    if limit is not None:
        rows = heapq.nsmallest(limit, rows, key=order_of)
    counts, sums = [0] * num_shards, [0] * num_shards
    absent: list[set[str]] = [set() for _ in range(num_shards)]
    kept: list[list[SourceRow]] = [[] for _ in range(num_shards)]
    refused: list[list[DeadLetter]] = [[] for _ in range(num_shards)]
    row_files: list[SpillFile] = []
    letter_files: list[SpillFile] = []

    characters = 0

    def spill() -> None:
        nonlocal characters
        if any(kept):
            row_files.append(_spill(folder, f"rows-{len(row_files):05d}.batches", ROWS_SCHEMA, kept))
        if any(refused):
            letter_files.append(_spill(folder, f"letters-{len(letter_files):05d}.batches", DROPPED_SCHEMA, refused))
        characters = 0
        for shard in range(num_shards):
            kept[shard].clear()
            refused[shard].clear()

    total = 0
    for row in rows:
        shard = shard_of(row.utterance_id, num_shards=num_shards)
        counts[shard] += 1
        # a sum has no order: the same rows give the same digest however they were read
        sums[shard] = (sums[shard] + _number_of(row)) % (1 << 128)
        if row.utterance_id in opted_out:
            absent[shard].add(row.utterance_id)
            row = tombstone(row.utterance_id)
        if isinstance(row, SourceRow):
            kept[shard].append(row)
            characters += len(row.text)
        else:
            refused[shard].append(row)
            characters += len(row.detail)
        total += 1
        if total % rows_in_memory == 0 or characters > TEXT_IN_MEMORY:
            spill()
    spill()
    inputs = tuple(
        ShardInputs(count, digest_json([count, f"{number:032x}"]), tuple(sorted(ids)))
        for count, number, ids in zip(counts, sums, absent, strict=True)
    )
    return Parted(total, Spills(folder, tuple(row_files), tuple(letter_files)), inputs)


def order_of(row: Row) -> tuple[object, ...]:
    """By id, and by all else where two have the same: which came first must not show."""
    return row.utterance_id, type(row).__name__, _VALUES[type(row)](row)


def _number_of(row: Row) -> int:
    name = "\x1f".join((type(row).__name__, *map(str, _VALUES[type(row)](row))))
    return int.from_bytes(hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).digest(), "big")


def _spill(folder: str, name: str, schema: pa.Schema, groups: Iterable[Iterable[Row]]) -> SpillFile:
    places = array("Q", [0])
    with open_write(join(folder, name)) as file:
        for batch in sorted_batches(groups, schema):
            data = batch.serialize() if len(batch) else b""
            file.write(data)
            places.append(places[-1] + len(data))
        file.write(places.tobytes())
    return SpillFile(name, places[-1])


def _of_shard(folder: str, files: Sequence[SpillFile], shard: int, schema: pa.Schema) -> Iterator[pa.Table]:
    urls = [join(folder, file.name) for file in files]
    places = [file.places + 8 * shard for file in files]
    spans = map(_SPAN.unpack, read_ranges([(url, at, at + _SPAN.size) for url, at in zip(urls, places, strict=True)]))
    wanted = [(url, begin, end) for url, (begin, end) in zip(urls, spans, strict=True) if end > begin]
    for data in read_ranges(wanted):
        yield pa.Table.from_batches([pa.ipc.read_record_batch(pa.py_buffer(data), schema)])


def read_rows(spills: Spills, shard: int) -> tuple[list[SourceRow], list[DeadLetter]]:
    """The rows of a shard sorted by id; of rows with the same id the first stays and the others are dropped."""
    tables = _of_shard(spills.folder, spills.letter_files, shard, DROPPED_SCHEMA)
    dropped = [letter for table in tables for letter in table_to_dropped(table)]
    tables = _of_shard(spills.folder, spills.row_files, shard, ROWS_SCHEMA)
    found = (row for table in tables for row in table_to_rows(table))
    rows, duplicates = without_duplicates(found, name=attrgetter("utterance_id"))
    return rows, [*dropped, *duplicates]


def without_duplicates(
    rows: Iterable[SourceRow], *, name: Callable[[SourceRow], Any]
) -> tuple[list[SourceRow], list[DeadLetter]]:
    """Rows sorted by ``name``, of which the id is a part; of those that share one the least stays, the others don't."""
    kept: list[SourceRow] = []
    dropped: list[DeadLetter] = []
    for row in sorted(rows, key=lambda row: (name(row), row)):
        if kept and name(kept[-1]) == name(row):
            detail = f"another row has this id; kept is the one with audio {kept[-1].audio}"
            dropped.append(DeadLetter(row.utterance_id, "ingest", "duplicate_id", detail, "failed", row.audio))
        else:
            kept.append(row)
    return kept, dropped
