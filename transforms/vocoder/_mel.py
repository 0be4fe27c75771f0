"""The log-mel spectrogram that joins the two halves of the vocoder."""

import math
from functools import cache

import torch

MEL_HOP_SAMPLES = 160
MEL_BANDS = 80
_N_FFT = 1024
_WINDOW_SAMPLES = 640
LOG_FLOOR = math.log(1e-5)


@cache
def mel_filters(bands: int, n_fft: int, device: torch.device) -> torch.Tensor:
    """Triangular filters on the HTK mel scale over 0 to 8000 Hz at 16 kHz; shape ``(bands, n_fft // 2 + 1)``."""
    with torch.inference_mode(False):  # kept and shared, also with callers that want gradients
        return _triangles(bands, n_fft).to(device)


def _triangles(bands: int, n_fft: int) -> torch.Tensor:
    top = 2595.0 * math.log10(1.0 + 8000.0 / 700.0)
    corners = 700.0 * (10.0 ** (torch.linspace(0.0, top, bands + 2, dtype=torch.float64) / 2595.0) - 1.0)
    bins = torch.linspace(0.0, 8000.0, n_fft // 2 + 1, dtype=torch.float64)
    rising = (bins[None] - corners[:-2, None]) / (corners[1:-1] - corners[:-2])[:, None]
    falling = (corners[2:, None] - bins[None]) / (corners[2:] - corners[1:-1])[:, None]
    return torch.minimum(rising, falling).clamp(min=0.0).float()


@cache
def hann(samples: int, device: torch.device) -> torch.Tensor:
    with torch.inference_mode(False):
        return torch.hann_window(samples, device=device)


def magnitudes(waves_BN: torch.Tensor, *, n_fft: int, hop: int, window: int) -> torch.Tensor:
    """STFT magnitudes, ``(B, n_fft // 2 + 1, N // hop)``; frame ``i`` is centred on sample ``(i + 0.5) * hop``."""
    padding = (n_fft - hop) // 2
    padded = torch.nn.functional.pad(waves_BN, (padding, padding))
    spectrum = torch.stft(padded, n_fft, hop, window, hann(window, waves_BN.device), center=False, return_complex=True)
    return torch.sqrt(torch.view_as_real(spectrum).square().sum(-1).clamp(min=1e-14))


def log_mel(waves_BN: torch.Tensor) -> torch.Tensor:
    """Natural log of the mel amplitudes, shape ``(B, 80, N // 160)``; N is a multiple of 160."""
    amplitudes = magnitudes(waves_BN, n_fft=_N_FFT, hop=MEL_HOP_SAMPLES, window=_WINDOW_SAMPLES)
    return torch.log((mel_filters(MEL_BANDS, _N_FFT, waves_BN.device) @ amplitudes).clamp(min=math.exp(LOG_FLOOR)))
