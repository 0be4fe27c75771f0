"""Written by ``python -m benchmarks.gate --calibrate``: weights and threshold of the word's verdict."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Calibration:
    """Log-odds that a word is not what is said there: ``bias`` + the sum of weight x measure (``gate_measures``).

    ``mean:NAME`` is a right word's usual measure, which stands in where an aligner does not give it.
    """

    weights: dict[str, float]
    max_log_odds: float
    max_log_odds_few: float


FEW_WORDS = 5
"""Utterances of fewer words have a threshold of their own."""
WITH_OPINION = Calibration(
    weights={
        "bias": -4.9577,
        "long": 1.9752,
        "mean:long": 0.0339,
        "short": 0.151,
        "mean:short": 0.4934,
        "quiet": -0.6039,
        "mean:quiet": 0.0864,
        "no_speech": 2.4437,
        "mean:no_speech": 0.0309,
        "speech_outside": 7.4366,
        "mean:speech_outside": 0.0139,
        "fit": 0.419,
        "mean:fit": 2.1819,
        "fit_near": -0.0636,
        "mean:fit_near": 2.3583,
        "cliff": -0.2721,
        "mean:cliff": 0.5514,
        "text": 0.0807,
        "mean:text": 0.5073,
        "text_mean": 0.5089,
        "mean:text_mean": 0.4747,
        "text_near": 0.2348,
        "mean:text_near": 1.6328,
        "apart": 1.7422,
        "mean:apart": 0.1564,
    },
    max_log_odds=-0.242,
    max_log_odds_few=3.6723,
)
ALONE = Calibration(
    weights={
        "bias": -3.012,
        "long": 0.8962,
        "mean:long": 0.0339,
        "short": -0.2237,
        "mean:short": 0.4934,
        "quiet": -1.5152,
        "mean:quiet": 0.0864,
        "no_speech": 2.3571,
        "mean:no_speech": 0.0309,
        "speech_outside": 9.8711,
        "mean:speech_outside": 0.0139,
        "fit": 0.4335,
        "mean:fit": 2.1819,
        "fit_near": 0.2658,
        "mean:fit_near": 2.3583,
        "cliff": -0.0404,
        "mean:cliff": 0.5514,
    },
    max_log_odds=0.6368,
    max_log_odds_few=0.9236,
)
LETTERS_PER_S = {"en": 13.25, "es": 10.47, "fr": 14.12, "it": 15.29, "ru": 13.15}
"""Letters a second of speech, median, by language."""
