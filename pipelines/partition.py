"""A corpus's rows, parted by shard before any audio is read.

Each shard's rows lie in a Parquet file of their own, so neither the driver nor a worker ever holds them all.
"""

import heapq
from collections.abc import Iterable, Iterator

import pyarrow as pa

from pipelines.files import exists, join, open_read, open_write
from schemas.arrow import (
    dropped_to_table,
    read_parquet,
    rows_to_table,
    table_to_dropped,
    table_to_rows,
    write_parquet,
)
from schemas.records import DeadLetter, SourceRow
from transforms.backend import digest_json
from transforms.seeds import shard_of

Row = SourceRow | DeadLetter
ROWS_IN_MEMORY = 50_000


def rows_url(folder: str, shard: int, part: int) -> str:
    return join(folder, f"rows-{shard:05d}-{part:04d}.parquet")


def letters_url(folder: str, shard: int, part: int) -> str:
    return join(folder, f"letters-{shard:05d}-{part:04d}.parquet")


def partition(rows: Iterable[Row], folder: str, *, num_shards: int, limit: int | None) -> int:
    """Write rows (and what the reader had to refuse) by shard; returns how many there were.

    Args:
        limit: Take the first rows by utterance id only.
    """
    if limit is not None:
        rows = heapq.nsmallest(limit, rows, key=lambda row: row.utterance_id)
    total, part = 0, 0
    by_shard: dict[int, list[Row]] = {}
    for row in rows:
        by_shard.setdefault(shard_of(row.utterance_id, num_shards=num_shards), []).append(row)
        total += 1
        if total % ROWS_IN_MEMORY == 0:
            _flush(by_shard, folder, part)
            part += 1
    _flush(by_shard, folder, part)
    return total


def _flush(by_shard: dict[int, list[Row]], folder: str, part: int) -> None:
    for shard, rows in by_shard.items():
        sources = [row for row in rows if isinstance(row, SourceRow)]
        letters = [row for row in rows if isinstance(row, DeadLetter)]
        if sources:
            _write(rows_url(folder, shard, part), rows_to_table(sources))
        if letters:
            _write(letters_url(folder, shard, part), dropped_to_table(letters))
    by_shard.clear()


def _write(url: str, table: pa.Table) -> None:
    with open_write(url) as file:
        write_parquet(table, file)


def _parts(url_of_part: Iterator[str]) -> Iterator[pa.Table]:
    for url in url_of_part:
        with open_read(url) as file:
            yield read_parquet(file)


def read_rows(folder: str, shard: int, *, parts: int) -> tuple[list[SourceRow], list[DeadLetter]]:
    """The rows of a shard sorted by id; of rows with the same id the first stays and the others are dropped."""
    row_urls = (url for part in range(parts) if exists(url := rows_url(folder, shard, part)))
    letter_urls = (url for part in range(parts) if exists(url := letters_url(folder, shard, part)))
    dropped = [letter for table in _parts(letter_urls) for letter in table_to_dropped(table)]
    rows: list[SourceRow] = []
    for row in sorted(row for table in _parts(row_urls) for row in table_to_rows(table)):
        if rows and rows[-1].utterance_id == row.utterance_id:
            detail = f"another row has this id; kept is the one with audio {rows[-1].audio}"
            dropped.append(DeadLetter(row.utterance_id, "ingest", "duplicate_id", detail, "failed", row.audio))
        else:
            rows.append(row)
    return rows, dropped


def part_count(total: int) -> int:
    return total // ROWS_IN_MEMORY + 1


def digest_rows(rows: list[SourceRow], dropped: list[DeadLetter]) -> str:
    """Digest of all that a shard is made from."""
    return digest_json([*map(str, rows), *map(str, sorted(dropped))])
