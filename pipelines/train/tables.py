"""Shards as tables: a token store's utterances ready to be cut, or baked sequences. Picklable, for worker processes."""

from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache
from multiprocessing import get_context
from operator import attrgetter

import msgspec
import numpy as np

from pipelines.engines.worker import end_with_parent
from pipelines.train.tar import MEND, read_members
from schemas.errors import UserError
from schemas.records import Stream, StreamKind, TokenIds
from schemas.vocabulary import VocabularyLayout
from transforms.interleave_table import TableBuilder, UtteranceTable
from transforms.interleave_words import WordTokens
from transforms.merged_rows import merge_rows
from transforms.text.protocol import TextTokenizer

_PLACE = attrgetter("start_sample", "end_sample", "char_start", "char_end")


class _Word(msgspec.Struct, gc=False):
    start_sample: int
    end_sample: int
    char_start: int
    char_end: int


class _StreamInfo(msgspec.Struct, gc=False):
    hop_samples: int
    codebook_size: int
    fingerprint: str


class _Utterance(msgspec.Struct, gc=False):
    """What a table needs of an utterance's JSON; the rest is passed over, which is most of the time of reading it."""

    utterance_id: str
    text: str
    num_samples: int
    words: list[_Word]
    streams: dict[StreamKind, _StreamInfo]


class _Sequence(msgspec.Struct, gc=False):
    utterance_id: str


_UTTERANCES = msgspec.json.Decoder(_Utterance)
_SEQUENCES = msgspec.json.Decoder(_Sequence)


@dataclass(frozen=True)
class TableReader:
    """Reads a shard of a token store, without its audio.

    Args:
        kinds: Streams that the layout has.
        only: Utterances to keep; None keeps all but ``exclude``.
        keep_streams: For ``reemit_context``.
    """

    layout: VocabularyLayout
    tokenizer: TextTokenizer
    kinds: tuple[StreamKind, ...]
    exclude: frozenset[str] = frozenset()
    only: frozenset[str] | None = None
    keep_streams: bool = False

    @cached_property
    def _words(self) -> WordTokens:
        return WordTokens(self.tokenizer)

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name != "_words"}

    def __call__(self, url: str) -> UtteranceTable:
        builder = TableBuilder(layout=self.layout, words=self._words, keep_streams=self.keep_streams)
        for meta, streams in _utterances(url, self.kinds, self.exclude, self.only):
            if meta.words:
                words, name = list(map(_PLACE, meta.words)), meta.utterance_id
                builder.add(name, text=meta.text, num_samples=meta.num_samples, words=words, streams=streams)
        try:
            return builder.build()
        except ValueError as error:
            raise UserError(f"{url}: {error}; {MEND}") from error


def _utterances(
    url: str, kinds: Sequence[StreamKind], exclude: frozenset[str], only: frozenset[str] | None
) -> Iterator[tuple[_Utterance, list[Stream]]]:
    """The wanted ones of a token shard, with their streams of these kinds."""
    for key, files in read_members(url, suffixes={"json", *(f"{kind}.npy" for kind in kinds)}):
        try:
            meta = _UTTERANCES.decode(files["json"])
            if meta.utterance_id in exclude or (only is not None and meta.utterance_id not in only):
                continue
            streams = [
                Stream(kind, info.hop_samples, info.codebook_size, read_ids(files[f"{kind}.npy"]), info.fingerprint)
                for kind in kinds
                if (info := meta.streams.get(kind)) is not None
            ]
        except _DAMAGE as error:
            raise _damaged(url, key, error) from error
        yield meta, streams


@dataclass(frozen=True, slots=True)
class SequenceTable:
    """Baked sequences: tokens of row ``r`` at ``[cuts[r], cuts[r + 1])``."""

    ids: tuple[str, ...]
    tokens: TokenIds
    cuts: "array[int]"

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def nbytes(self) -> int:
        """Of the arrays."""
        return self.tokens.nbytes + 8 * len(self.cuts)


@dataclass(frozen=True)
class SequenceReader:
    """Reads a shard of baked sequences."""

    exclude: frozenset[str] = frozenset()
    only: frozenset[str] | None = None

    def __call__(self, url: str) -> SequenceTable:
        names: list[str] = []
        parts: list[TokenIds] = [np.zeros(0, np.int32)]
        for key, files in read_members(url, suffixes=("json", "tokens.npy")):
            try:
                name = _SEQUENCES.decode(files["json"]).utterance_id
                if name not in self.exclude and (self.only is None or name in self.only):
                    parts.append(read_ids(files["tokens.npy"]).astype(np.int32))
                    names.append(name)
            except _DAMAGE as error:
                raise _damaged(url, key, error) from error
        return SequenceTable(
            tuple(names), np.concatenate(parts), array("q", np.cumsum([len(part) for part in parts]).tolist())
        )


@dataclass(frozen=True)
class SpeechReader:
    """Reads a shard of a token store for its speech: a row is the speech marker and all tokens of an utterance."""

    layout: VocabularyLayout
    kinds: tuple[StreamKind, ...]
    exclude: frozenset[str] = frozenset()
    only: frozenset[str] | None = None

    def __call__(self, url: str) -> SequenceTable:
        names: list[str] = []
        rows: list[list[Stream]] = []
        for meta, streams in _utterances(url, self.kinds, self.exclude, self.only):
            names.append(meta.utterance_id)
            rows.append(streams)
        merged = merge_rows(rows, layout=self.layout)
        bounds = merged.cuts(np.arange(len(rows) + 1), np.zeros(len(rows) + 1, np.int64))
        tokens = np.insert(merged.tokens, bounds[:-1], self.layout.speech_marker)
        return SequenceTable(tuple(names), tokens, array("q", (bounds + np.arange(len(rows) + 1)).tolist()))


_NPY_HEADER_BYTES = 128  # of an array of one dimension
_NPY_MAGIC = b"\x93NUMPY"
_DESCR = b"{'descr': '"  # a header begins with it: ``np.save`` sorts the keys
_DAMAGE = (msgspec.MsgspecError, KeyError, ValueError, TypeError)


def read_ids(npy: bytes) -> TokenIds:
    """The one-dimensional integer array of an ``.npy`` file; its type from the header, its length from the size.

    Raises:
        ValueError: Not such a file.
    """
    dtype, start = _npy_header(npy[:_NPY_HEADER_BYTES])
    return np.frombuffer(npy, dtype, offset=start)


@lru_cache(maxsize=1 << 14)  # headers differ by their arrays' lengths alone
def _npy_header(begin: bytes) -> tuple[np.dtype[np.int32], int]:
    """Type of the elements, and where they start."""
    if not begin.startswith(_NPY_MAGIC) or not begin.startswith(_DESCR, 10):
        raise ValueError("not an npy file")
    at = 10 + len(_DESCR)
    descr = begin[at : begin.index(b"'", at)].decode("ascii")
    return np.dtype(descr), 10 + int.from_bytes(begin[8:10], "little")


def _damaged(url: str, key: str, error: Exception) -> UserError:
    what = f"no {key}.{error.args[0]}" if isinstance(error, KeyError) else f"sample {key}: {error}"
    return UserError(f"{url}: {what}; {MEND}")


Table = UtteranceTable | SequenceTable
ReadTable = Callable[[str], Table]


class TableCache:
    """Tables of the most recently used shards, which the sources share: ``capacity`` tables, and more while all are
    small. Reading a shard takes longer than drawing from its table, and every source passes over all shards.

    With ``workers`` processes the shards that are announced are read ahead. A table depends on its shard alone, so
    nothing that is made of tables depends on the number of workers, nor on what is kept.
    """

    def __init__(self, read: ReadTable, *, capacity: int, keep_bytes: int = 1 << 30, workers: int = 0) -> None:
        self._read = read
        self._capacity = capacity
        self._keep_bytes = keep_bytes
        self._held_bytes = 0
        self._tables: OrderedDict[str, Table] = OrderedDict()
        self._coming: dict[str, Future[Table]] = {}
        self._pool = (
            ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=end_with_parent)
            if workers
            else None
        )

    def announce(self, urls: Iterable[str]) -> None:
        """These shards are needed next."""
        if self._pool is not None:
            for url in urls:
                if url not in self._tables and url not in self._coming:
                    self._coming[url] = self._pool.submit(self._read, url)

    def table(self, url: str) -> Table:
        if url not in self._tables:
            coming = self._coming.pop(url, None)
            self._tables[url] = coming.result() if coming is not None else self._read(url)
            self._held_bytes += self._tables[url].nbytes
            while len(self._tables) > self._capacity and self._held_bytes > self._keep_bytes:
                self._held_bytes -= self._tables.popitem(last=False)[1].nbytes
        self._tables.move_to_end(url)
        return self._tables[url]

    def close(self) -> None:
        """End the worker processes."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
