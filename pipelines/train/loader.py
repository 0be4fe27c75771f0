"""Batches for training from a token store: mixed, interleaved anew each epoch, packed, resumable.

Algorithm. The source that is furthest behind its share of tokens gives its next utterance (no draw: the shares hold
at every moment). A row starts with the oldest waiting document and takes the longest that still fits, from
``lookahead`` rows' worth of waiting ones, so documents are whole, rows are nearly full and none waits for ever.
The state is the sources' cursors, their token counts and the addresses of the waiting documents: a small JSON.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from itertools import count
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipelines.train.config import DataConfig
from pipelines.train.documents import Document, DocumentStream, Splitter
from pipelines.train.settings import free_of_data
from pipelines.train.sources import Reads, shards_of_epoch, sources_of
from pipelines.train.tables import SequenceReader, SpeechReader, TableCache, TableReader
from pipelines.train.texts import TextReader, sizes_of
from schemas.errors import UserError
from schemas.records import STREAM_KINDS
from schemas.vocabulary import VocabularyLayout
from transforms.backend import digest_json
from transforms.text.protocol import TextTokenizer

IGNORED = -100  # target of a position that counts for no loss


class Batch(NamedTuple):
    """Arrays of shape (rows, context).

    Args:
        tokens: Input ids; 0 where a row is not filled.
        targets: The next token of the same document, or ``IGNORED``.
        positions: Counted from each document's start.
        documents: Number of the document within its row, -1 where the row is not filled.
    """

    tokens: npt.NDArray[np.int64]
    targets: npt.NDArray[np.int64]
    positions: npt.NDArray[np.int64]
    documents: npt.NDArray[np.int32]

    def rows(self, start: int, end: int) -> "Batch":
        part = slice(start, end)
        return Batch(self.tokens[part], self.targets[part], self.positions[part], self.documents[part])


class Loader:
    """An endless iterator over ``Batch``. Two loaders of equal arguments and state give equal batches for ever."""

    def __init__(
        self,
        *,
        shards: Sequence[str],
        layout: VocabularyLayout,
        tokenizer: TextTokenizer,
        config: DataConfig,
        seed: int,
        corpus_fingerprint: str,
        baked: Sequence[Sequence[str]] = (),
        speech: Sequence[str] = (),
        exclude_ids: frozenset[str] = frozenset(),
        only_ids: frozenset[str] | None = None,
    ) -> None:
        """``baked``: shards of every folder of ``config.baked``; ``speech``: shards that the speech source reads in
        place of ``shards``; ``only_ids``: utterances to keep, None for all."""
        if not shards:
            raise UserError("corpus: the token store has no shard; run `plait run` first")
        sources = sources_of(config, layout=layout, tokenizer=tokenizer, seed=seed, speech_alone=bool(speech))
        window = min(config.window_shards, len(shards))
        kinds = tuple(kind for kind in STREAM_KINDS if layout.codebook_size(kind))
        reader = TableReader(
            layout,
            tokenizer,
            kinds,
            exclude_ids,
            only_ids,
            keep_streams=config.interleave.reemit_context,
        )
        from_store = sum(source.reads == "store" for source in sources.values())
        workers = config.workers
        speech_reader = SpeechReader(layout, kinds, exclude_ids, only_ids)
        self._caches: dict[Reads, TableCache] = {
            "store": TableCache(reader, capacity=window * max(1, from_store), workers=workers),
            "baked": TableCache(
                SequenceReader(exclude_ids, only_ids), capacity=window, workers=workers if baked else 0
            ),
            "texts": TableCache(TextReader(layout, tokenizer), capacity=window, workers=workers if config.texts else 0),
            "speech": TableCache(speech_reader, capacity=window, workers=workers if speech else 0),
        }
        folders: dict[Reads, Sequence[Sequence[str]]] = {
            "store": [shards],
            "baked": baked,
            "texts": [config.texts],
            "speech": [speech],
        }
        split = Splitter(
            layout=layout,
            context=config.context,
            bos=tokenizer.bos_id,
            eos=tokenizer.eos_id if config.eos else None,
        )
        self._streams = {
            name: DocumentStream(
                name,
                shards=shards_of_epoch(folders[source.reads]),
                cache=self._caches[source.reads],
                encode=source.encode,
                split=split,
                seed=seed,
                window_shards=window,
            )
            for name, source in sources.items()
        }
        self._weights = {name: source.weight for name, source in sources.items()}
        self._tokens = dict.fromkeys(sources, 0)
        self._waiting = Waiting()
        self._config = config
        self._fingerprint = digest_json(
            [
                corpus_fingerprint,
                layout.fingerprint,
                tokenizer.fingerprint,
                # micro-batches cut a batch that is made already
                config.model_dump(exclude=free_of_data(config)) | {"micro_batches": 1},
                *([sizes_of(config.texts)] if config.texts else []),
                seed,
                sorted(exclude_ids),
                sorted(only_ids) if only_ids is not None else None,
            ]
        )

    @property
    def epochs(self) -> dict[str, int]:
        """Epoch that each source is in."""
        return {name: stream.cursor[0] for name, stream in self._streams.items()}

    @property
    def tokens(self) -> dict[str, int]:
        """Tokens that each source has given so far."""
        return dict(self._tokens)

    def __iter__(self) -> "Loader":
        return self

    def __next__(self) -> Batch:
        config = self._config
        rows = [self._next_row() for _ in range(config.sequences)]
        parts = [document.tokens for row in rows for document in row]
        lengths = np.array([len(part) for part in parts])
        filled = np.array([sum(len(document.tokens) for document in row) for row in rows])
        # where each document begins in the rows laid end to end
        row_of = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
        packed_ends = np.cumsum(lengths)
        begins = packed_ends - lengths + (np.arange(len(rows)) * config.context - (np.cumsum(filled) - filled))[row_of]
        shift = begins - (packed_ends - lengths)
        at = np.arange(packed_ends[-1]) + np.repeat(shift, lengths)
        size = len(rows) * config.context
        tokens, positions = np.zeros(size, np.int64), np.zeros(size, np.int64)
        targets, documents = np.full(size, IGNORED, np.int64), np.full(size, -1, np.int32)
        joined = np.concatenate(parts)
        tokens[at] = joined
        positions[at] = at - np.repeat(begins, lengths)
        numbers = np.concatenate([np.arange(len(row), dtype=np.int32) for row in rows])
        documents[at] = np.repeat(numbers, lengths)
        targets[at[:-1]] = joined[1:]
        targets[begins + lengths - 1] = IGNORED
        shape = (len(rows), config.context)
        return Batch(tokens.reshape(shape), targets.reshape(shape), positions.reshape(shape), documents.reshape(shape))

    def _next_row(self) -> list[Document]:
        waiting, tokens = self._waiting, self._tokens
        shares = {name: tokens[name] / weight for name, weight in self._weights.items()}
        while waiting.held < self._config.lookahead * self._config.context:
            name = min(shares, key=shares.__getitem__)
            for document in self._streams[name].next_documents():
                tokens[name] += len(document.tokens)
                waiting.add(document)
            shares[name] = tokens[name] / self._weights[name]
        row = [waiting.take_oldest()]
        room = self._config.context - len(row[0].tokens)
        while (fitting := waiting.take_longest(room)) is not None:
            row.append(fitting)
            room -= len(fitting.tokens)
        return row

    def close(self) -> None:
        """End the worker processes."""
        for cache in self._caches.values():
            cache.close()

    def state_dict(self) -> dict[str, Any]:
        """Where the loader stands, as plain JSON values."""
        return {
            "fingerprint": self._fingerprint,
            "cursors": {name: list(stream.cursor) for name, stream in self._streams.items()},
            "tokens": dict(self._tokens),
            "waiting": [list(document.address) for document in self._waiting.in_order()],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state.

        Raises:
            UserError: The state is of another corpus, config or seed.
        """
        if state["fingerprint"] != self._fingerprint:
            raise UserError(
                f"the checkpoint's data order ({state['fingerprint']}) is not of this corpus, config and seed "
                f"({self._fingerprint}); resume with what it was started with, or choose another output"
            )
        for name, stream in self._streams.items():
            epoch, window, row = state["cursors"][name]
            stream.cursor = (epoch, window, row)
        self._tokens = dict(state["tokens"])
        self._waiting = Waiting()
        for source, epoch, window, row, piece in state["waiting"]:
            self._waiting.add(self._streams[source].at(epoch, window, row)[piece])


class Waiting:
    """Documents that wait for a row: the oldest, or the longest that fits (the older of two), in logarithmic time."""

    def __init__(self) -> None:
        self.held = 0  # tokens
        self._numbers = count()
        self._by_age: dict[int, Document] = {}
        self._by_length: list[tuple[int, int]] = []  # (length, -number), ascending

    def add(self, document: Document) -> None:
        number = next(self._numbers)
        self._by_age[number] = document
        insort(self._by_length, (len(document.tokens), -number))
        self.held += len(document.tokens)

    def take_oldest(self) -> Document:
        number = next(iter(self._by_age))
        document = self._by_age.pop(number)
        del self._by_length[bisect_left(self._by_length, (len(document.tokens), -number))]
        self.held -= len(document.tokens)
        return document

    def take_longest(self, room: int) -> Document | None:
        """None where no document fits into ``room`` tokens."""
        at = bisect_right(self._by_length, (room, 1))
        if at == 0:
            return None
        length, number = self._by_length.pop(at - 1)
        self.held -= length
        return self._by_age.pop(-number)

    def in_order(self) -> list[Document]:
        return list(self._by_age.values())
