"""HiFi-GAN generator with a source-filter iSTFT head: log-mel and excitation to waveform.

    log-mel (80 x 100 Hz) -> conv -> [transposed conv x2 + source -> multi-receptive-field fusion] x 2 -> 400 Hz
    head: complex gain of the pulse train and magnitude gain of the noise, per STFT bin -> iSTFT (160, hop 40)

HiFi-GAN (Kong et al., 2020) for the trunk, iSTFTNet (Kaneko et al., 2022) for stopping the upsampling early, and
neural source-filter models (Wang et al., 2019) for the excitation. About 1 GMAC for each second of audio.
"""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from transforms.vocoder._mel import MEL_BANDS, hann

STFT_SIZE = 160
STFT_HOP_SAMPLES = 40
_BINS = STFT_SIZE // 2 + 1
_SLOPE = 0.1
_MAX_LOG_GAIN = 4.0
_EDGE_FRAMES = 11  # what all but the residual blocks reach, and some to spare


class ResidualBlock(nn.Module):
    """HiFi-GAN's ResBlock1: three pairs of a dilated and a plain convolution."""

    def __init__(self, channels: int, kernel: int, dilations: Sequence[int]) -> None:
        super().__init__()
        self.dilated = nn.ModuleList(
            nn.Conv1d(channels, channels, kernel, dilation=d, padding=d * (kernel - 1) // 2) for d in dilations
        )
        self.plain = nn.ModuleList(nn.Conv1d(channels, channels, kernel, padding=(kernel - 1) // 2) for _ in dilations)

    def forward(self, x_BCT: torch.Tensor) -> torch.Tensor:
        for dilated, plain in zip(self.dilated, self.plain, strict=True):
            hidden = dilated(functional.leaky_relu(x_BCT, _SLOPE))
            x_BCT = x_BCT + plain(functional.leaky_relu(hidden, _SLOPE))
        return x_BCT


class Fusion(nn.Module):
    """Multi-receptive-field fusion: the mean of residual blocks of several kernels."""

    def __init__(self, channels: int, kernels: Sequence[int], dilations: Sequence[int]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(ResidualBlock(channels, kernel, dilations) for kernel in kernels)

    def forward(self, x_BCT: torch.Tensor) -> torch.Tensor:
        return torch.stack([block(x_BCT) for block in self.blocks]).mean(0)


class Generator(nn.Module):
    """Waveforms of ``160 * T`` samples from log-mels, pulse trains and noise.

    Args:
        channels: Of the trunk at 100, 200 and 400 Hz.
    """

    def __init__(self, channels: Sequence[int], kernels: Sequence[int], dilations: Sequence[int]) -> None:
        super().__init__()
        base, middle, top = channels
        self.entry = nn.Conv1d(MEL_BANDS, base, 7, padding=3)
        self.ups = nn.ModuleList(
            nn.ConvTranspose1d(low, high, 4, stride=2, padding=1) for low, high in ((base, middle), (middle, top))
        )
        self.sources = nn.ModuleList(
            [nn.Conv1d(2 * _BINS, middle, 4, stride=2, padding=1), nn.Conv1d(2 * _BINS, top, 3, padding=1)]
        )
        self.fusions = nn.ModuleList(Fusion(width, kernels, dilations) for width in (middle, top))
        self.head = nn.Conv1d(top, 3 * _BINS, 7, padding=3)
        with torch.no_grad():
            self.head.weight.mul_(0.2)
        reach = (max(kernels) - 1) // 2 * (sum(dilations) + len(dilations))
        #: Frames at 100 Hz on either side that may influence an output sample; the blocks run at 200 and 400 Hz.
        self.context_frames = _EDGE_FRAMES + -(-3 * reach // 4)

    def forward(self, mel_BMT: torch.Tensor, pulses_BN: torch.Tensor, noise_BN: torch.Tensor) -> torch.Tensor:
        pulses_BFT, noise_BFT = _stft(pulses_BN), _stft(noise_BN)
        source = torch.cat([pulses_BFT.real, pulses_BFT.imag], dim=1)
        x = self.entry((mel_BMT + 4.0) / 3.0)
        for up, take, fuse in zip(self.ups, self.sources, self.fusions, strict=True):
            x = fuse(up(functional.leaky_relu(x, _SLOPE)) + take(source))
        voiced, phase, unvoiced = self.head(functional.leaky_relu(x, _SLOPE)).float().chunk(3, dim=1)
        gain_BFT = torch.polar(_gain(voiced), phase)
        return _istft(gain_BFT * pulses_BFT + _gain(unvoiced) * noise_BFT)


def _gain(log_gain: torch.Tensor) -> torch.Tensor:
    return torch.exp(log_gain.clamp(max=_MAX_LOG_GAIN) - 3.0)


def _stft(waves_BN: torch.Tensor) -> torch.Tensor:
    """Complex, ``(B, 81, N // 40)``; frame ``i`` is centred on sample ``40 * i + 20``. Edges see zeros."""
    padding = (STFT_SIZE - STFT_HOP_SAMPLES) // 2
    padded = functional.pad(waves_BN, (padding, padding))
    window = hann(STFT_SIZE, waves_BN.device)
    return torch.stft(padded, STFT_SIZE, STFT_HOP_SAMPLES, window=window, center=False, return_complex=True)


def _istft(spectrum_BFT: torch.Tensor) -> torch.Tensor:
    """Inverse of ``_stft``: overlap-add of windowed frames over the sum of squared windows; ``(B, 40 * T)``."""
    window = hann(STFT_SIZE, spectrum_BFT.device)
    frames_BST = torch.fft.irfft(spectrum_BFT, STFT_SIZE, dim=1) * window[:, None]
    padding = (STFT_SIZE - STFT_HOP_SAMPLES) // 2
    samples = STFT_HOP_SAMPLES * spectrum_BFT.shape[2]
    weight_1ST = (window.square()[None, :, None]).expand(1, -1, spectrum_BFT.shape[2])
    return (_overlap_add(frames_BST) / _overlap_add(weight_1ST).clamp(min=1e-3))[:, padding : padding + samples]


def _overlap_add(frames_BST: torch.Tensor) -> torch.Tensor:
    samples = STFT_SIZE + STFT_HOP_SAMPLES * (frames_BST.shape[2] - 1)
    folded = functional.fold(frames_BST, (1, samples), (1, STFT_SIZE), stride=(1, STFT_HOP_SAMPLES))
    return folded[:, 0, 0]
