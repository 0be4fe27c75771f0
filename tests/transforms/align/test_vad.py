import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.align.vad import FRAME_SAMPLES, load_vad, pauses


@pytest.fixture(scope="module")
def vad():
    return load_vad()


def test_speech_is_speech_and_silence_is_not(vad, prompt):
    waveform, _ = prompt("auth-incorrect")
    quiet = np.zeros(16_000, np.float32)
    speech = vad.probabilities(np.concatenate([quiet, waveform, quiet]))
    assert speech[:25].max() < 0.3
    assert np.median(speech[31 : -len(quiet) // FRAME_SAMPLES]) > 0.9


def test_what_comes_later_changes_nothing(vad, prompt):
    """Also over the border of two blocks of 512 frames."""
    waveform = np.tile(prompt("demo-abouttotry")[0], 8)[: 700 * FRAME_SAMPLES]
    whole = vad.probabilities(waveform)
    assert len(whole) == 700
    for frames in (1, 511, 512, 513, 600):
        np.testing.assert_allclose(vad.probabilities(waveform[: frames * FRAME_SAMPLES]), whole[:frames], atol=1e-4)


@pytest.mark.parametrize("num_samples", [0, 1, 511, 512, 513, 512 * 512 + 1])
def test_one_probability_a_frame(vad, num_samples):
    speech = vad.probabilities(np.zeros(num_samples, np.float32))
    assert speech.shape == (-(-num_samples // FRAME_SAMPLES),)


@given(st.lists(st.sampled_from([0.0, 0.2, 0.49, 0.5, 0.9]), max_size=40), st.integers(0, 511), st.integers(1, 3000))
def test_pauses_are_the_frames_without_speech(frames, missing, min_samples):
    num_samples = max(0, len(frames) * FRAME_SAMPLES - missing)
    found = pauses(np.array(frames, np.float32), num_samples=num_samples, min_samples=min_samples)
    edges = [0, *(edge for span in found for edge in (span.start, span.end)), num_samples]
    assert edges == sorted(edges)
    assert all(len(span) >= min_samples for span in found)
    inside = {frame for span in found for frame in range(span.start // FRAME_SAMPLES, -(-span.end // FRAME_SAMPLES))}
    assert all(frames[frame] < 0.5 for frame in inside)
    if min_samples == 1:
        assert inside == {frame for frame, value in enumerate(frames) if value < 0.5}
