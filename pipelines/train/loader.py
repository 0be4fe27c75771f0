"""Batches for training from a token store: mixed, interleaved anew each epoch, packed, resumable.

Algorithm. The source that is furthest behind its share of tokens gives its next utterance (no draw: the shares hold
at every moment). A row starts with the oldest waiting document and takes the longest that still fits, from
``lookahead`` rows' worth of waiting ones, so documents are whole, rows are nearly full and none waits for ever.
The state is the sources' cursors, their token counts and the addresses of the waiting documents: a small JSON.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.train.config import DataConfig
from pipelines.train.documents import Document, DocumentStream, Encode, ReadShard, ShardCache, split_pieces
from schemas.errors import UserError
from schemas.records import StoredUtterance, TokenIds
from schemas.vocabulary import VocabularyLayout
from transforms.backend import digest_json
from transforms.interleave import Source, encode_utterance
from transforms.seeds import rng_for
from transforms.text.protocol import TextTokenizer

IGNORED = -100  # target of a position that counts for no loss


@dataclass(frozen=True, slots=True)
class Batch:
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


def source_encoders(
    *, layout: VocabularyLayout, tokenizer: TextTokenizer, config: DataConfig, seed: int
) -> dict[str, tuple[float, Encode]]:
    """Weight and encoding of every source that has a weight."""

    def encode(source: Source, record: StoredUtterance, epoch: int) -> TokenIds:
        return encode_utterance(
            record,
            source=source,
            layout=layout,
            tokenizer=tokenizer,
            config=config.interleave,
            run_seed=seed,
            epoch=epoch,
        ).tokens

    def pair(record: StoredUtterance, epoch: int) -> TokenIds:
        halves = [encode("text", record, epoch), encode("speech", record, epoch)]
        rng = rng_for(record.utterance_id, stage="pairs", run_seed=seed, epoch=epoch)
        return np.concatenate(halves if rng.random() < 0.5 else halves[::-1])

    encoders: dict[str, Encode] = {
        "text": partial(encode, "text"),
        "speech": partial(encode, "speech"),
        "interleaved": partial(encode, "interleaved"),
        "pairs": pair,
    }
    weights: dict[str, float] = config.mixture.model_dump()
    return {name: (weights[name], encoder) for name, encoder in encoders.items() if weights[name] > 0}


class Loader:
    """An endless iterator over ``Batch``. Two loaders of equal arguments and state give equal batches for ever."""

    def __init__(
        self,
        *,
        shards: Sequence[str],
        read: ReadShard,
        layout: VocabularyLayout,
        tokenizer: TextTokenizer,
        config: DataConfig,
        seed: int,
        corpus_fingerprint: str,
        exclude_ids: frozenset[str] = frozenset(),
    ) -> None:
        if not shards:
            raise UserError("corpus: the token store has no shard; run `plait run` first")
        encoders = source_encoders(layout=layout, tokenizer=tokenizer, config=config, seed=seed)
        window = min(config.window_shards, len(shards))
        cache = ShardCache(read, exclude=exclude_ids, capacity=window * len(encoders))
        split = partial(
            split_pieces,
            layout=layout,
            context=config.context,
            bos=tokenizer.bos_id,
            eos=tokenizer.eos_id if config.eos else None,
        )
        self._streams = {
            name: DocumentStream(
                name, shards=shards, cache=cache, encode=encode, split=split, seed=seed, window_shards=window
            )
            for name, (_, encode) in encoders.items()
        }
        self._weights = {name: weight for name, (weight, _) in encoders.items()}
        self._tokens = dict.fromkeys(encoders, 0)
        self._waiting: list[Document] = []
        self._config = config
        self._fingerprint = digest_json(
            [
                corpus_fingerprint,
                layout.fingerprint,
                tokenizer.fingerprint,
                config.model_dump(),
                seed,
                sorted(exclude_ids),
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
        rows = [self._next_row() for _ in range(self._config.sequences)]
        shape = (len(rows), self._config.context)
        tokens, positions = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        targets, documents = np.full(shape, IGNORED, np.int64), np.full(shape, -1, np.int32)
        for index, row in enumerate(rows):
            start = 0
            for number, document in enumerate(row):
                end = start + len(document.tokens)
                tokens[index, start:end] = document.tokens
                targets[index, start : end - 1] = document.tokens[1:]
                positions[index, start:end] = np.arange(end - start)
                documents[index, start:end] = number
                start = end
        return Batch(tokens, targets, positions, documents)

    def _next_row(self) -> list[Document]:
        waiting = self._waiting
        held = sum(len(document.tokens) for document in waiting)
        while held < self._config.lookahead * self._config.context:
            name = min(self._streams, key=lambda name: self._tokens[name] / self._weights[name])
            for document in self._streams[name].next_documents():
                self._tokens[name] += len(document.tokens)
                held += len(document.tokens)
                waiting.append(document)
        first = waiting.pop(0)
        row, room = [first], self._config.context - len(first.tokens)
        while fitting := [i for i, document in enumerate(waiting) if len(document.tokens) <= room]:
            chosen = waiting.pop(max(fitting, key=lambda i: (len(waiting[i].tokens), -i)))
            row.append(chosen)
            room -= len(chosen.tokens)
        return row

    def state_dict(self) -> dict[str, Any]:
        """Where the loader stands, as plain JSON values."""
        return {
            "fingerprint": self._fingerprint,
            "cursors": {name: list(stream.cursor) for name, stream in self._streams.items()},
            "tokens": dict(self._tokens),
            "waiting": [[a.source, a.epoch, a.window, a.row, a.piece] for a in (d.address for d in self._waiting)],
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
        self._waiting = [
            self._streams[source].at(epoch, window, row)[piece]
            for source, epoch, window, row, piece in state["waiting"]
        ]
