"""The endless, seeded order of one source's documents, each with an address from which it can be made again.

An epoch's shards are permuted and read in windows of ``window_shards``; the rows of a window are permuted. So the
place in the data is three integers, memory is bounded by the windows, and no shuffle buffer has to be saved. What
an address yields is a function of (corpus, config, seed) alone.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from schemas.errors import UserError
from schemas.records import StoredUtterance, TokenIds
from schemas.vocabulary import VocabularyLayout
from transforms.seeds import rng_for
from transforms.streams import ceil_div

ReadShard = Callable[[str], Iterable[StoredUtterance]]
Encode = Callable[[StoredUtterance, int], TokenIds]  # (utterance, epoch) -> tokens without BOS and EOS


@dataclass(frozen=True, slots=True)
class Address:
    """``piece`` counts the parts of an utterance that is longer than the context."""

    source: str
    epoch: int
    window: int
    row: int
    piece: int


@dataclass(frozen=True, slots=True)
class Document:
    """``tokens``: int32, with BOS (and EOS at an utterance's end), at most the context long."""

    address: Address
    tokens: TokenIds


class ShardCache:
    """Decoded shards, the most recently used ones kept; the sources share it."""

    def __init__(self, read: ReadShard, *, exclude: frozenset[str], capacity: int) -> None:
        self._read = read
        self._exclude = exclude
        self._capacity = capacity
        self._shards: OrderedDict[str, list[StoredUtterance]] = OrderedDict()

    def rows(self, shard: str) -> list[StoredUtterance]:
        if shard not in self._shards:
            self._shards[shard] = [
                row for row in self._read(shard) if row.words and row.utterance_id not in self._exclude
            ]
            if len(self._shards) > self._capacity:
                self._shards.popitem(last=False)
        self._shards.move_to_end(shard)
        return self._shards[shard]


def split_pieces(
    tokens: TokenIds, *, layout: VocabularyLayout, context: int, bos: int, eos: int | None
) -> list[TokenIds]:
    """Cut a sequence to documents of at most ``context`` tokens.

    A later piece begins with the marker in force where it was cut; EOS ends the last piece only.
    """
    room = context - 3  # BOS, a marker stated again, EOS
    pieces: list[TokenIds] = []
    is_marker = (tokens == layout.text_marker) | (tokens == layout.speech_marker)
    for start in range(0, len(tokens), room):
        head = [bos]
        if start and not is_marker[start]:
            head.append(int(tokens[np.flatnonzero(is_marker[:start])[-1]]))
        tail = [eos] if eos is not None and start + room >= len(tokens) else []
        pieces.append(np.concatenate([head, tokens[start : start + room], tail]).astype(np.int32))
    return pieces


class DocumentStream:
    """One source. ``cursor`` (epoch, window, row) is where ``next_documents`` goes on."""

    def __init__(
        self,
        name: str,
        *,
        shards: Sequence[str],
        cache: ShardCache,
        encode: Encode,
        split: Callable[[TokenIds], list[TokenIds]],
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
        self._windows = ceil_div(len(shards), window_shards)
        self._open: tuple[tuple[int, int], list[StoredUtterance]] | None = None

    def _window(self, epoch: int, window: int) -> list[StoredUtterance]:
        if self._open is None or self._open[0] != (epoch, window):
            shard_rng = rng_for(self.name, stage="shuffle-shards", run_seed=self._seed, epoch=epoch)
            order = shard_rng.permutation(len(self._shards))[window * self._window_shards :][: self._window_shards]
            rows = [row for index in order for row in self._cache.rows(self._shards[index])]
            row_rng = rng_for(f"{self.name}/{window}", stage="shuffle-rows", run_seed=self._seed, epoch=epoch)
            self._open = (epoch, window), [rows[index] for index in row_rng.permutation(len(rows))]
        return self._open[1]

    def at(self, epoch: int, window: int, row: int) -> list[Document]:
        pieces = self._split(self._encode(self._window(epoch, window)[row], epoch))
        return [Document(Address(self.name, epoch, window, row, i), piece) for i, piece in enumerate(pieces)]

    def next_documents(self) -> list[Document]:
        """Documents of the next utterance, over epochs without end.

        Raises:
            UserError: A whole epoch has no utterance.
        """
        epoch, window, row = self.cursor
        for _ in range(2 * self._windows + 1):
            if row < len(self._window(epoch, window)):
                self.cursor = (epoch, window, row + 1)
                return self.at(epoch, window, row)
            epoch, window, row = (epoch, window + 1, 0) if window + 1 < self._windows else (epoch + 1, 0, 0)
        raise UserError("corpus: no utterance to train on; check the token store and exclude_ids")
