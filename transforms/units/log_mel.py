"""Whisper's log-mel front end (arXiv 2212.04356, section 2.2), on a recording of its own length."""

import torch
import torchaudio
from torch import Tensor

HOP_SAMPLES = 160
WINDOW_SAMPLES = 400


def mel_filters(bands: int) -> Tensor:
    """Slaney filters, shape ``(WINDOW_SAMPLES // 2 + 1, bands)``."""
    filters: Tensor = torchaudio.functional.melscale_fbanks(
        n_freqs=WINDOW_SAMPLES // 2 + 1,
        f_min=0.0,
        f_max=8000.0,
        n_mels=bands,
        sample_rate=16_000,
        norm="slaney",
        mel_scale="slaney",
    )
    return filters


def log_mel(waveform: Tensor, filters: Tensor) -> Tensor:
    """Log-mel of one recording, shape ``(bands, len(waveform) // 160)``.

    The floor lies 8 decades below the recording's own maximum, so this must run before any padding to batch mates.
    What follows the end counts as silence, as in Whisper, which pads with zeros; the start is reflected.

    Args:
        waveform: Shape ``(n,)``, n > 200 and a multiple of 160.
    """
    half = WINDOW_SAMPLES // 2
    padded = torch.cat([waveform[1 : half + 1].flip(0), waveform, waveform.new_zeros(half)])
    window = torch.hann_window(WINDOW_SAMPLES, device=waveform.device)
    spectrum = torch.stft(padded, WINDOW_SAMPLES, HOP_SAMPLES, window=window, center=False, return_complex=True)
    power_FS = spectrum[:, : len(waveform) // HOP_SAMPLES].abs() ** 2
    log = (filters.T @ power_FS).clamp(min=1e-10).log10()
    scaled: Tensor = (torch.maximum(log, log.max() - 8.0) + 4.0) / 4.0
    return scaled
