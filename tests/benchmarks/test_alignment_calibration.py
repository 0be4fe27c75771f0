from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.alignment_calibration import SHRINKAGE_WORDS, WEIGHTS, Onset, calibrated, fused, shifts_for
from transforms.align.fused import Before, FusedConfig
from transforms.align.phones import OnsetClass

KINDS = [(before, kind) for before in get_args(Before) for kind in get_args(OnsetClass)]


def planted(shift_of, *, words_a_kind, spread=0.0, seed=0):
    """Words whose nets are off by ``-shift_of[before, kind]`` and whose coarse place is right."""
    rng = np.random.default_rng(seed)
    return [
        Onset("x", before, kind, label, label - shift_of[before, kind] + rng.normal(0, spread), label)
        for before, kind in KINDS
        for label in rng.integers(0, 100_000, words_a_kind)
    ]


@settings(max_examples=10, deadline=None)
@given(
    shifts=st.lists(st.integers(-500, 500), min_size=len(KINDS), max_size=len(KINDS)), weight=st.sampled_from(WEIGHTS)
)
def test_many_words_recover_every_shift(shifts, weight):
    wanted = dict(zip(KINDS, shifts, strict=True))
    found = shifts_for(planted(wanted, words_a_kind=100), weight)
    for before, kind in KINDS:
        # At most 1000 samples between a kind and what it leans on, and 6 words against 100.
        assert abs(found[before][kind] - wanted[before, kind]) <= 1000 * SHRINKAGE_WORDS / 100 + 1


def test_a_kind_without_words_leans_on_its_first_phone_elsewhere():
    words = [word for word in planted(dict.fromkeys(KINDS, 200), words_a_kind=50) if word.before != "stop"]
    assert shifts_for(words, 0.2)["stop"]["W"] == pytest.approx(200, abs=60)


def test_pauses_and_running_speech_share_nothing():
    wanted = {(before, kind): 300 if before == "pause" else -100 for before, kind in KINDS}
    found = shifts_for(planted(wanted, words_a_kind=200), 0.2)
    assert found["pause"]["stop"] == pytest.approx(300, abs=15)
    assert found["vowel"]["stop"] == pytest.approx(-100, abs=15)


def test_the_better_aligner_weighs_more():
    rng = np.random.default_rng(1)
    words = planted(dict.fromkeys(KINDS, 0), words_a_kind=40, spread=200.0)
    noisy_coarse = [Onset(w.speaker, w.before, w.kind, w.coarse + rng.normal(0, 900), w.net, w.label) for w in words]
    config = FusedConfig()
    assert calibrated(noisy_coarse, config).coarse_weight < calibrated(words, config).coarse_weight


def test_calibrated_scalars_leave_less_error_than_none():
    words = planted({kind: 10 * number for number, kind in enumerate(KINDS)}, words_a_kind=20, spread=30.0)
    labels = np.array([word.label for word in words])
    none = {before: dict.fromkeys(get_args(OnsetClass), 0) for before in get_args(Before)}
    found = calibrated(words, FusedConfig())
    assert (
        np.abs(fused(words, found.coarse_weight, found.onset_shift_samples) - labels).mean()
        < 0.5 * np.abs(fused(words, found.coarse_weight, none) - labels).mean()
    )
