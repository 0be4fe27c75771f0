"""Whisper units: frames follow from the samples, and long recordings from their windows."""

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.units.whisper import WhisperUnitsConfig

CONFIG = WhisperUnitsConfig(device="cpu")


@pytest.fixture(scope="module")
def encoder():
    return CONFIG.load()


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(0, 80_000), max_size=10))
def test_frames_follow_from_the_samples(encoder, lengths):
    ids = encoder.encode([np.zeros(length, np.float32) for length in lengths])
    assert [len(each) for each in ids] == [-(-length // CONFIG.hop_samples) for length in lengths]


def test_windows_give_nearly_the_units_of_the_whole(encoder):
    """Attention sees its window only and positions are counted from its start: most units stay, and all far ones do."""
    waveform = soundfile.read("examples/asterisk-en/audio/conf-adminmenu-162.flac", dtype="float32")[0][: 16_000 * 14]
    (whole,) = encoder.encode([waveform])
    whole_positions = encoder._extractor.extractor._max_frames
    try:
        encoder._extractor.extractor._max_frames = 500  # windows of 10 s
        (windowed,) = encoder.encode([waveform])
    finally:
        encoder._extractor.extractor._max_frames = whole_positions
    assert len(windowed) == len(whole)
    assert (windowed == whole).mean() >= 0.9


def test_bf16_keeps_most_units(encoder):
    waveform = soundfile.read("examples/asterisk-en/audio/agent-incorrect.flac", dtype="float32")[0]
    narrow = WhisperUnitsConfig(device="cpu", precision="bf16")
    assert narrow.fingerprint == CONFIG.fingerprint
    assert (narrow.load().encode([waveform])[0] == encoder.encode([waveform])[0]).mean() >= 0.97


def test_a_compiled_model_gives_the_same_units(encoder, monkeypatch):
    """Traced as for a GPU, run without the code generator, which would take minutes."""
    compiler = torch.compile
    monkeypatch.setattr(torch, "compile", lambda module, **options: compiler(module, backend="eager", **options))
    names = ("agent-incorrect", "activated")
    waveforms = [soundfile.read(f"examples/asterisk-en/audio/{name}.flac", dtype="float32")[0] for name in names]
    compiled = WhisperUnitsConfig(device="cpu", compile=True)
    assert compiled.fingerprint == CONFIG.fingerprint
    for found, expected in zip(compiled.load().encode(waveforms), encoder.encode(waveforms), strict=True):
        assert np.array_equal(found, expected)
