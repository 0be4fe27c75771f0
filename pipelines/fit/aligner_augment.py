"""Alters clean synthetic speech so that a net trained on it meets other voices, rooms and microphones."""

import numpy as np
import soxr

from schemas.records import SAMPLE_RATE_HZ, Waveform

_SPEEDS = (0.84, 1.2)
_REVERBERATION_S = (0.08, 0.35)


def with_noise(waveform: Waveform, rng: np.random.Generator) -> Waveform:
    """Faint white noise: synthetic pauses are digital silence, real ones are not."""
    level = 10 ** rng.uniform(-4.5, -3.0)
    return (waveform + level * rng.standard_normal(len(waveform))).astype(np.float32)


def altered(waveform: Waveform, rng: np.random.Generator) -> tuple[Waveform, float]:
    """The recording ``speed`` times as fast and as high, equalised, half of the time reverberant, noisy; and ``speed``.

    The direct sound stays the first in time, so that phone times divided by ``speed`` hold.
    """
    speed = float(np.exp(rng.uniform(*np.log(_SPEEDS))))
    played = np.asarray(soxr.resample(waveform.astype(np.float64), SAMPLE_RATE_HZ * speed, SAMPLE_RATE_HZ))
    if rng.random() < 0.5:
        played = _reverberant(played, rng)
    played = _equalised(played, rng)
    played = played + _noise(len(played), rng) * played.std() * 10 ** (-rng.uniform(12, 40) / 20)
    peak = float(np.abs(played).max()) or 1.0
    return (played / peak * rng.uniform(0.1, 0.95)).astype(np.float32), speed


def _reverberant(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    length = int(rng.uniform(*_REVERBERATION_S) * SAMPLE_RATE_HZ)
    decay = np.exp(-6.9 * np.arange(length) / length)  # 60 dB over its length
    response = rng.standard_normal(length) * decay * rng.uniform(0.02, 0.08)
    response[0] = 1.0
    size = len(samples) + length - 1
    return np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(response, size), size)[: len(samples)]


def _equalised(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gains of up to 6 dB at every kHz; a fifth of the time, little above 3.5 to 7 kHz."""
    spectrum = np.fft.rfft(samples)
    khz = np.linspace(0, SAMPLE_RATE_HZ / 2000, len(spectrum))
    gain_db = np.interp(khz, np.arange(9), rng.uniform(-6, 6, 9))
    if rng.random() < 0.2:
        gain_db = gain_db - 40.0 * (khz > rng.uniform(3.5, 7.0))
    return np.fft.irfft(spectrum * 10 ** (gain_db / 20), len(samples))


def _noise(length: int, rng: np.random.Generator) -> np.ndarray:
    """Of unit variance, between white and a fall of 3.6 dB an octave."""
    spectrum = np.fft.rfft(rng.standard_normal(length))
    coloured = np.fft.irfft(spectrum / np.maximum(np.arange(len(spectrum)), 50) ** rng.uniform(0, 0.6), length)
    return coloured / (coloured.std() or 1.0)
