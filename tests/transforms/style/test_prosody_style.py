"""Style: what its statistics tell apart, and what they don't see."""

import tracemalloc

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import UserError
from transforms.kmeans import load_codebook
from transforms.style import features
from transforms.style.features import NAMES, style_features
from transforms.style.prosody import ProsodyStyleConfig


def column(features, name: str):
    return features[:, NAMES.index(name)]


@pytest.fixture(scope="module")
def speech():
    return soundfile.read("examples/asterisk-en/audio/agent-incorrect.flac", dtype="float32")[0]


def tone(hz: float, seconds: float = 1.0):
    at = np.arange(int(16_000 * seconds)) / 16_000
    return (sum(np.sin(2 * np.pi * k * hz * at) / k for k in range(1, 12)) / 5).astype(np.float32)


@given(st.integers(0, 80_000))
@settings(max_examples=15)
def test_a_row_every_second_begun(num_samples):
    waveform = np.random.default_rng(num_samples).normal(0, 0.1, num_samples).astype(np.float32)
    features = style_features(waveform)
    assert features.shape == (-(-num_samples // 16_000), len(NAMES))
    assert np.isfinite(features).all()


TRACKS = ("level", "speech", "voiced", "log_f0", "harmonicity", "cepstra", "flux", "flatness", "centroid", "tilt")


def assert_as_whole(waveform):
    """Blocks leave no trace: the tracks, the statistics and the codes are those of one block."""
    found, tracks = style_features(waveform), features._Tracks(waveform)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "_BLOCK_FRAMES", 10**9)
        whole, of_whole = style_features(waveform), features._Tracks(waveform)
    for name in TRACKS:
        assert np.allclose(getattr(tracks, name), getattr(of_whole, name), rtol=1e-12, atol=1e-12), name
    assert np.allclose(found, whole, rtol=1e-6, atol=1e-6)
    codebook = load_codebook(ProsodyStyleConfig().codebook_path)
    assert np.array_equal(codebook.assign(found), codebook.assign(whole))


@pytest.mark.parametrize("name", ["agent-incorrect", "conf-nonextended", "conf-adminmenu-162", "activated"])
def test_blocks_leave_no_trace_in_speech(name):
    assert_as_whole(soundfile.read(f"examples/asterisk-en/audio/{name}.flac", dtype="float32")[0])


@given(num_samples=st.integers(1, 80_000), loud=st.integers(1, 80_000))
@settings(max_examples=25, deadline=None)
def test_blocks_leave_no_trace_whatever_the_length(num_samples, loud):
    waveform = np.random.default_rng(num_samples).normal(0, 0.01, num_samples).astype(np.float32)
    waveform[loud:] += tone(140, 5.0)[: len(waveform[loud:])]
    assert_as_whole(waveform)


def test_a_long_recording_needs_little_memory():
    waveform = np.random.default_rng(0).normal(0, 0.1, 60 * 16_000).astype(np.float32)
    tracemalloc.start()
    try:
        style_features(waveform)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 30e6


@pytest.mark.parametrize("hz", [90, 130, 210, 330])
def test_the_f0_proxy_finds_the_pitch(hz):
    features = style_features(tone(hz))
    assert column(features, "log_f0_mean")[0] == pytest.approx(np.log(hz), abs=0.03)
    assert column(features, "voiced_share")[0] > 0.9


def test_noise_and_silence_have_no_voice():
    noise = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    assert column(style_features(noise), "voiced_share")[0] < 0.05
    assert np.isfinite(style_features(np.zeros(16_000, np.float32))).all()


def test_slopes_have_their_sign():
    ramp = np.linspace(0.1, 1, 16_000, dtype=np.float32)
    rising = style_features(tone(150) * ramp)
    falling = style_features(tone(150) * ramp[::-1])
    assert column(rising, "level_db_slope")[0] > 5
    assert column(falling, "level_db_slope")[0] < -5


def test_the_gain_of_a_recording_does_not_matter(speech):
    codes = ProsodyStyleConfig().load().encode([speech, speech * np.float32(0.1)])
    assert np.array_equal(*codes)


def test_codes_of_speech(speech):
    config = ProsodyStyleConfig()
    ids = config.load().encode([speech, speech[:0]])
    assert [len(part) for part in ids] == [-(-len(speech) // 16_000), 0]
    assert ids[0].dtype == np.int32
    assert ids[0].max() < config.codebook_size == 100


def test_another_codebook_is_refused(tmp_path):
    np.savez(tmp_path / "narrow.npz", centroids=np.zeros((4, 8), np.float32))
    with pytest.raises(UserError, match="style has"):
        ProsodyStyleConfig(codebook=str(tmp_path / "narrow.npz")).load()
    with pytest.raises(UserError, match="not found"):
        _ = ProsodyStyleConfig(codebook=str(tmp_path / "none.npz")).fingerprint
