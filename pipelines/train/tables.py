"""Shards as tables: a token store's utterances ready to be cut, or baked sequences. Picklable, for worker processes."""

import json
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from multiprocessing import get_context
from operator import itemgetter

import numpy as np

from pipelines.engines.worker import end_with_parent
from pipelines.train.tar import read_members
from schemas.records import Stream, StreamKind, TokenIds
from schemas.vocabulary import VocabularyLayout
from transforms.interleave_table import TableBuilder, UtteranceTable
from transforms.interleave_words import WordTokens
from transforms.text.protocol import TextTokenizer

_PLACE = itemgetter("start_sample", "end_sample", "char_start", "char_end")


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
        suffixes = {"json", *(f"{kind}.npy" for kind in self.kinds)}
        for _, files in read_members(url, suffixes=suffixes):
            meta = json.loads(files["json"])
            name = meta["utterance_id"]
            if not meta["words"] or name in self.exclude or (self.only is not None and name not in self.only):
                continue
            infos = meta["streams"]
            streams = [
                Stream(
                    kind,
                    infos[kind]["hop_samples"],
                    infos[kind]["codebook_size"],
                    read_ids(files[f"{kind}.npy"]),
                    infos[kind]["fingerprint"],
                )
                for kind in self.kinds
                if kind in infos
            ]
            builder.add(
                name,
                text=meta["text"],
                num_samples=meta["num_samples"],
                words=list(map(_PLACE, meta["words"])),
                streams=streams,
            )
        return builder.build()


@dataclass(frozen=True, slots=True)
class SequenceTable:
    """Baked sequences: tokens of row ``r`` at ``[cuts[r], cuts[r + 1])``."""

    ids: tuple[str, ...]
    tokens: TokenIds
    cuts: "array[int]"

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class SequenceReader:
    """Reads a shard of baked sequences."""

    exclude: frozenset[str] = frozenset()
    only: frozenset[str] | None = None

    def __call__(self, url: str) -> SequenceTable:
        names: list[str] = []
        parts: list[TokenIds] = [np.zeros(0, np.int32)]
        for _, files in read_members(url, suffixes=("json", "tokens.npy")):
            name = json.loads(files["json"])["utterance_id"]
            if name not in self.exclude and (self.only is None or name in self.only):
                names.append(name)
                parts.append(read_ids(files["tokens.npy"]).astype(np.int32))
        return SequenceTable(
            tuple(names), np.concatenate(parts), array("q", np.cumsum([len(part) for part in parts]).tolist())
        )


def read_ids(npy: bytes) -> TokenIds:
    """The one-dimensional integer array of an ``.npy`` file; its type from the header, its length from the size."""
    start = 10 + int.from_bytes(npy[8:10], "little")
    header = npy[10:start]
    at = header.index(b"'descr': '") + 10
    return np.frombuffer(npy, dtype=header[at : header.index(b"'", at)].decode("ascii"), offset=start)


Table = UtteranceTable | SequenceTable
ReadTable = Callable[[str], Table]


class TableCache:
    """Tables of the most recently used shards, which the sources share.

    With ``workers`` processes the shards that are announced are read ahead. A table depends on its shard alone, so
    nothing that is made of tables depends on the number of workers.
    """

    def __init__(self, read: ReadTable, *, capacity: int, workers: int = 0) -> None:
        self._read = read
        self._capacity = capacity
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
            if len(self._tables) > self._capacity:
                self._tables.popitem(last=False)
        self._tables.move_to_end(url)
        return self._tables[url]

    def close(self) -> None:
        """End the worker processes."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
