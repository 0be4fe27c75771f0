"""Judges an alignment before it may cut anything: every rejection names the test that it failed.

A forced aligner always finds *some* place for every word. The gate asks whether that place is plausible, in two steps::

    each word    measures (``gate_measures``): fit, length, silence, speech beside it, what Whisper makes of the text
                 -> one log-odds that this is not what is said there; above ``max_log_odds`` the word is doubted
    the whole    word rate, squeezed words, mean fit, speech covered by words, words that are heard

An utterance with doubted words is cut down to its longest run of others (``gate_trim``), judged as a whole, and
rejected if nothing long enough stands. A sample of what stands is cut and heard again (``gate_cut``). Weights and
thresholds are calibrated on corrupted transcripts by ``python -m benchmarks.gate --calibrate``; without that word it
reports both kinds of error on other speech.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, field_validator

from schemas.errors import RecordError
from schemas.records import SAMPLE_RATE_HZ, AlignedWord, SpokenWord, Waveform
from transforms.align.gate_calibration import ALONE, FEW_WORDS, LETTERS_PER_S, WITH_OPINION
from transforms.align.gate_cut import is_cut, shares_heard
from transforms.align.gate_measures import FloatArray, Measures, contributions, frame_energy, loud_frames, word_measures
from transforms.align.gate_opinion import LANGUAGES, TextScorer, load_text_scorer, text_scorer_fingerprint
from transforms.align.gate_tests import (
    check_spans,
    check_whole,
    overlong_detail,
    overlong_s,
    rejected,
    usual_letters_per_s,
)
from transforms.align.gate_trim import Trimmed, longest_run, trim
from transforms.align.protocol import Alignment
from transforms.align.vad import Probabilities, SileroVad, load_vad, vad_digest
from transforms.backend import BackendConfig, digest_json
from transforms.text.language_codes import base_language


class GateConfig(BackendConfig):
    """Thresholds. An alignment that passes every test is accepted as it is.

    Args:
        opinion: ``whisper``: English text is also judged by Whisper (two thirds of an aligner's cost); ``none``: by the
            alignment alone.
        trim: Keep the longest run of undoubted words of an utterance in which words are doubted. Only where there was a
            second opinion: without one, the odd run of a wrong transcript passes.
        trim_margin: Words next to a doubted one go with it if their log-odds are less than this below the limit; and
            beside a word that the second opinion hears and the text lacks, the limit is this much lower.
        min_trimmed_words: Fewest words of a trimmed utterance.
        min_trimmed_s: Its shortest length, from the first word to the last.
        min_trimmed_ratio: Its smallest share of the utterance's words.
        weights: Of the measures in a word's verdict where there is a second opinion (``gate_calibration``).
        max_log_odds: Log-odds above which a word is doubted where there is a second opinion.
        max_log_odds_few: The same in utterances of fewer than five words, which lack context.
        weights_alone: ``weights`` where there is no second opinion.
        max_log_odds_alone: ``max_log_odds`` where there is none.
        max_log_odds_few_alone: ``max_log_odds_few`` where there is none.
        cut_ratio: Share of the English utterances that are cut and heard again, chosen by a hash of their audio; only
            where there is a second opinion. ``words_heard`` and ``words_heard_when_cut`` are then among their scores.
        max_lost_by_cut: Most words, as a share, that may be heard in the whole and not on their side of the cut.
        letters_per_s: Usual speed of a language, by code; any other counts as 15 letters a second.
        max_speed_ratio: Letters a second over the language's usual ones.
        min_log_likelihood: Nats a frame, mean over the utterance (where the aligner gives it); of n words, 0.5 / n more
            is forgiven, as the mean of a short utterance varies more.
        min_word_score: The same for the worst run of three words, with nothing forgiven.
        max_words_per_s: Words divided by the time from the first word's start to the last one's end; of three words and
            more, as a single letter is short by nature.
        max_word_s: A word may last the shorter of this and of 0.5 s + ``max_s_per_letter`` times its letters.
        max_s_per_letter: See ``max_word_s``.
        max_squeezed_ratio: Share of words of 40 ms or less.
        min_coverage: Share of the loud frames' energy that lies inside words (50 ms of tolerance).
        min_voiced_ratio: Share of words that are loud for at least a quarter of their time.
        speech_range_db: Frames within this range of the loud ones (95th percentile) count as loud.
    """

    opinion: Literal["whisper", "none"] = "whisper"
    trim: bool = True
    trim_margin: float = 2.0
    min_trimmed_words: int = Field(default=4, ge=1)
    min_trimmed_s: float = 1.0
    min_trimmed_ratio: float = 0.5
    weights: dict[str, float] = Field(default_factory=lambda: dict(WITH_OPINION.weights))
    max_log_odds: float = WITH_OPINION.max_log_odds
    max_log_odds_few: float = WITH_OPINION.max_log_odds_few
    weights_alone: dict[str, float] = Field(default_factory=lambda: dict(ALONE.weights))
    max_log_odds_alone: float = ALONE.max_log_odds
    max_log_odds_few_alone: float = ALONE.max_log_odds_few
    cut_ratio: float = Field(default=0.02, ge=0, le=1)
    max_lost_by_cut: float = Field(default=0.4, ge=0, le=1)
    letters_per_s: dict[str, float] = Field(default_factory=lambda: dict(LETTERS_PER_S))
    max_speed_ratio: float = 2.2
    min_log_likelihood: float = -2.5
    min_word_score: float = -4.5
    max_words_per_s: float = 8.0
    max_word_s: float = 2.5
    max_s_per_letter: float = 0.25
    max_squeezed_ratio: float = 0.25
    min_coverage: float = 0.85
    min_voiced_ratio: float = 0.75
    speech_range_db: float = 25.0

    @field_validator("letters_per_s")
    @classmethod
    def _by_base_language(cls, speeds: dict[str, float]) -> dict[str, float]:
        return {base_language(code): speed for code, speed in speeds.items()}

    @property
    def fingerprint(self) -> str:
        models = [vad_digest(), text_scorer_fingerprint() if self.opinion == "whisper" else ""]
        return digest_json({"config": self.model_dump(), "models": models})

    def load(self) -> "Gate":
        """Raises: UserError: A model's package is missing."""
        return Gate(self, load_vad(), load_text_scorer() if self.opinion == "whisper" else None)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Scores of an accepted alignment; ``kept`` where only a run of its words was accepted."""

    scores: dict[str, float]
    kept: Trimmed | None = None


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a word is not believed: the test's code and a sentence."""

    code: str
    detail: str


class Gate:
    """A loaded gate. Holds nothing of one utterance when it judges the next."""

    def __init__(self, config: GateConfig, vad: SileroVad, scorer: TextScorer | None) -> None:
        self._config = config
        self._vad = vad
        self._scorer = scorer

    def judge(
        self, alignment: Alignment, words: Sequence[SpokenWord], waveform: Waveform, text: str, language: str
    ) -> Verdict:
        """The verdict on an alignment of ``words``, which stand in ``text``.

        Raises:
            RecordError: Outcome ``filtered``; the code says which test failed: ``gate_word_mismatch`` (a word is not
                what is said there), ``gate_unwritten_word`` (one is heard beside it that is not written),
                ``gate_cut_words`` (words are lost where it would be cut) or one of ``check_spans`` and ``check_whole``.
        """
        config = self._config
        check_spans(alignment.words, words, num_samples=len(waveform))
        measures = self.measures(alignment, waveform, text, language)
        parts, excess_W = self.excess(measures)
        doubts = [self._doubt(word, place, measures, parts, excess_W) for place, word in enumerate(alignment.words)]
        worst = {"worst_excess": float(excess_W.max())}
        failed = _named(doubts)
        if failed is None:
            scores = {**check_whole(alignment, waveform, config, language), **worst, "share_kept": 1.0}
            return Verdict(scores | self._cut_and_heard(alignment, waveform, language))
        if not config.trim or "text" not in measures:
            raise failed
        good = _spread([doubt is None for doubt in doubts], excess_W < -config.trim_margin)
        kept = self._trimmed(alignment, good, text, num_samples=len(waveform))
        if kept is None:
            raise failed
        scores = check_whole(kept.alignment, kept.waveform(waveform), config, language)
        scores |= self._cut_and_heard(kept.alignment, kept.waveform(waveform), language)
        return Verdict(
            {
                **scores,
                "worst_excess": float(excess_W[kept.first_word : kept.last_word].max()),
                "share_kept": (kept.last_word - kept.first_word) / len(words),
                "trim_start_sample": float(kept.start_sample),
                "trim_end_sample": float(kept.end_sample),
            },
            kept,
        )

    def _cut_and_heard(self, alignment: Alignment, waveform: Waveform, language: str) -> dict[str, float]:
        """Scores of an utterance of the sample; none of any other."""
        config, words = self._config, alignment.words
        if self._scorer is None or base_language(language) not in LANGUAGES:
            return {}
        if not is_cut(words, waveform, ratio=config.cut_ratio):
            return {}
        whole, apart = shares_heard(words, waveform, self._scorer.hear)
        if whole - apart > config.max_lost_by_cut:
            raise rejected(
                "gate_cut_words", f"{whole:.0%} of the words are heard, but {apart:.0%} when it is cut in two"
            )
        return {"words_heard": whole, "words_heard_when_cut": apart}

    @property
    def vad(self) -> SileroVad:
        return self._vad

    def usual_letters_per_s(self, language: str) -> float:
        return usual_letters_per_s(self._config, language)

    def measures(
        self,
        alignment: Alignment,
        waveform: Waveform,
        text: str,
        language: str,
        *,
        hear: bool = True,
        speech: Probabilities | None = None,
    ) -> Measures:
        """What is known of each word (``gate_measures``).

        Args:
            hear: Whether to ask for a second opinion, where the language and the config have one.
            speech: The voice activity of the waveform where it is known already.
        """
        scorer = self._scorer if hear and base_language(language) in LANGUAGES else None
        return word_measures(
            alignment,
            waveform,
            speech=self._vad.probabilities(waveform) if speech is None else speech,
            loud_T=loud_frames(frame_energy(waveform), range_db=self._config.speech_range_db),
            opinions=None if scorer is None else scorer.opinions(waveform, text, alignment.words),
            letters_per_s=self.usual_letters_per_s(language),
        )

    def excess(self, measures: Measures) -> tuple[Measures, FloatArray]:
        """What each measure adds to each word's log-odds, and how far these are above the limit; shape ``(W,)``."""
        config = self._config
        if "text" in measures:
            weights, limit, limit_few = config.weights, config.max_log_odds, config.max_log_odds_few
        else:
            weights = config.weights_alone
            limit, limit_few = config.max_log_odds_alone, config.max_log_odds_few_alone
        parts = contributions(measures, weights)
        total_W: FloatArray = weights["bias"] + np.sum(list(parts.values()), axis=0)
        limit_W = np.full(len(total_W), limit_few if len(total_W) < FEW_WORDS else limit)
        if "unwritten" in measures:
            limit_W[measures["unwritten"] > 0] = limit - config.trim_margin
        return parts, total_W - limit_W

    def _doubt(
        self, word: AlignedWord, place: int, measures: Measures, parts: Measures, excess_W: FloatArray
    ) -> Doubt | None:
        if overlong_s(word, self._config) > 0:
            return Doubt("gate_word_length", overlong_detail(word))
        if excess_W[place] <= 0:
            return None
        if "unwritten" in measures and measures["unwritten"][place]:
            return Doubt("gate_unwritten_word", f"a word is heard beside {word.text!r} that is not written")
        measure = max(sorted(parts), key=lambda name: parts[name][place])
        said = f"{word.text!r} is not what is said there: log-odds {excess_W[place]:.2f} above the limit"
        return Doubt("gate_word_mismatch", f"{said}, most of it from {measure!r}")

    def _trimmed(self, alignment: Alignment, good: Sequence[bool], text: str, *, num_samples: int) -> Trimmed | None:
        """The longest good run if it is long enough to be kept."""
        config = self._config
        run = longest_run(alignment, good, text)
        if run is None:
            return None
        count = run[1] - run[0]
        kept = trim(alignment, run, text=text, num_samples=num_samples)
        long_enough = (
            count >= config.min_trimmed_words
            and count >= config.min_trimmed_ratio * len(good)
            and kept.end_sample - kept.start_sample >= config.min_trimmed_s * SAMPLE_RATE_HZ
        )
        return kept if long_enough else None


def _spread(good: Sequence[bool], safe_W: npt.NDArray[np.bool_]) -> list[bool]:
    """Words not good, and those that follow on from them on either side up to the first safe one, are not good."""
    spread = list(good)
    for order in (range(1, len(spread)), range(len(spread) - 2, -1, -1)):
        for place in order:
            before = place - 1 if order.step > 0 else place + 1
            spread[place] = spread[place] and (spread[before] or bool(safe_W[place]))
    return spread


def _named(doubts: Sequence[Doubt | None]) -> RecordError | None:
    """The rejection by the test that doubts the most words, and its first such word."""
    found = [doubt for doubt in doubts if doubt is not None]
    if not found:
        return None
    code, _ = min(Counter(doubt.code for doubt in found).items(), key=lambda item: (-item[1], item[0]))
    first = next(doubt for doubt in found if doubt.code == code)
    return rejected(code, f"{first.detail}; {len(found)} of {len(doubts)} words are doubted")
