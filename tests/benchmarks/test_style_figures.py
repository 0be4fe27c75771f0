"""What the style benchmark says of codes that are the speaker, and of codes that are nobody."""

import numpy as np
import pytest

from benchmarks.style import NUISANCES, STYLES, speaker_information


def test_speaker_information_is_one_for_the_speaker_and_none_for_chance():
    speakers = [name for name in "abcd" for _ in range(20)]
    of_the_speaker = [np.full(50, "abcd".index(name), np.int32) for name in speakers]
    rng = np.random.default_rng(0)
    by_chance = [rng.integers(0, 30, 50).astype(np.int32) for _ in speakers]
    assert speaker_information(of_the_speaker, speakers) == pytest.approx(1)
    assert abs(speaker_information(by_chance, speakers)) < 0.01


@pytest.mark.parametrize("change", [*NUISANCES, *STYLES])
@pytest.mark.parametrize("samples", [1, 500, 20_000])
def test_a_change_keeps_the_length_and_changes_something(change, samples):
    rng = np.random.default_rng(1)
    waveform = rng.normal(0, 0.1, samples).astype(np.float32)
    found = change(waveform, rng)
    assert found.dtype == np.float32
    assert found.shape == waveform.shape
    assert np.isfinite(found).all()
    assert samples < 2 or not np.array_equal(found, waveform)
