"""Streams to tokens and back: cutting by spans, deduplication, merging, expansion.

Frames and words, at hop 640 (``|`` marks where a word's span ends; a frame belongs to the word it begins in)::

    samples  0      640    1280   1920   2560
    frames   [  0  ][  1  ][  2  ][  3  ]
    words    the.........|cat............
    spans    [0 ....... 1000)[1000 . 2560)     frames of "the": 0, 1; of "cat": 2, 3

A token is emitted at the onset of its run in the whole utterance, so however an utterance is cut, each token
appears once and in one span.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from schemas.records import STREAM_KINDS, AlignedWord, Span, Stream, StreamKind, TokenIds
from schemas.vocabulary import VocabularyLayout

# Order of tokens with the same onset (Spirit LM, section 3.2).
MERGE_PRIORITY: dict[StreamKind, int] = {"style": 0, "pitch": 1, "units": 2}
DEDUPLICATED: dict[StreamKind, bool] = {"units": True, "pitch": True, "style": False}


def ceil_div(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)


def frames_in_span(span: Span, *, hop_samples: int) -> range:
    """Frames whose first sample lies in the half-open span."""
    return range(ceil_div(span.start, hop_samples), ceil_div(span.end, hop_samples))


def word_spans(words: Sequence[AlignedWord], *, num_samples: int) -> list[Span]:
    """Spans that partition the utterance, one a word: silence between two words is split at its middle."""
    cuts = [0]
    cuts += [(left.end_sample + right.start_sample) // 2 for left, right in pairwise(words)]
    cuts.append(num_samples)
    return [Span(start, end) for start, end in pairwise(cuts)]


@dataclass(frozen=True, slots=True)
class MergedStream:
    """All speech tokens of an utterance in order: ids of a layout and their onset samples, both of shape ``(n,)``."""

    tokens: TokenIds
    onsets: TokenIds

    def cut(self, span: Span) -> TokenIds:
        """Tokens whose onset lies in the half-open span."""
        first, last = np.searchsorted(self.onsets, [span.start, span.end], side="left")
        return self.tokens[first:last]


def emitted_frames(stream: Stream) -> TokenIds:
    """Frames whose code becomes a token, shape ``(n,)``: starts of runs, or every frame where runs are kept."""
    if len(stream.ids) == 0 or not DEDUPLICATED[stream.kind]:
        return np.arange(len(stream.ids), dtype=np.int32)
    return np.concatenate([[0], 1 + np.flatnonzero(np.diff(stream.ids))]).astype(np.int32)


def merge_streams(
    streams: Sequence[Stream], *, layout: VocabularyLayout, reemit_at: Sequence[int] = ()
) -> MergedStream:
    """Deduplicate each stream and merge them by (onset, style < pitch < units).

    Args:
        streams: Raw streams; kinds that the layout has no room for are left out.
        reemit_at: Samples at which the pitch and the style in force are stated again.
    """
    onsets, priorities, tokens = [], [], []
    for stream in streams:
        if layout.codebook_size(stream.kind) == 0:
            continue
        ids = stream.ids.astype(np.int32)
        starts = emitted_frames(stream)
        begin = starts * stream.hop_samples
        if stream.kind != "units" and len(ids):
            again = np.array([at for at in reemit_at if at not in begin], dtype=np.int32)
            frames = np.minimum(again // stream.hop_samples, len(ids) - 1)
            begin, starts = np.concatenate([begin, again]), np.concatenate([starts, frames])
        onsets.append(begin)
        tokens.append(ids[starts] + layout.offset(stream.kind))
        priorities.append(np.full(len(starts), MERGE_PRIORITY[stream.kind]))
    if not onsets:
        return MergedStream(np.zeros(0, np.int32), np.zeros(0, np.int32))
    onset, priority, token = np.concatenate(onsets), np.concatenate(priorities), np.concatenate(tokens)
    order = np.lexsort((priority, onset))
    return MergedStream(token[order].astype(np.int32), onset[order].astype(np.int32))


def expand_tokens(
    tokens: Sequence[int],
    *,
    layout: VocabularyLayout,
    hops: dict[StreamKind, int],
    fingerprints: dict[StreamKind, str],
    durations: Callable[[TokenIds], TokenIds],
) -> tuple[Stream, ...]:
    """Merged, deduplicated speech tokens (a model's output) back to raw streams.

    Args:
        tokens: Ids of the layout; what is no speech token is skipped.
        hops: Samples a frame of each kind.
        fingerprints: Encoder of each kind.
        durations: Frames that each unit lasts, given the deduplicated unit codes, shape ``(n,)`` to ``(n,)``.

    A pitch or style token takes effect at the onset of the unit that follows it.
    """
    codes = [decoded for token in tokens if (decoded := layout.decode_id(token)) is not None]
    units = np.array([code for kind, code in codes if kind == "units"], dtype=np.int32)
    lengths = durations(units) if len(units) else units
    unit_onsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64) * hops["units"]
    num_samples = int(unit_onsets[-1])
    streams = [Stream("units", hops["units"], layout.units_size, np.repeat(units, lengths), fingerprints["units"])]
    for kind in STREAM_KINDS[1:]:
        events: list[tuple[int, int]] = []
        passed = 0
        for other, code in codes:
            if other == "units":
                passed += 1
            elif other == kind:
                events.append((int(unit_onsets[passed]), code))
        frames = ceil_div(num_samples, hops[kind]) if kind in hops else 0
        if not events or frames == 0:
            continue
        at = np.searchsorted([onset for onset, _ in events], np.arange(frames) * hops[kind], side="right") - 1
        ids = np.array([code for _, code in events], dtype=np.int32)[np.maximum(at, 0)]
        streams.append(Stream(kind, hops[kind], layout.codebook_size(kind), ids, fingerprints[kind]))
    return tuple(streams)
