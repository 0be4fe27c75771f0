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
        "bias": -4.7846,
        "long": 1.8781,
        "mean:long": 0.0371,
        "short": -0.064,
        "mean:short": 0.4662,
        "quiet": -0.4903,
        "mean:quiet": 0.0825,
        "no_speech": 2.7846,
        "mean:no_speech": 0.0309,
        "speech_outside": 7.0172,
        "mean:speech_outside": 0.0057,
        "fit": 0.4744,
        "mean:fit": 2.1869,
        "fit_near": -0.1106,
        "mean:fit_near": 2.3618,
        "cliff": -0.3149,
        "mean:cliff": 0.5535,
        "text": 0.0595,
        "mean:text": 0.5151,
        "text_mean": 0.5298,
        "mean:text_mean": 0.4806,
        "text_near": 0.2478,
        "mean:text_near": 1.6424,
        "apart": 1.8284,
        "mean:apart": 0.1538,
        "ending": 0.7444,
        "mean:ending": 0.0049,
    },
    max_log_odds=-0.0637,
    max_log_odds_few=4.6925,
)
ALONE = Calibration(
    weights={
        "bias": -2.8209,
        "long": 1.9536,
        "mean:long": 0.0371,
        "short": -0.4469,
        "mean:short": 0.4662,
        "quiet": -0.5638,
        "mean:quiet": 0.0825,
        "no_speech": 2.5113,
        "mean:no_speech": 0.0309,
        "speech_outside": 11.7189,
        "mean:speech_outside": 0.0057,
        "fit": 0.4566,
        "mean:fit": 2.1869,
        "fit_near": 0.2508,
        "mean:fit_near": 2.3618,
        "cliff": -0.0737,
        "mean:cliff": 0.5535,
    },
    max_log_odds=0.2348,
    max_log_odds_few=1.243,
)
LETTERS_PER_S = {"en": 13.25, "es": 10.47, "fr": 14.12, "it": 15.29, "ru": 13.15}
"""Letters a second of speech, median, by language."""
