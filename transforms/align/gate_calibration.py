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
        "bias": -4.6883,
        "long": 1.6766,
        "mean:long": 0.0401,
        "short": -0.2016,
        "mean:short": 0.463,
        "quiet": 0.1481,
        "mean:quiet": 0.0837,
        "no_speech": 2.3592,
        "mean:no_speech": 0.0328,
        "speech_outside": 5.6028,
        "mean:speech_outside": 0.0048,
        "fit": 0.4586,
        "mean:fit": 2.1648,
        "fit_near": -0.0988,
        "mean:fit_near": 2.3596,
        "cliff": -0.2829,
        "mean:cliff": 0.5553,
        "text": 0.0557,
        "mean:text": 0.5183,
        "text_mean": 0.5306,
        "mean:text_mean": 0.4862,
        "text_near": 0.2452,
        "mean:text_near": 1.758,
        "apart": 1.6759,
        "mean:apart": 0.154,
        "ending": 0.9697,
        "mean:ending": 0.0044,
    },
    max_log_odds=-0.1121,
    max_log_odds_few=5.0531,
)
ALONE = Calibration(
    weights={
        "bias": -2.825,
        "long": 1.8389,
        "mean:long": 0.0401,
        "short": -0.4267,
        "mean:short": 0.463,
        "quiet": 0.0448,
        "mean:quiet": 0.0837,
        "no_speech": 2.2956,
        "mean:no_speech": 0.0328,
        "speech_outside": 12.3616,
        "mean:speech_outside": 0.0048,
        "fit": 0.4969,
        "mean:fit": 2.1648,
        "fit_near": 0.2164,
        "mean:fit_near": 2.3596,
        "cliff": -0.0956,
        "mean:cliff": 0.5553,
    },
    max_log_odds=0.2855,
    max_log_odds_few=1.0943,
)
LETTERS_PER_S = {"en": 13.25, "es": 10.47, "fr": 14.12, "it": 15.29, "ru": 13.15}
"""Letters a second of speech, median, by language."""
