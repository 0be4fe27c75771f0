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
        "bias": -4.6468,
        "long": 1.3117,
        "mean:long": 0.0392,
        "short": -0.2501,
        "mean:short": 0.4602,
        "quiet": 0.0775,
        "mean:quiet": 0.0862,
        "no_speech": 2.3473,
        "mean:no_speech": 0.033,
        "speech_outside": 6.2152,
        "mean:speech_outside": 0.0061,
        "fit": 0.4547,
        "mean:fit": 2.1712,
        "fit_near": -0.0931,
        "mean:fit_near": 2.3638,
        "cliff": -0.2715,
        "mean:cliff": 0.5604,
        "text": 0.0585,
        "mean:text": 0.5204,
        "text_mean": 0.5224,
        "mean:text_mean": 0.4883,
        "text_near": 0.2425,
        "mean:text_near": 1.7596,
        "apart": 1.6568,
        "mean:apart": 0.1533,
        "ending": 0.8924,
        "mean:ending": 0.0048,
    },
    max_log_odds=-0.2154,
    max_log_odds_few=4.6531,
)
ALONE = Calibration(
    weights={
        "bias": -2.8613,
        "long": 1.5862,
        "mean:long": 0.0392,
        "short": -0.3444,
        "mean:short": 0.4602,
        "quiet": -0.0094,
        "mean:quiet": 0.0862,
        "no_speech": 2.3155,
        "mean:no_speech": 0.033,
        "speech_outside": 13.4654,
        "mean:speech_outside": 0.0061,
        "fit": 0.4915,
        "mean:fit": 2.1712,
        "fit_near": 0.2091,
        "mean:fit_near": 2.3638,
        "cliff": -0.0914,
        "mean:cliff": 0.5604,
    },
    max_log_odds=0.3123,
    max_log_odds_few=0.888,
)
LETTERS_PER_S = {"en": 13.25, "es": 10.47, "fr": 14.12, "it": 15.29, "ru": 13.15}
"""Letters a second of speech, median, by language."""
