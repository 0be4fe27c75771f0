"""What the gate knows of an alignment: named numbers of each word and of the whole.

Every word measure is zero for a word beyond reproach and grows with suspicion, within bounds, so that no single one
outshouts the rest. What is missing (an aligner without scores, no second opinion) is left out, not guessed.

Of each word:

    ``fit``              nats a frame below the best sounds (the aligner's score, negated)
    ``fit_near``         the same, mean of the word and its two neighbours
    ``cliff``            how much worse it fits than the median word
    ``long``, ``short``  |ln| of its length over what its letters take in its language
    ``quiet``            share of its time that is not loud
    ``no_speech``        share of its time without speech (VAD)
    ``speech_outside``   seconds of speech (VAD) in the gaps beside it
    ``text``             nats of its least likely token (second opinion), ``text_mean`` of its mean one
    ``text_near``        the worst of its neighbours' ``text``
    ``apart``            seconds between the place the aligner gives it and the one the second opinion does
    ``ending``           nats, over 2, of a full stop behind the last word (second opinion); other words have 0
    ``unwritten``        1 beside a word that is heard and not written (second opinion)
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from schemas.records import SAMPLE_RATE_HZ, AlignedWord, Waveform
from transforms.align.gate_opinion import Opinion
from transforms.align.protocol import LOG_LIKELIHOOD, Alignment
from transforms.align.vad import FRAME_SAMPLES as VAD_FRAME_SAMPLES
from transforms.align.vad import Probabilities

Energies = npt.NDArray[np.float64]  # (T,), one a 10 ms frame
Mask = npt.NDArray[np.bool_]  # (T,)
FloatArray = npt.NDArray[np.float64]
Measures = dict[str, FloatArray]  # name -> (W,), one a word

SQUEEZED_SAMPLES = 640
_FRAME_SAMPLES = 160
_SPEECH_MARGIN_SAMPLES = 800
_WORD_ONSET_S = 0.09
_MOST_NATS_A_FRAME = 12.0
_MOST_TEXT_NATS = 12.0
_USUAL_ENDING_NATS = 2.0  # a full stop behind a right text costs less


def word_measures(
    alignment: Alignment,
    waveform: Waveform,
    *,
    speech: Probabilities,
    loud_T: Mask,
    opinions: Sequence[Opinion] | None,
    letters_per_s: float,
) -> Measures:
    """The table of the module's docstring; every array has the length of the words."""
    words = alignment.words
    measures = {
        **_lengths(words, letters_per_s),
        "quiet": 1.0 - loud_shares(words, loud_T),
        "no_speech": 1.0 - _speech_shares(words, speech),
        "speech_outside": _speech_outside(words, speech, num_samples=len(waveform)),
    }
    if LOG_LIKELIHOOD in alignment.scores:
        fit_W = np.clip([-word.score for word in words], 0.0, _MOST_NATS_A_FRAME)
        measures["fit"] = fit_W
        measures["fit_near"] = _near(fit_W, np.mean)
        measures["cliff"] = np.maximum(0.0, fit_W - np.median(fit_W))
    if opinions is not None:
        text_W = np.clip([-opinion.worst_nats for opinion in opinions], 0.0, _MOST_TEXT_NATS)
        measures["text"] = text_W
        measures["text_mean"] = np.clip([-opinion.mean_nats for opinion in opinions], 0.0, _MOST_TEXT_NATS)
        measures["text_near"] = _near(text_W, np.max, itself=False)
        apart = [
            abs(opinion.start_sample - word.start_sample) / SAMPLE_RATE_HZ
            for opinion, word in zip(opinions, words, strict=True)
        ]
        measures["apart"] = np.minimum(apart, 1.0)
        ending = [-opinion.ending_nats - _USUAL_ENDING_NATS for opinion in opinions]
        measures["ending"] = np.clip(ending, 0.0, _MOST_TEXT_NATS)
        measures["unwritten"] = np.array([float(opinion.unwritten) for opinion in opinions])
    return measures


def utterance_measures(aligned: Sequence[AlignedWord], energy_T: Energies, loud_T: Mask) -> dict[str, float]:
    """Measures of the whole, of at least one word."""
    durations = np.array([word.end_sample - word.start_sample for word in aligned])
    said_s = (aligned[-1].end_sample - aligned[0].start_sample) / SAMPLE_RATE_HZ
    return {
        "worst_words": worst_run([word.score for word in aligned], durations),
        "words_per_s": len(aligned) / said_s,
        "letters_per_s": sum(len(word.text) for word in aligned) / said_s,
        "longest_word_s": float(durations.max()) / SAMPLE_RATE_HZ,
        "squeezed_ratio": float(np.mean(durations <= SQUEEZED_SAMPLES)),
        "coverage": coverage(aligned, energy_T, loud_T),
        "voiced_ratio": float(np.mean(loud_shares(aligned, loud_T) >= 0.25)),
    }


def frame_energy(waveform: Waveform) -> Energies:
    """Mean square of each whole or partial 10 ms frame; shape ``(ceil(num_samples / 160),)``."""
    frames = -(-len(waveform) // _FRAME_SAMPLES)
    padded = np.zeros(frames * _FRAME_SAMPLES)
    padded[: len(waveform)] = waveform
    energy: Energies = np.square(padded.reshape(frames, _FRAME_SAMPLES)).mean(axis=1)
    return energy


def loud_frames(energy_T: Energies, *, range_db: float) -> Mask:
    """Frames within ``range_db`` of the loud ones (95th percentile)."""
    loud: Mask = energy_T >= np.percentile(energy_T, 95) * 10 ** (-range_db / 10)
    return loud


def coverage(aligned: Sequence[AlignedWord], energy_T: Energies, loud_T: Mask) -> float:
    """Share of the loud frames' amplitude that lies inside words, 50 ms of tolerance."""
    inside_T = np.zeros(len(energy_T), dtype=bool)
    for word in aligned:
        start = max(0, word.start_sample - _SPEECH_MARGIN_SAMPLES) // _FRAME_SAMPLES
        inside_T[start : -(-(word.end_sample + _SPEECH_MARGIN_SAMPLES) // _FRAME_SAMPLES)] = True
    # The square root keeps one loud vowel from outweighing a whole unaligned phrase.
    weight_T = np.sqrt(energy_T) * loud_T
    total = float(weight_T.sum())
    return float((weight_T * inside_T).sum()) / total if total > 0 else 0.0


def loud_shares(aligned: Sequence[AlignedWord], loud_T: Mask) -> npt.NDArray[np.float64]:
    """Share of each word's frames that are loud; shape ``(W,)``."""
    return np.array(
        [loud_T[word.start_sample // _FRAME_SAMPLES : -(-word.end_sample // _FRAME_SAMPLES)].mean() for word in aligned]
    )


def worst_run(scores: Sequence[float], durations: npt.NDArray[np.int_], *, run: int = 3) -> float:
    """The lowest duration-weighted mean score of ``run`` neighbouring words (of all, where there are fewer)."""
    size = min(run, len(scores))
    ones = np.ones(size)
    weighted = np.convolve(np.asarray(scores) * durations, ones, mode="valid")
    return float((weighted / np.convolve(durations, ones, mode="valid")).min())


def contributions(measures: Measures, weights: Mapping[str, float]) -> Measures:
    """What each measure adds to the log-odds that a word is not what is said there; their sum and ``bias`` are all.

    ``weights`` names measures. A measure that was not taken counts with its usual value, under ``mean:NAME``.
    """
    size = len(next(iter(measures.values())))
    names = [name for name in weights if name != "bias" and not name.startswith("mean:")]
    return {
        name: weights[name] * (measures[name] if name in measures else np.full(size, weights[f"mean:{name}"]))
        for name in names
    }


def _lengths(words: Sequence[AlignedWord], letters_per_s: float) -> Measures:
    durations_s = np.array([word.end_sample - word.start_sample for word in words]) / SAMPLE_RATE_HZ
    usual_s = _WORD_ONSET_S + np.array([len(word.text) for word in words]) / letters_per_s
    ratio_W = np.log(durations_s / usual_s)
    return {"long": np.clip(ratio_W, 0.0, 3.0), "short": np.clip(-ratio_W, 0.0, 3.0)}


def _speech_shares(words: Sequence[AlignedWord], speech: Probabilities) -> npt.NDArray[np.float64]:
    return np.array(
        [
            speech[word.start_sample // VAD_FRAME_SAMPLES : -(-word.end_sample // VAD_FRAME_SAMPLES)].mean()
            for word in words
        ]
    )


def _speech_outside(
    words: Sequence[AlignedWord], speech: Probabilities, *, num_samples: int
) -> npt.NDArray[np.float64]:
    """Seconds of speech in the gaps on either side of each word, a tolerance of 50 ms at each edge; at most 1."""
    edges = [0, *(edge for word in words for edge in (word.start_sample, word.end_sample)), num_samples]
    gaps = []
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        start, end = start + _SPEECH_MARGIN_SAMPLES, end - _SPEECH_MARGIN_SAMPLES
        frames = speech[-(-start // VAD_FRAME_SAMPLES) : max(0, end) // VAD_FRAME_SAMPLES]
        gaps.append(float(frames.sum()) * VAD_FRAME_SAMPLES / SAMPLE_RATE_HZ)
    return np.minimum(np.maximum(gaps[:-1], gaps[1:]), 1.0)


def _near(values_W: npt.NDArray[np.float64], reduce: object, *, itself: bool = True) -> npt.NDArray[np.float64]:
    """A word's neighbours on either side, reduced; those beyond the ends do not count."""
    assert callable(reduce)
    reduced = []
    for place in range(len(values_W)):
        near = [values_W[i] for i in (place - 1, place, place + 1) if 0 <= i < len(values_W) and (itself or i != place)]
        reduced.append(float(reduce(near)) if near else float(values_W[place]))
    return np.array(reduced)
