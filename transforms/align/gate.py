"""Judges an alignment before it may cut anything: every rejection names the test that it failed.

A forced aligner always finds *some* place for every word. The gate asks whether that place is plausible: is
something that sounds like these words there (acoustic score), are they said at a speed at which people speak (word
rate, word length, squeezed words), and is what is loud covered by words, and what the words cover loud?

Thresholds are scalars, calibrated on the bundled prompts and ``timit-dev`` against transcripts swapped between
utterances; ``benchmarks/alignment.py`` reports both kinds of error.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from schemas.errors import RecordError
from schemas.records import SAMPLE_RATE_HZ, AlignedWord, SpokenWord, Waveform
from transforms.align.protocol import LOG_LIKELIHOOD, Alignment

Energies = npt.NDArray[np.float64]  # (T,), one a 10 ms frame
Mask = npt.NDArray[np.bool_]  # (T,)

_FRAME_SAMPLES = 160
_SQUEEZED_SAMPLES = 640
_FEWEST_WORDS_WITH_A_RATE = 3
_SPEECH_MARGIN_SAMPLES = 800


class GateConfig(BaseModel):
    """Thresholds. An alignment that passes every test is accepted.

    Args:
        min_log_likelihood: Nats a frame, mean over the utterance (where the aligner gives it); of n words,
            0.5 / n more is forgiven, as the mean of a short utterance varies more.
        min_word_score: The same for the worst run of three words, with nothing forgiven.
        max_words_per_s: Words divided by the time from the first word's start to the last one's end; of three
            words and more, as a single letter is short by nature.
        max_word_s, max_s_per_letter: A word may last the shorter of ``max_word_s`` and 0.5 s + this a letter.
        max_squeezed_ratio: Share of words of 40 ms or less.
        min_coverage: Share of the loud frames' energy that lies inside words (50 ms of tolerance).
        min_voiced_ratio: Share of words that are loud for at least a quarter of their time.
        speech_range_db: Frames within this range of the loud ones (95th percentile) count as loud.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_log_likelihood: float = -2.5
    min_word_score: float = -4.5
    max_words_per_s: float = 8.0
    max_word_s: float = 2.5
    max_s_per_letter: float = 0.25
    max_squeezed_ratio: float = 0.25
    min_coverage: float = 0.85
    min_voiced_ratio: float = 0.75
    speech_range_db: float = 25.0


def judge(
    alignment: Alignment, words: Sequence[SpokenWord], waveform: Waveform, config: GateConfig
) -> dict[str, float]:
    """Scores of an accepted alignment.

    Raises:
        RecordError: Outcome ``filtered``; the code says which test failed: ``gate_word_count``, ``gate_word_order``,
            ``gate_word_length``, ``gate_zero_words``, ``gate_word_rate``, ``gate_acoustic_score``,
            ``gate_coverage``, ``gate_silent_words``.
    """
    aligned = alignment.words
    check_spans(aligned, words, num_samples=len(waveform))
    scores = measure(alignment, waveform, config)
    longest = max(aligned, key=lambda word: _seconds(word) - _allowed_seconds(word, config))
    if _seconds(longest) > _allowed_seconds(longest, config):
        raise _rejected("gate_word_length", f"{longest.text!r} lasts {_seconds(longest):.2f} s")
    _at_most("gate_zero_words", "share of words of 40 ms or less", scores["squeezed_ratio"], config.max_squeezed_ratio)
    if len(aligned) >= _FEWEST_WORDS_WITH_A_RATE:
        _at_most("gate_word_rate", "words a second", scores["words_per_s"], config.max_words_per_s)
    if LOG_LIKELIHOOD in scores:
        floor = config.min_log_likelihood - 0.5 / len(aligned)
        _at_least("gate_acoustic_score", "log-likelihood a frame", scores[LOG_LIKELIHOOD], floor)
        _at_least("gate_acoustic_score", "score of the worst words", scores["worst_words"], config.min_word_score)
    _at_least("gate_coverage", "share of the speech inside words", scores["coverage"], config.min_coverage)
    _at_least("gate_silent_words", "share of words that are heard", scores["voiced_ratio"], config.min_voiced_ratio)
    return scores


def check_spans(aligned: Sequence[AlignedWord], words: Sequence[SpokenWord], *, num_samples: int) -> None:
    """The words that were asked for, in order, disjoint, not empty, inside the audio.

    Raises:
        RecordError: ``gate_word_count`` or ``gate_word_order``.
    """
    if not words or [word.text for word in aligned] != [word.text for word in words]:
        raise _rejected("gate_word_count", f"{len(aligned)} words came back for {len(words)}")
    floor = 0
    for word in aligned:
        if not floor <= word.start_sample < word.end_sample <= num_samples:
            raise _rejected("gate_word_order", f"{word.text!r} is empty, out of order or outside the audio")
        floor = word.end_sample


def measure(alignment: Alignment, waveform: Waveform, config: GateConfig) -> dict[str, float]:
    """All scores of an alignment with at least one word, the aligner's own among them."""
    aligned = alignment.words
    durations = np.array([word.end_sample - word.start_sample for word in aligned])
    said_s = (aligned[-1].end_sample - aligned[0].start_sample) / SAMPLE_RATE_HZ
    energy_T = frame_energy(waveform)
    loud_T = energy_T >= np.percentile(energy_T, 95) * 10 ** (-config.speech_range_db / 10)
    return {
        **alignment.scores,
        "worst_words": _worst_run([word.score for word in aligned], durations),
        "words_per_s": len(aligned) / said_s,
        "longest_word_s": float(durations.max()) / SAMPLE_RATE_HZ,
        "squeezed_ratio": float(np.mean(durations <= _SQUEEZED_SAMPLES)),
        "coverage": _coverage(aligned, energy_T, loud_T),
        "voiced_ratio": _voiced_ratio(aligned, loud_T),
    }


def frame_energy(waveform: Waveform) -> Energies:
    """Mean square of each whole or partial 10 ms frame; shape ``(ceil(num_samples / 160),)``."""
    frames = -(-len(waveform) // _FRAME_SAMPLES)
    padded = np.zeros(frames * _FRAME_SAMPLES)
    padded[: len(waveform)] = waveform
    energy: Energies = np.square(padded.reshape(frames, _FRAME_SAMPLES)).mean(axis=1)
    return energy


def _coverage(aligned: Sequence[AlignedWord], energy_T: npt.NDArray[np.float64], loud_T: Mask) -> float:
    inside_T = np.zeros(len(energy_T), dtype=bool)
    for word in aligned:
        start = max(0, word.start_sample - _SPEECH_MARGIN_SAMPLES) // _FRAME_SAMPLES
        inside_T[start : -(-(word.end_sample + _SPEECH_MARGIN_SAMPLES) // _FRAME_SAMPLES)] = True
    # The square root keeps one loud vowel from outweighing a whole unaligned phrase.
    weight_T = np.sqrt(energy_T) * loud_T
    total = float(weight_T.sum())
    return float((weight_T * inside_T).sum()) / total if total > 0 else 0.0


def _voiced_ratio(aligned: Sequence[AlignedWord], loud_T: Mask) -> float:
    heard = 0
    for word in aligned:
        frames = loud_T[word.start_sample // _FRAME_SAMPLES : -(-word.end_sample // _FRAME_SAMPLES)]
        heard += bool(frames.mean() >= 0.25)
    return heard / len(aligned)


def _worst_run(word_scores: Sequence[float], durations: npt.NDArray[np.int_], *, run: int = 3) -> float:
    """The lowest duration-weighted mean score of ``run`` neighbouring words (of all, where there are fewer)."""
    size = min(run, len(word_scores))
    ones = np.ones(size)
    weighted = np.convolve(np.asarray(word_scores) * durations, ones, mode="valid")
    return float((weighted / np.convolve(durations, ones, mode="valid")).min())


def _seconds(word: AlignedWord) -> float:
    return (word.end_sample - word.start_sample) / SAMPLE_RATE_HZ


def _allowed_seconds(word: AlignedWord, config: GateConfig) -> float:
    return min(config.max_word_s, 0.5 + config.max_s_per_letter * len(word.text))


def _at_least(code: str, what: str, value: float, limit: float) -> None:
    if not value >= limit:
        raise _rejected(code, f"{what} is {value:.3g}, below {limit:g}")


def _at_most(code: str, what: str, value: float, limit: float) -> None:
    if not value <= limit:
        raise _rejected(code, f"{what} is {value:.3g}, above {limit:g}")


def _rejected(code: str, detail: str) -> RecordError:
    return RecordError(code, detail, outcome="filtered")
