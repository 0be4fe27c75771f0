"""What the generator is judged by: spectral distances and small discriminators.

Multi-resolution STFT loss (Yamamoto et al., 2020), mel L1 and feature matching (HiFi-GAN, Kong et al., 2020), a
multi-period discriminator (ibid.) and a multi-resolution spectrogram discriminator (UnivNet, Jang et al., 2021),
both narrow enough for a CPU; and, where a fit asks for it, HiFi-GAN's multi-scale discriminator. The acoustic half has
a judge of its own, of log-mels.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm

from transforms.vocoder._mel import log_mel, magnitudes

Judgement = tuple[torch.Tensor, list[torch.Tensor]]  # score of each patch, feature maps of each layer

_PERIODS = (2, 3, 5, 7, 11)
_RESOLUTIONS = ((1024, 256, 1024), (512, 128, 512))  # n_fft, hop, window
_HALVINGS = (0, 1, 2)
_STFT_LOSSES = ((1024, 160, 640), (512, 80, 320), (256, 40, 160))
_SLOPE = 0.1


def spectral_loss(fake_BN: torch.Tensor, real_BN: torch.Tensor) -> torch.Tensor:
    """Mean over three resolutions of the spectral convergence and the L1 of log magnitudes."""
    total = fake_BN.new_zeros(())
    for n_fft, hop, window in _STFT_LOSSES:
        fake = magnitudes(fake_BN, n_fft=n_fft, hop=hop, window=window)
        real = magnitudes(real_BN, n_fft=n_fft, hop=hop, window=window)
        convergence = torch.linalg.vector_norm(real - fake) / torch.linalg.vector_norm(real).clamp(min=1e-3)
        total = total + convergence + functional.l1_loss(_log(fake), _log(real))
    return total / len(_STFT_LOSSES)


def mel_loss(fake_BN: torch.Tensor, real_BN: torch.Tensor) -> torch.Tensor:
    return functional.l1_loss(log_mel(fake_BN), log_mel(real_BN))


def _log(amplitude: torch.Tensor) -> torch.Tensor:
    return torch.log(amplitude.clamp(min=1e-3))


def _judged(layers: nn.ModuleList, last: nn.Module, x: torch.Tensor, *, slope: float = _SLOPE) -> Judgement:
    features = []
    for layer in layers:
        x = functional.leaky_relu(layer(x), slope)
        features.append(x)
    return last(x), features


class PeriodJudge(nn.Module):
    """Sees every ``period``-th sample side by side."""

    def __init__(self, period: int, channels: Sequence[int]) -> None:
        super().__init__()
        self.period = period
        widths = [1, *channels]
        self.layers = nn.ModuleList(
            nn.Conv2d(low, high, (5, 1), stride=(3, 1), padding=(2, 0)) for low, high in pairwise(widths)
        )
        self.last = nn.Conv2d(widths[-1], 1, (3, 1), padding=(1, 0))

    def forward(self, waves_BN: torch.Tensor) -> Judgement:
        usable = waves_BN.shape[1] // self.period * self.period
        x = waves_BN[:, :usable].reshape(len(waves_BN), 1, -1, self.period)
        return _judged(self.layers, self.last, x)


class SpectrogramJudge(nn.Module):
    """Sees log magnitudes at one resolution."""

    def __init__(self, resolution: tuple[int, int, int], channels: int) -> None:
        super().__init__()
        self.n_fft, self.hop, self.window = resolution
        self.layers = nn.ModuleList(
            [
                nn.Conv2d(1, channels, (9, 3), stride=(2, 1), padding=(4, 1)),
                nn.Conv2d(channels, channels, (9, 3), stride=(2, 2), padding=(4, 1)),
                nn.Conv2d(channels, 2 * channels, (9, 3), stride=(2, 1), padding=(4, 1)),
                nn.Conv2d(2 * channels, 2 * channels, (5, 3), stride=(2, 2), padding=(2, 1)),
            ]
        )
        self.last = nn.Conv2d(2 * channels, 1, 3, padding=1)

    def forward(self, waves_BN: torch.Tensor) -> Judgement:
        x = _log(magnitudes(waves_BN, n_fft=self.n_fft, hop=self.hop, window=self.window))[:, None]
        return _judged(self.layers, self.last, x)


class ScaleJudge(nn.Module):
    """Sees the waveform at half its rate, ``halvings`` times over."""

    def __init__(self, halvings: int, channels: Sequence[int]) -> None:
        super().__init__()
        self.halvings = halvings
        self.layers = nn.ModuleList([nn.Conv1d(1, channels[0], 15, padding=7)])
        for low, high in pairwise(channels):
            self.layers.append(nn.Conv1d(low, high, 41, stride=4, padding=20, groups=math.gcd(low, high, 4)))
        self.last = nn.Conv1d(channels[-1], 1, 3, padding=1)

    def forward(self, waves_BN: torch.Tensor) -> Judgement:
        x = waves_BN[:, None]
        for _ in range(self.halvings):
            x = functional.avg_pool1d(x, 4, stride=2, padding=2)
        return _judged(self.layers, self.last, x)


class MelJudge(nn.Module):
    """Sees patches of a log-mel (PatchGAN, Isola et al. 2017), for the acoustic half."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        widths = [1, *channels]
        self.layers = nn.ModuleList(
            weight_norm(nn.Conv2d(low, high, (3, 5), stride=2 if place < 2 else 1, padding=(1, 2)))
            for place, (low, high) in enumerate(pairwise(widths))
        )
        self.last = weight_norm(nn.Conv2d(widths[-1], 1, 3, padding=1))

    def forward(self, mel_BMT: torch.Tensor) -> list[Judgement]:
        x = mel_BMT[:, None] / 2.0 + 2.5
        return [_judged(self.layers, self.last, x, slope=2 * _SLOPE)]


class Judges(nn.Module):
    """All discriminators. Their gradients are least-squares, as in HiFi-GAN.

    Args:
        scale_channels: Of the multi-scale discriminator; there is none if empty.
    """

    def __init__(
        self, period_channels: Sequence[int], spectrogram_channels: int, scale_channels: Sequence[int] = ()
    ) -> None:
        super().__init__()
        members: list[nn.Module] = [PeriodJudge(period, period_channels) for period in _PERIODS]
        members += [SpectrogramJudge(resolution, spectrogram_channels) for resolution in _RESOLUTIONS]
        members += [ScaleJudge(halvings, scale_channels) for halvings in _HALVINGS if scale_channels]
        self.members = nn.ModuleList(members)

    def forward(self, waves_BN: torch.Tensor) -> list[Judgement]:
        return [judge(waves_BN) for judge in self.members]


def judges_loss(real: list[Judgement], fake: list[Judgement]) -> torch.Tensor:
    losses = [
        (1.0 - real_score.float()).square().mean() + fake_score.float().square().mean()
        for (real_score, _), (fake_score, _) in zip(real, fake, strict=True)
    ]
    return torch.stack(losses).mean()


def adversarial_loss(fake: list[Judgement]) -> torch.Tensor:
    return torch.stack([(1.0 - score.float()).square().mean() for score, _ in fake]).mean()


def feature_matching_loss(real: list[Judgement], fake: list[Judgement]) -> torch.Tensor:
    """Mean over layers of the L1 of feature maps, relative to the real ones' size."""
    losses = [
        functional.l1_loss(fake_map.float(), real_map.detach().float())
        / real_map.detach().float().abs().mean().clamp(min=1e-4)
        for (_, real_maps), (_, fake_maps) in zip(real, fake, strict=True)
        for real_map, fake_map in zip(real_maps, fake_maps, strict=True)
    ]
    return torch.stack(losses).mean()
