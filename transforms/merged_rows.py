"""Speech tokens of many utterances, deduplicated and merged at once: what ``merge_streams`` gives, row for row."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.records import Stream, TokenIds
from schemas.vocabulary import VocabularyLayout
from transforms.streams import DEDUPLICATED, MERGE_PRIORITY

Integers = npt.NDArray[np.int64]
_ONSET_BITS, _PRIORITY_BITS = 38, 2  # a recording may last 2**38 samples, half a year


@dataclass(frozen=True, slots=True)
class MergedRows:
    """Tokens of all rows by (row, onset, style < pitch < units), int32, and the ascending keys that say so."""

    tokens: TokenIds
    keys: Integers

    def cuts(self, row: Any, samples: Any) -> Integers:
        """Index of the first token whose onset in a row is not before a sample; arrays of one shape."""
        return np.searchsorted(self.keys, _sort_key(row, samples, 0), side="left").astype(np.int64)


def merge_rows(rows: Sequence[Sequence[Stream]], *, layout: VocabularyLayout) -> MergedRows:
    """The raw streams of each row; kinds that the layout has no room for are left out."""
    keys, tokens = [np.zeros(0, np.int64)], [np.zeros(0, np.int32)]
    for kind, priority in MERGE_PRIORITY.items():
        if layout.codebook_size(kind) == 0:
            continue
        present = [
            (row, stream.hop_samples, stream.ids)
            for row, streams in enumerate(rows)
            for stream in streams
            if stream.kind == kind and len(stream.ids)
        ]
        if not present:
            continue
        row_of, hops, parts = zip(*present, strict=True)
        lengths = np.array([len(part) for part in parts])
        ids = np.concatenate(parts).astype(np.int32)
        begins = np.cumsum(lengths) - lengths
        frame = np.arange(len(ids)) - np.repeat(begins, lengths)
        onset = frame * np.repeat(hops, lengths)
        key = _sort_key(np.repeat(row_of, lengths), onset, priority)
        if DEDUPLICATED[kind]:
            kept = np.ones(len(ids), dtype=bool)
            kept[1:] = ids[1:] != ids[:-1]
            kept[begins] = True
            ids, key = ids[kept], key[kept]
        keys.append(key)
        tokens.append(ids + np.int32(layout.offset(kind)))
    key, token = np.concatenate(keys), np.concatenate(tokens)
    order = np.argsort(key, kind="stable")
    return MergedRows(token[order], key[order])


def _sort_key(row: Any, onset: Any, priority: int) -> Integers:
    key: Integers = (
        (np.asarray(row, np.int64) << (_ONSET_BITS + _PRIORITY_BITS))
        + (np.asarray(onset, np.int64) << _PRIORITY_BITS)
        + priority
    )
    return key
