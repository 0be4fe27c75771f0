"""What a second of speech sounds like: loudness, intonation and timbre, as 42 numbers. Plain numpy.

Analysis frames are 64 ms every 10 ms. F0 is a cheap proxy by autocorrelation: its statistics over a second are
good enough here, and FCPE need not run twice.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.records import SAMPLE_RATE_HZ, Waveform
from transforms.kmeans import Features

HOP_SAMPLES = 16_000
FRAME_HOP = 160
WINDOW = 1024
FRAMES_PER_SECOND = HOP_SAMPLES // FRAME_HOP

_FFT = 2048
_LAGS = np.arange(SAMPLE_RATE_HZ // 500, SAMPLE_RATE_HZ // 60 + 1)  # 500 Hz down to 60 Hz
_VOICED = 0.5  # normalised autocorrelation
_SPEECH_DB = -35.0  # below the recording's loud frames
_MEL_BANDS = 24
_CEPSTRA = 12
_FLOOR = 1e-10
_BLOCK_FRAMES = 128  # whose spectra, 1 MB each time, stay in the cache

Array = npt.NDArray[np.floating[Any]]

NAMES: tuple[str, ...] = (
    "speech_share",
    "level_db_mean",
    "level_db_sd",
    "level_db_slope",
    "level_db_change",
    "voiced_share",
    "log_f0_mean",
    "log_f0_sd",
    "log_f0_slope",
    "harmonicity_mean",
    "harmonicity_sd",
    "tilt_db_mean",
    "tilt_db_sd",
    "centroid_mean",
    "centroid_sd",
    "flatness_mean",
    "flatness_sd",
    "flux_mean",
    *(f"cepstrum_{index}_mean" for index in range(1, _CEPSTRA + 1)),
    *(f"cepstrum_{index}_sd" for index in range(1, _CEPSTRA + 1)),
)


def style_features(waveform: Waveform) -> Features:
    """Statistics of every second, shape ``(ceil(num_samples / 16000), len(NAMES))``; the last may be shorter.

    Levels are relative to the recording's loud frames, so that the gain of the recording doesn't matter.
    A second without speech gets the statistics of its noise; one without voice, the recording's mean F0.
    """
    if not len(waveform):
        return np.empty((0, len(NAMES)), dtype=np.float32)
    tracks = _Tracks(waveform)
    rows = [
        tracks.summary(slice(start, min(start + FRAMES_PER_SECOND, tracks.frames)))
        for start in range(0, tracks.frames, FRAMES_PER_SECOND)
    ]
    return np.array(rows, dtype=np.float32)


class _Tracks:
    """Frame-wise measurements of a recording; ``N`` frames, ``S`` frequency bins.

    Spectra are made block by block, 40 times as large as what is kept of them; what looks at other frames (loud frames,
    the floor of the mel bands, flux, the mean F0) is taken from that.
    """

    def __init__(self, waveform: Waveform) -> None:
        self.frames = -(-len(waveform) // FRAME_HOP)
        half = (WINDOW - FRAME_HOP) // 2
        padded = np.pad(waveform, (half, self.frames * FRAME_HOP - len(waveform) + half))
        frames_NW = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::FRAME_HOP]
        power, mel, self.centroid, self.tilt, self.harmonicity, self.log_f0 = (
            np.concatenate(parts)
            for parts in zip(
                *(_measured(frames_NW[at : at + _BLOCK_FRAMES]) for at in range(0, self.frames, _BLOCK_FRAMES)),
                strict=True,
            )
        )
        self._levels(power)
        self._timbre(mel)
        self.voiced = self.speech & (self.harmonicity > _VOICED)
        self.mean_log_f0 = float(np.median(self.log_f0[self.voiced])) if self.voiced.any() else np.log(150.0)

    def _levels(self, power_N: Array) -> None:
        level = 10 * np.log10(power_N + _FLOOR)
        loud = np.percentile(level, 95)
        self.level = np.maximum(level - loud, -80.0)
        self.speech = self.level > _SPEECH_DB

    def _timbre(self, mel_NM: Array) -> None:
        log_mel_NM = np.log(np.maximum(mel_NM, mel_NM.max() * 1e-8 + _FLOOR))
        self.cepstra = log_mel_NM @ _COSINES
        self.flux = np.abs(np.diff(log_mel_NM, axis=0, prepend=log_mel_NM[:1])).mean(1)
        self.flatness = log_mel_NM.mean(1) - np.log(np.exp(log_mel_NM).mean(1))

    def summary(self, span: slice) -> list[float]:
        speech = self.speech[span]
        inside = speech if speech.any() else np.ones_like(speech)
        voiced = self.voiced[span]
        level = self.level[span]
        log_f0 = self.log_f0[span][voiced] if voiced.any() else np.array([self.mean_log_f0])
        when = np.flatnonzero(voiced) if voiced.any() else np.zeros(1)
        pick = {name: getattr(self, name)[span][inside] for name in ("harmonicity", "tilt", "centroid", "flatness")}
        cepstra = self.cepstra[span][inside]
        return [
            float(speech.mean()),
            float(level.mean()),
            float(level.std()),
            _slope(np.arange(len(level)), level),
            float(np.abs(np.diff(level)).mean()) if len(level) > 1 else 0.0,
            float(voiced.mean()),
            float(log_f0.mean()),
            float(log_f0.std()),
            _slope(when, log_f0),
            *(float(value) for track in pick.values() for value in (track.mean(), track.std())),
            float(self.flux[span].mean()),
            *cepstra.mean(0).tolist(),
            *cepstra.std(0).tolist(),
        ]


def _measured(frames_NW: Array) -> tuple[Array, ...]:
    """Power, mel bands, centroid, tilt, harmonicity and log F0 of each frame alone."""
    power_NS = np.abs(np.fft.rfft(frames_NW * np.hanning(WINDOW), _FFT)) ** 2
    power_N = power_NS.sum(1)
    centroid = np.log(power_NS / (power_N[:, None] + _FLOOR) @ _BIN_HZ + 100.0)
    low, high = power_NS[:, _BIN_HZ < 1000].sum(1), power_NS[:, _BIN_HZ >= 1000].sum(1)
    tilt = 10 * np.log10((high + _FLOOR) / (low + _FLOOR))
    return power_N, power_NS @ _MEL_FILTERS, centroid, tilt, *_pitch(power_NS)


def _pitch(power_NS: Array) -> tuple[Array, Array]:
    """Harmonicity and log F0."""
    correlation = np.fft.irfft(power_NS)[:, : _LAGS[-1] + 2]
    normalised = correlation / (correlation[:, :1] + _FLOOR) / _WINDOW_CORRELATION
    candidates = normalised[:, _LAGS]
    peak = (candidates >= normalised[:, _LAGS - 1]) & (candidates >= normalised[:, _LAGS + 1])
    # the shortest lag that is nearly the best one: the longer ones are its multiples
    best = np.where(peak, candidates, 0.0)
    harmonicity = best.max(1)
    lag = _LAGS[(best >= 0.9 * harmonicity[:, None]).argmax(1)]
    return harmonicity, np.log(SAMPLE_RATE_HZ / lag)


def _slope(at_frames: npt.NDArray[np.generic], values: Array) -> float:
    """Least-squares slope a second, shrunk where few frames tell of it."""
    centred = at_frames.astype(np.float64) / FRAMES_PER_SECOND
    centred = centred - centred.mean()
    return float((centred @ values) / (centred @ centred + 0.5))


def _mel_filters() -> Array:
    """Triangles evenly spaced in mel (2595 log10(1 + f / 700)), 60-7800 Hz, shape ``(S, M)``."""
    low, high = (2595 * np.log10(1 + np.array([60.0, 7800.0]) / 700)).tolist()
    edges = 700 * (10 ** (np.linspace(low, high, _MEL_BANDS + 2) / 2595) - 1)
    rising = (_BIN_HZ[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - _BIN_HZ[:, None]) / (edges[2:] - edges[1:-1])
    return np.asarray(np.maximum(0.0, np.minimum(rising, falling)))


_BIN_HZ: Array = np.fft.rfftfreq(_FFT, 1 / SAMPLE_RATE_HZ)
_MEL_FILTERS: Array = _mel_filters()
_COSINES: Array = np.cos(
    np.pi / _MEL_BANDS * (np.arange(_MEL_BANDS)[:, None] + 0.5) * np.arange(1, _CEPSTRA + 1)
) / np.sqrt(_MEL_BANDS)
_WINDOW_POWER: Array = np.abs(np.fft.rfft(np.hanning(WINDOW), _FFT)) ** 2
_WINDOW_CORRELATION: Array = (np.fft.irfft(_WINDOW_POWER) / np.fft.irfft(_WINDOW_POWER)[0])[: _LAGS[-1] + 2]
