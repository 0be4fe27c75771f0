"""Where words begin and end, given how likely each phone is in each frame: forward-backward over their phones.

A word is one of its pronunciations; its phones go left to right, each of four frames at least (three where speech is
too fast for that); before, between and after the words there may be silence. A boundary is the median of its
posterior distribution, the estimate with the least expected absolute error, and may lie between frames. It beats the
best path's boundary (``docs/decisions.md`` has the figures).

Each word is looked for in a band of frames only: time and memory grow linearly with the recording.

Shapes: T frames, P phones, S states, W words, V pronunciations of the word that has most.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from schemas.errors import RecordError

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

SILENCE = 0
"""Index of silence among the phones."""
MIN_FRAMES = (4, 3)
"""Least length of a phone. The second is tried where the first leaves no path; PocketSphinx's own path fits it."""
_NEVER = -1e30


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
        found = _Lattice(log_probs, words, bands, min_frames).boundaries(scale)
        if found is not None:
            return found
    raise RecordError("alignment_failed", "the words do not fit into the frames around their coarse places")


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Steps into ``frames`` that touch the same words, with what they need; places count from the first state."""

    frames: range
    words: slice
    states: slice
    exists: npt.NDArray[np.bool_]
    begins: Indices
    ends: Indices
    owners: Indices
    silences: Indices
    repeat: Floats
    follow: Floats


class _Lattice:
    """States in a row: silence, then for each word its pronunciations one after the other and silence.

    Every phone has ``min_frames`` states, of which the last one repeats.
    """

    def __init__(
        self,
        log_probs_TP: Floats,
        words: Sequence[Sequence[Sequence[int]]],
        bands: Sequence[tuple[int, int]],
        min_frames: int,
    ) -> None:
        self._min_frames = min_frames
        shape = len(words), max(len(pronunciations) for pronunciations in words)
        self._first_WV, self._last_WV = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        self._exists_WV = np.zeros(shape, dtype=bool)
        phones = [SILENCE]
        silences = []
        for index, pronunciations in enumerate(words):
            for place, pronunciation in enumerate(pronunciations):
                self._exists_WV[index, place] = True
                self._first_WV[index, place] = min_frames * len(phones)
                phones += pronunciation
                self._last_WV[index, place] = min_frames * len(phones) - 1
            silences.append(min_frames * len(phones))
            phones.append(SILENCE)
        self._silence_W = np.array(silences)
        # Where each word's states begin; the first word takes the silence before it along.
        self._offsets = np.concatenate([[0], self._silence_W + min_frames])
        self._phones_S = np.repeat(phones, min_frames)
        self._repeats_S = np.arange(len(self._phones_S)) % min_frames == min_frames - 1
        self._follows_S = np.ones(len(self._phones_S), dtype=bool)  # entered from the state before it
        self._follows_S[[0, *self._silence_W, *self._first_WV[self._exists_WV]]] = False
        self._log_probs_TP = log_probs_TP
        self._set_bands(bands)

    def _set_bands(self, bands: Sequence[tuple[int, int]]) -> None:
        frames = len(self._log_probs_TP)
        begins = np.maximum.accumulate([0, *(begin for begin, _ in bands[1:])])
        ends = np.minimum.accumulate([frames, *(end for _, end in reversed(bands[:-1]))])[::-1]
        frame_T = np.arange(frames)
        self._high_T = np.searchsorted(begins, frame_T, side="right")
        self._low_T = np.minimum(np.searchsorted(ends, frame_T, side="right"), self._high_T - 1)
        word_W = np.arange(len(bands))
        self._begin_W = np.searchsorted(self._high_T, word_W, side="right")
        self._length_W = np.maximum(np.searchsorted(self._low_T, word_W, side="right") - self._begin_W, 0)
        self._cell_W = np.concatenate([[0], np.cumsum(self._length_W)])  # of word w in its frame begin_W[w]
        self._into_word = np.full(self._cell_W[-1], _NEVER)
        self._into_silence = np.full(self._cell_W[-1], _NEVER)

    def boundaries(self, scale: float) -> Boundaries | None:
        """None where no path fits."""
        total = self._forward()
        if total < _NEVER / 2:
            return None
        self._backward(total)
        rows = []
        for begin, cell, length in zip(self._begin_W, self._cell_W, self._length_W, strict=False):
            start_F = np.cumsum(np.exp(self._into_word[cell : cell + length]))
            silence_F = np.cumsum(np.exp(self._into_silence[cell : cell + length]))
            low, start, high = (_quantile(start_F, share) for share in (0.25, 0.5, 0.75))
            rows.append((begin + start, begin + _quantile(silence_F, 0.5), high - low, min(1.0, float(silence_F[-1]))))
        starts_W, ends_W, spread_W, pause_W = np.array(rows).T
        return Boundaries(starts_W, ends_W, spread_W, pause_W, total / scale / len(self._log_probs_TP))

    def _stretches(self) -> list["_Stretch"]:
        """The steps from each frame to the next, in runs that touch the same words."""
        low_T, high_T = self._low_T[:-1], self._high_T[1:]
        changes = np.flatnonzero((np.diff(low_T) != 0) | (np.diff(high_T) != 0)) + 2
        edges = [1, *changes.tolist(), len(self._log_probs_TP)]
        return [self._stretch(first, last) for first, last in pairwise(edges)]

    def _stretch(self, first: int, last: int) -> "_Stretch":
        words = slice(int(self._low_T[first - 1]), int(self._high_T[first]))
        states = slice(int(self._offsets[words.start]), int(self._offsets[words.stop]))
        exists_WV = self._exists_WV[words]
        begins = self._first_WV[words][exists_WV] - states.start
        return _Stretch(
            frames=range(first, last),
            words=words,
            states=states,
            exists=exists_WV,
            begins=begins,
            ends=self._last_WV[words][exists_WV] - states.start,
            owners=np.nonzero(exists_WV)[0],
            silences=self._silence_W[words] - states.start,
            repeat=np.where(self._repeats_S[states], 0.0, _NEVER),
            follow=np.where(self._follows_S[states], 0.0, _NEVER)[1:],
        )

    def _cells(self, frame: int) -> tuple[int, Indices]:
        """The first word active in the frame, and the active words' places in the lists of entries."""
        words = slice(int(self._low_T[frame]), int(self._high_T[frame]))
        return words.start, self._cell_W[:-1][words] + frame - self._begin_W[words]

    def _forward(self) -> float:
        """Fills the lists of entries with log probabilities of what lies before; returns that of everything."""
        paused = self._min_frames - 1  # from the first to the last state of a silence
        alpha_S = np.full(len(self._phones_S), _NEVER)
        starts = [0, *self._first_WV[0][self._exists_WV[0]]]
        alpha_S[starts] = self._log_probs_TP[0, self._phones_S[starts]]
        for run in self._stretches():
            log_probs_FS = self._log_probs_TP[run.frames.start : run.frames.stop][:, self._phones_S[run.states]]
            ended_WV = np.full(run.exists.shape, _NEVER)
            into_word_W = np.full(len(ended_WV), _NEVER)
            for frame, log_probs_S in zip(run.frames, log_probs_FS, strict=True):
                alpha = alpha_S[run.states]
                ended_WV[run.exists] = alpha[run.ends]
                into_silence_W = np.logaddexp.reduce(ended_WV, axis=1)
                into_word_W[1:] = np.logaddexp(alpha[run.silences[:-1] + paused], into_silence_W[:-1])
                if run.words.start == 0:
                    into_word_W[0] = alpha[paused]
                entered_S = np.empty(len(alpha))
                entered_S[0] = _NEVER
                np.add(alpha[:-1], run.follow, out=entered_S[1:])
                entered_S[run.begins] = into_word_W[run.owners]
                entered_S[run.silences] = into_silence_W
                alpha_S[run.states] = np.logaddexp(alpha + run.repeat, entered_S) + log_probs_S
                active, cells = self._cells(frame)
                self._into_word[cells] = into_word_W[active - run.words.start :]
                self._into_silence[cells] = into_silence_W[active - run.words.start :]
                alpha_S[run.states.start : self._offsets[active]] = _NEVER
        return float(np.logaddexp.reduce(alpha_S[self._finals()]))

    def _backward(self, total: float) -> None:
        """Turns the lists of entries into log posterior probabilities."""
        paused = self._min_frames - 1
        beta_S = np.full(len(self._phones_S), _NEVER)
        beta_S[self._finals()] = 0.0
        for run in reversed(self._stretches()):
            log_probs_FS = self._log_probs_TP[run.frames.start : run.frames.stop][:, self._phones_S[run.states]]
            begun_WV = np.full(run.exists.shape, _NEVER)
            word_W = np.full(len(begun_WV) + 1, _NEVER)
            for frame, log_probs_S in zip(reversed(run.frames), log_probs_FS[::-1], strict=True):
                later_S = beta_S[run.states] + log_probs_S
                begun_WV[run.exists] = later_S[run.begins]
                word_W[:-1] = np.logaddexp.reduce(begun_WV, axis=1)
                silence_W = later_S[run.silences]
                active, cells = self._cells(frame)
                self._into_word[cells] += word_W[active - run.words.start : -1] - total
                self._into_silence[cells] += silence_W[active - run.words.start :] - total
                left_S = np.empty(len(later_S))
                left_S[-1] = _NEVER
                np.add(later_S[1:], run.follow, out=left_S[:-1])
                left_S[run.ends] = np.logaddexp(silence_W, word_W[1:])[run.owners]
                left_S[run.silences + paused] = word_W[1:]
                if run.words.start == 0:
                    left_S[paused] = word_W[0]
                beta_S[run.states] = np.logaddexp(later_S + run.repeat, left_S)
                beta_S[self._offsets[self._high_T[frame - 1]] : run.states.stop] = _NEVER
        firsts = self._first_WV[0][self._exists_WV[0]]
        begun_at_once = beta_S[firsts] + self._log_probs_TP[0, self._phones_S[firsts]]
        self._into_word[0] = np.logaddexp.reduce(begun_at_once) - total

    def _finals(self) -> Indices:
        return np.array([len(self._phones_S) - 1, *self._last_WV[-1][self._exists_WV[-1]]])


def _quantile(cumulated_F: Floats, share: float) -> float:
    """Where a cumulated distribution reaches a share of its total; what is entered in frame t lies in [t - 1, t]."""
    wanted = share * cumulated_F[-1]
    frame = min(int(np.searchsorted(cumulated_F, wanted)), len(cumulated_F) - 1)
    before = cumulated_F[frame - 1] if frame else 0.0
    step = cumulated_F[frame] - before
    return frame - 1 + (float((wanted - before) / step) if step > 0 else 0.5)
