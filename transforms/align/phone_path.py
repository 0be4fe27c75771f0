"""Where words begin and end, given how likely each phone is in each frame: forward-backward over their phones.

A word is one of its pronunciations; its phones go left to right, each of four frames at least (three where speech is
too fast for that); before, between and after the words there may be silence. A boundary is the median of its
posterior distribution, the estimate with the least expected absolute error, and may lie between frames. It beats the
best path's boundary (``docs/decisions.md`` has the figures).

Each word is looked for in a band of frames only: time and memory grow linearly with the recording.

Shapes: T frames, P phones, S states, W words, N pronunciations of all words, C cells: a word in a frame of its band.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.errors import RecordError

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

SILENCE = 0
"""Index of silence among the phones."""
MIN_FRAMES = (4, 3)
"""Least length of a phone. The second is tried where the first leaves no path; PocketSphinx's own path fits it."""


@dataclass(frozen=True, slots=True)
class Boundaries:
    """Of each word, in frames, fractions included; frame t stands for the moment t, not for a stretch.

    ``ends`` is where silence begins if there is silence after the word, which has the probability ``pause``.
    ``spread`` is the width of the middle half of the start's distribution. ``log_likelihood`` is the mean over
    frames, boundaries and pronunciations summed out.
    """

    starts: Floats
    ends: Floats
    spread: Floats
    pause: Floats
    log_likelihood: float


def locate(
    log_probs_TP: npt.NDArray[np.float32],
    words: Sequence[Sequence[Sequence[int]]],
    *,
    bands: Sequence[tuple[int, int]],
    scale: float,
) -> Boundaries:
    """Boundaries of words.

    Args:
        log_probs_TP: Natural logarithms, one column a phone.
        words: The pronunciations of each word, each a sequence of phones.
        bands: Half-open range of frames in which each word, and the silence after it, may lie; in order. The first
            one is widened to the recording's start, the last one to its end.
        scale: Multiplies the log probabilities, as neighbouring frames are not independent.

    Raises:
        RecordError: ``alignment_failed``: the words do not fit into their bands.
    """
    log_probs = log_probs_TP.astype(np.float64) * scale
    for min_frames in MIN_FRAMES:
        found = _boundaries(log_probs, words, bands, min_frames=min_frames, scale=scale)
        if found is not None:
            return found
    raise RecordError("alignment_failed", "the words do not fit into the frames around their coarse places")


class Lattice(NamedTuple):
    """States in a row: silence, then for each word its pronunciations one after the other and silence.

    Args:
        log_probs: Of the phones, by frame; ``(T, P)``.
        phones: Each state's phone; ``(S,)``.
        stays, follows: Whether a state may last, as the last one of a phone does, and whether it is entered from the
            one before it; ``(S,)``.
        firsts, lasts: First and last state of each pronunciation; ``(N,)``.
        variants: Where each word's pronunciations begin, and the number of all; ``(W + 1,)``.
        silences: First state of the silence after each word; ``(W,)``.
        offsets: Where each word's states begin, and the number of all; the first word takes the silence before it
            along. ``(W + 1,)``.
        lows, highs: The words of a frame, half-open; ``(T,)``.
        cells: Cell of word w in frame f, less f; ``(W,)``.
        paused: From the first to the last state of a silence.
    """

    log_probs: Floats
    phones: Indices
    stays: Mask
    follows: Mask
    firsts: Indices
    lasts: Indices
    variants: Indices
    silences: Indices
    offsets: Indices
    lows: Indices
    highs: Indices
    cells: Indices
    paused: int


def _boundaries(
    log_probs_TP: Floats,
    words: Sequence[Sequence[Sequence[int]]],
    bands: Sequence[tuple[int, int]],
    *,
    min_frames: int,
    scale: float,
) -> Boundaries | None:
    """None where no path fits. Every phone has ``min_frames`` states, of which the last one repeats."""
    from transforms.align._phone_kernel import backward, forward  # the compiler takes 0.4 s to import

    frames = len(log_probs_TP)
    begins = np.maximum.accumulate([0, *(begin for begin, _ in bands[1:])])
    ends = np.minimum.accumulate([frames, *(end for _, end in reversed(bands[:-1]))])[::-1]
    frame_T = np.arange(frames)
    high_T = np.searchsorted(begins, frame_T, side="right")
    low_T = np.minimum(np.searchsorted(ends, frame_T, side="right"), high_T - 1)
    word_W = np.arange(len(bands))
    begin_W = np.searchsorted(high_T, word_W, side="right")
    length_W = np.maximum(np.searchsorted(low_T, word_W, side="right") - begin_W, 0)
    cell_W = np.concatenate([[0], np.cumsum(length_W)])  # of word w in its frame begin_W[w]
    lattice = _lattice(log_probs_TP, words, min_frames, low_T, high_T, cell_W[:-1] - begin_W)
    into_word_C, into_silence_C = np.full(cell_W[-1], -np.inf), np.full(cell_W[-1], -np.inf)
    total = forward(lattice, into_word_C, into_silence_C)
    if total == -np.inf:
        return None
    backward(lattice, total, into_word_C, into_silence_C)
    rows = []
    for begin, cell, length in zip(begin_W, cell_W, length_W, strict=False):
        start_F = np.cumsum(np.exp(into_word_C[cell : cell + length]))
        silence_F = np.cumsum(np.exp(into_silence_C[cell : cell + length]))
        low, start, high = (_quantile(start_F, share) for share in (0.25, 0.5, 0.75))
        rows.append((begin + start, begin + _quantile(silence_F, 0.5), high - low, min(1.0, float(silence_F[-1]))))
    starts_W, ends_W, spread_W, pause_W = np.array(rows).T
    return Boundaries(starts_W, ends_W, spread_W, pause_W, total / scale / frames)


def _lattice(
    log_probs_TP: Floats,
    words: Sequence[Sequence[Sequence[int]]],
    min_frames: int,
    lows_T: Indices,
    highs_T: Indices,
    cells_W: Indices,
) -> Lattice:
    phones = [SILENCE]
    firsts, lasts, variants, silences = [], [], [0], []
    for pronunciations in words:
        for pronunciation in pronunciations:
            firsts.append(min_frames * len(phones))
            phones += pronunciation
            lasts.append(min_frames * len(phones) - 1)
        variants.append(len(firsts))
        silences.append(min_frames * len(phones))
        phones.append(SILENCE)
    states = min_frames * len(phones)
    follows_S = np.ones(states, dtype=bool)
    follows_S[[0, *silences, *firsts]] = False
    return Lattice(
        log_probs=log_probs_TP,
        phones=np.repeat(phones, min_frames),
        stays=np.arange(states) % min_frames == min_frames - 1,
        follows=follows_S,
        firsts=np.array(firsts),
        lasts=np.array(lasts),
        variants=np.array(variants),
        silences=np.array(silences),
        offsets=np.array([0, *silences]) + np.array([0, *[min_frames] * len(silences)]),
        lows=lows_T,
        highs=highs_T,
        cells=cells_W,
        paused=min_frames - 1,
    )


def _quantile(cumulated_F: Floats, share: float) -> float:
    """Where a cumulated distribution reaches a share of its total; what is entered in frame t lies in [t - 1, t]."""
    wanted = share * cumulated_F[-1]
    frame = min(int(np.searchsorted(cumulated_F, wanted)), len(cumulated_F) - 1)
    before = cumulated_F[frame - 1] if frame else 0.0
    step = cumulated_F[frame] - before
    return frame - 1 + (float((wanted - before) / step) if step > 0 else 0.5)
