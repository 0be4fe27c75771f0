"""The gate's tests with fixed limits: lawful spans, plausible lengths and rates, speech where words are."""

from collections.abc import Sequence
from typing import Protocol

from schemas.errors import RecordError
from schemas.records import SAMPLE_RATE_HZ, AlignedWord, SpokenWord, Waveform
from transforms.align.gate_measures import frame_energy, loud_frames, utterance_measures
from transforms.align.protocol import LOG_LIKELIHOOD, Alignment
from transforms.text.language_codes import base_language

USUAL_LETTERS_PER_S = 15.0
_FEWEST_WORDS_WITH_A_RATE = 3


class Limits(Protocol):
    """What ``GateConfig`` says of these tests."""

    @property
    def letters_per_s(self) -> dict[str, float]: ...
    @property
    def max_speed_ratio(self) -> float: ...
    @property
    def min_log_likelihood(self) -> float: ...
    @property
    def min_word_score(self) -> float: ...
    @property
    def max_words_per_s(self) -> float: ...
    @property
    def max_word_s(self) -> float: ...
    @property
    def max_s_per_letter(self) -> float: ...
    @property
    def max_squeezed_ratio(self) -> float: ...
    @property
    def min_coverage(self) -> float: ...
    @property
    def min_voiced_ratio(self) -> float: ...
    @property
    def speech_range_db(self) -> float: ...


def check_spans(aligned: Sequence[AlignedWord], words: Sequence[SpokenWord], *, num_samples: int) -> None:
    """The words that were asked for, in order, disjoint, not empty, inside the audio.

    Raises:
        RecordError: ``gate_word_count`` or ``gate_word_order``.
    """
    if not words or [word.text for word in aligned] != [word.text for word in words]:
        raise rejected("gate_word_count", f"{len(aligned)} words came back for {len(words)}")
    floor = 0
    for word in aligned:
        if not floor <= word.start_sample < word.end_sample <= num_samples:
            raise rejected("gate_word_order", f"{word.text!r} is empty, out of order or outside the audio")
        floor = word.end_sample


def check_whole(alignment: Alignment, waveform: Waveform, limits: Limits, language: str) -> dict[str, float]:
    """Scores of an alignment with at least one word that passes every test, the aligner's own among them.

    Raises:
        RecordError: ``gate_word_length``, ``gate_zero_words``, ``gate_word_rate``, ``gate_acoustic_score``,
            ``gate_coverage`` or ``gate_silent_words``.
    """
    aligned = alignment.words
    energy_T = frame_energy(waveform)
    loud_T = loud_frames(energy_T, range_db=limits.speech_range_db)
    scores = {**alignment.scores, **utterance_measures(aligned, energy_T, loud_T)}
    longest = max(aligned, key=lambda word: overlong_s(word, limits))
    if overlong_s(longest, limits) > 0:
        raise rejected("gate_word_length", overlong_detail(longest))
    _at_most("gate_zero_words", "share of words of 40 ms or less", scores["squeezed_ratio"], limits.max_squeezed_ratio)
    if len(aligned) >= _FEWEST_WORDS_WITH_A_RATE:
        _at_most("gate_word_rate", "words a second", scores["words_per_s"], limits.max_words_per_s)
        fastest = limits.max_speed_ratio * usual_letters_per_s(limits, language)
        _at_most("gate_word_rate", "letters a second", scores["letters_per_s"], fastest)
    if LOG_LIKELIHOOD in scores:
        floor = limits.min_log_likelihood - 0.5 / len(aligned)
        _at_least("gate_acoustic_score", "log-likelihood a frame", scores[LOG_LIKELIHOOD], floor)
        _at_least("gate_acoustic_score", "score of the worst words", scores["worst_words"], limits.min_word_score)
    _at_least("gate_coverage", "share of the speech inside words", scores["coverage"], limits.min_coverage)
    _at_least("gate_silent_words", "share of words that are heard", scores["voiced_ratio"], limits.min_voiced_ratio)
    return scores


def overlong_s(word: AlignedWord, limits: Limits) -> float:
    """Seconds by which a word is longer than it may be; zero or less for a plausible one."""
    return _seconds(word) - min(limits.max_word_s, 0.5 + limits.max_s_per_letter * len(word.text))


def overlong_detail(word: AlignedWord) -> str:
    return f"{word.text!r} lasts {_seconds(word):.2f} s"


def usual_letters_per_s(limits: Limits, language: str) -> float:
    return limits.letters_per_s.get(base_language(language), USUAL_LETTERS_PER_S)


def rejected(code: str, detail: str) -> RecordError:
    return RecordError(code, detail, outcome="filtered")


def _seconds(word: AlignedWord) -> float:
    return (word.end_sample - word.start_sample) / SAMPLE_RATE_HZ


def _at_least(code: str, what: str, value: float, limit: float) -> None:
    if not value >= limit:
        raise rejected(code, f"{what} is {value:.3g}, below {limit:g}")


def _at_most(code: str, what: str, value: float, limit: float) -> None:
    if not value <= limit:
        raise rejected(code, f"{what} is {value:.3g}, above {limit:g}")
