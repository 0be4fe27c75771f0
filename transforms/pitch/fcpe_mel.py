"""The log-mel front end of FCPE, on a recording of its own length."""

from functools import cache

import torch
import torchaudio
from torch import Tensor
from torch.nn import functional

MEL_BANDS = 128
FRAME_SAMPLES = 160
_WINDOW = 1024
_FLOOR = 1e-5
_BLOCK_FRAMES = 6000  # bounds the memory of a long recording's spectrum


def log_mel(samples: Tensor) -> Tensor:
    """Natural-log mel amplitudes, shape ``(n / 160 + 1, 128)``; the last frame is given twice.

    Args:
        samples: Shape ``(n,)``, n a positive multiple of 160. Both ends are reflected, or, where the recording is
            shorter than that, followed by silence.
    """
    frames = len(samples) // FRAME_SAMPLES
    margin = (_WINDOW - FRAME_SAMPLES) // 2
    after = max(margin, _WINDOW - len(samples) - margin)
    mode = "reflect" if after < len(samples) else "constant"
    padded = functional.pad(samples[None], (margin, after), mode=mode)[0]
    window, filters_SM = _window(samples.device), _filters(samples.device)
    blocks = []
    for start in range(0, frames, _BLOCK_FRAMES):
        end = min(start + _BLOCK_FRAMES, frames)
        cut = padded[start * FRAME_SAMPLES : (end - 1) * FRAME_SAMPLES + _WINDOW]
        spectrum_SF = torch.stft(cut, _WINDOW, FRAME_SAMPLES, window=window, center=False, return_complex=True)
        amplitude_SF = torch.view_as_real(spectrum_SF).square().sum(-1).add_(1e-9).sqrt_()
        blocks.append((amplitude_SF.T @ filters_SM).clamp_(min=_FLOOR).log_())
    return torch.cat([*blocks, blocks[-1][-1:]])


@cache
def _window(device: torch.device) -> Tensor:
    return torch.hann_window(_WINDOW, device=device)


@cache
def _filters(device: torch.device) -> Tensor:
    filters: Tensor = torchaudio.functional.melscale_fbanks(
        n_freqs=_WINDOW // 2 + 1,
        f_min=0.0,
        f_max=8000.0,
        n_mels=MEL_BANDS,
        sample_rate=16_000,
        norm="slaney",
        mel_scale="slaney",
    )
    return filters.to(device)
