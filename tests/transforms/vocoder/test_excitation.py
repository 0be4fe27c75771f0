import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.vocoder import _source
from transforms.vocoder._generator import _istft, _stft
from transforms.vocoder._mel import log_mel
from transforms.vocoder._source import pulse_train


@settings(max_examples=15)
@given(f0=st.floats(60, 500), phase=st.floats(0, 1))
def test_a_steady_voice_is_a_flat_comb_of_unit_power(f0: float, phase: float) -> None:
    pulses = pulse_train(torch.full((1, 200), f0), torch.tensor([phase]))[0].numpy()
    assert abs(np.sqrt(np.mean(pulses**2)) - 1.0) < 0.05
    spectrum = np.abs(np.fft.rfft(pulses * np.hanning(len(pulses))))
    hz = np.fft.rfftfreq(len(pulses), 1 / 16000)
    offset = np.abs(hz / f0 - np.round(hz / f0)) * f0
    between = (offset > 4.0) & (hz > f0 / 2) & (hz < 7900)
    assert spectrum[between].max() < 0.02 * spectrum.max()


@settings(max_examples=20)
@given(st.lists(st.sampled_from([0.0, 80.0, 200.0, 333.0]), min_size=1, max_size=30), st.integers(1, 9))
def test_blocks_make_the_pulses_of_the_whole(f0: list[float], block: int) -> None:
    f0_2T, phases = torch.tensor([f0, f0[::-1]]), torch.tensor([0.1, 0.7])
    whole = pulse_train(f0_2T, phases)
    assert whole.shape == (2, 160 * len(f0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_source, "_BLOCK_FRAMES", block)
        torch.testing.assert_close(pulse_train(f0_2T, phases), whole, atol=2e-3, rtol=0)


def test_unvoiced_frames_are_silent_and_the_comb_follows_f0() -> None:
    f0 = torch.zeros(1, 100)
    f0[:, 40:60] = 200.0
    pulses = pulse_train(f0, torch.zeros(1))[0]
    assert pulses[: 39 * 160].abs().max() == 0
    assert pulses[61 * 160 :].abs().max() == 0
    assert pulses[41 * 160 : 59 * 160].std() > 0.8
    peaks = (pulses[41 * 160 : 59 * 160] > 0.7 * pulses.max()).nonzero()[:, 0]
    gaps = peaks.diff()
    np.testing.assert_allclose(gaps[gaps > 10].float().mean(), 80, atol=1)


@settings(max_examples=15)
@given(frames=st.integers(2, 60), seed=st.integers(0, 99))
def test_the_inverse_stft_inverts(frames: int, seed: int) -> None:
    waves = torch.randn(2, 40 * frames, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(_istft(_stft(waves)), waves, atol=1e-4, rtol=1e-4)


def test_a_tone_lights_its_mel_band_and_silence_the_floor() -> None:
    time = torch.arange(16000) / 16000
    mel = log_mel(torch.stack([torch.sin(2 * np.pi * 1000 * time), torch.zeros(16000)]))
    assert mel.shape == (2, 80, 100)
    band = 2595 * np.log10(1 + 1000 / 700) / (2595 * np.log10(1 + 8000 / 700) / 81) - 1
    assert abs(float(mel[0, :, 50].argmax()) - band) <= 1
    torch.testing.assert_close(mel[1], torch.full((80, 100), float(np.log(1e-5))))
