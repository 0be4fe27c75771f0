"""The endless, seeded order of one source's documents, each with an address from which it can be made again.

An epoch's shards are permuted and read in windows of ``window_shards``; the rows of a window are permuted. So the
place in the data is three integers, memory is bounded by the windows (and the tables that are kept while they are
small), and no shuffle buffer has to be saved. What an address yields is a function of (corpus, config, seed) alone.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from pipelines.train.tables import TableCache
from schemas.errors import UserError
from schemas.records import TokenIds
from schemas.vocabulary import VocabularyLayout
from transforms.seeds import rng_for
from transforms.streams import ceil_div

Encode = Callable[[Any, int, int], list[TokenIds]]  # (table, row, epoch) -> chunks of tokens without BOS and EOS
Split = Callable[[list[TokenIds]], list[TokenIds]]


class Address(NamedTuple):
    """``piece`` counts the parts of an utterance that is longer than the context."""

    source: str
    epoch: int
    window: int
    row: int
    piece: int


class Document(NamedTuple):
    """``tokens``: int32, with BOS (and EOS at an utterance's end), at most the context long."""

    address: Address
    tokens: TokenIds


class Splitter:
    """Cuts a sequence to documents of at most ``context`` tokens.

    A later piece begins with the marker in force where it was cut; EOS ends the last piece only.
    """

    def __init__(self, *, layout: VocabularyLayout, context: int, bos: int, eos: int | None) -> None:
        self._room = context - 3  # BOS, a marker stated again, EOS
        self._markers = (layout.text_marker, layout.speech_marker)
        self._bos = np.array([bos], dtype=np.int32)
        self._eos = np.array([eos] if eos is not None else [], dtype=np.int32)

    def __call__(self, chunks: list[TokenIds]) -> list[TokenIds]:
        whole = np.concatenate([self._bos, *chunks, self._eos])
        length = len(whole) - 1 - len(self._eos)
        if length <= self._room:
            return [whole]
        tokens = whole[1 : 1 + length]
        is_marker = (tokens == self._markers[0]) | (tokens == self._markers[1])
        pieces: list[TokenIds] = []
        for start in range(0, length, self._room):
            parts = [self._bos, tokens[start : start + self._room]]
            if start and not is_marker[start]:
                last = np.flatnonzero(is_marker[:start])[-1]
                parts.insert(1, tokens[last : last + 1])
            if start + self._room >= length:
                parts.append(self._eos)
            pieces.append(np.concatenate(parts))
        return pieces


class DocumentStream:
    """One source. ``cursor`` (epoch, window, row) is where ``next_documents`` goes on.

    Args:
        shards: URLs of an epoch's shards; every epoch has as many.
    """

    def __init__(
        self,
        name: str,
        *,
        shards: Callable[[int], Sequence[str]],
        cache: TableCache,
        encode: Encode,
        split: Split,
        seed: int,
        window_shards: int,
    ) -> None:
        self.name = name
        self.cursor = (0, 0, 0)
        self._shards = shards
        self._cache = cache
        self._encode = encode
        self._split = split
        self._seed = seed
        self._window_shards = window_shards
        self._windows = ceil_div(len(shards(0)), window_shards)
        self._open: tuple[tuple[int, int], list[tuple[Any, int]]] | None = None

    def _window(self, epoch: int, window: int) -> list[tuple[Any, int]]:
        """Tables and rows of a window, in the order in which they are given."""
        if self._open is None or self._open[0] != (epoch, window):
            urls = self._window_shards_of(epoch, window)
            self._cache.announce(urls)
            tables = [self._cache.table(url) for url in urls]
            self._cache.announce(self._window_shards_of(*self._after(epoch, window)))
            rows = [(table, row) for table in tables for row in range(len(table))]
            row_rng = rng_for(f"{self.name}/{window}", stage="shuffle-rows", run_seed=self._seed, epoch=epoch)
            self._open = (epoch, window), [rows[index] for index in row_rng.permutation(len(rows)).tolist()]
        return self._open[1]

    def _window_shards_of(self, epoch: int, window: int) -> list[str]:
        shards = self._shards(epoch)
        rng = rng_for(self.name, stage="shuffle-shards", run_seed=self._seed, epoch=epoch)
        order = rng.permutation(len(shards))[window * self._window_shards :][: self._window_shards]
        return [shards[index] for index in order]

    def _after(self, epoch: int, window: int) -> tuple[int, int]:
        return (epoch, window + 1) if window + 1 < self._windows else (epoch + 1, 0)

    def at(self, epoch: int, window: int, row: int) -> list[Document]:
        """Documents of the utterance at this place."""
        return self._documents(self._window(epoch, window)[row], (epoch, window, row))

    def _documents(self, utterance: tuple[Any, int], place: tuple[int, int, int]) -> list[Document]:
        pieces = self._split(self._encode(*utterance, place[0]))
        return [Document(Address(self.name, *place, i), piece) for i, piece in enumerate(pieces)]

    def next_documents(self) -> list[Document]:
        """Documents of the next utterance, over epochs without end.

        Raises:
            UserError: A whole epoch has no utterance.
        """
        epoch, window, row = self.cursor
        for _ in range(2 * self._windows + 1):
            rows = self._window(epoch, window)
            if row < len(rows):
                self.cursor = (epoch, window, row + 1)
                return self._documents(rows[row], (epoch, window, row))
            (epoch, window), row = self._after(epoch, window), 0
        raise UserError(
            f"data.mixture.{self.name}: no utterance to train on; check the corpus (speech alone has no text), "
            "exclude_ids and data.texts"
        )
