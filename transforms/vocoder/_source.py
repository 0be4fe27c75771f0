"""Excitation of the generator: a band-limited pulse train that follows F0, and white noise.

After the neural source-filter models (Wang et al., 2019): given the periodicity, a generator need only learn the
filter, which takes thousands of steps rather than hundreds of thousands.
"""

import math

import torch
from torch.nn import functional

from schemas.records import SAMPLE_RATE_HZ
from transforms.vocoder._mel import MEL_HOP_SAMPLES

_BLOCK_FRAMES = 1000  # 10 s: bounds the memory of a long recording, of which a sample takes a hundred bytes


def pulse_train(f0_BT: torch.Tensor, start_phase_B: torch.Tensor) -> torch.Tensor:
    """Sum of all harmonics below 8 kHz, of unit power, silent where unvoiced.

    Args:
        f0_BT: Hz at 100 frames a second, 0 where unvoiced.
        start_phase_B: Phase of the first sample, in cycles.

    Returns:
        Shape ``(B, T * 160)``.
    """
    filled_BT, voiced_BT = _fill_unvoiced(f0_BT), (f0_BT > 0).float()
    phase_B1 = start_phase_B[:, None].double()
    blocks = []
    for start in range(0, f0_BT.shape[1], _BLOCK_FRAMES):
        f0_BN, gain_BN = (_upsample(values_BT, start, start + _BLOCK_FRAMES) for values_BT in (filled_BT, voiced_BT))
        cycles_BN = torch.cumsum(f0_BN.double() / SAMPLE_RATE_HZ, dim=1) + phase_B1
        phase_B1 = cycles_BN[:, -1:]
        blocks.append(_harmonics(f0_BN.double(), cycles_BN, gain_BN))
    return torch.cat(blocks, dim=1)


def _harmonics(f0_BN: torch.Tensor, cycles_BN: torch.Tensor, gain_BN: torch.Tensor) -> torch.Tensor:
    angle_BN = 2.0 * math.pi * (cycles_BN - cycles_BN.floor())
    harmonics_BN = (0.5 * SAMPLE_RATE_HZ) / f0_BN - 1.0
    whole_BN = harmonics_BN.floor()
    half_BN = torch.sin(0.5 * angle_BN)
    dirichlet_BN = torch.where(
        half_BN.abs() < 1e-5, whole_BN, 0.5 * torch.sin((whole_BN + 0.5) * angle_BN) / half_BN - 0.5
    )
    # The topmost harmonic fades in as it sinks below 8 kHz, so that a gliding F0 makes no steps.
    top_BN = (harmonics_BN - whole_BN) * torch.cos((whole_BN + 1.0) * angle_BN)
    pulses_BN = (dirichlet_BN + top_BN) * torch.sqrt(2.0 / harmonics_BN)
    excitation_BN: torch.Tensor = (pulses_BN * gain_BN).float()
    return excitation_BN


def _upsample(values_BT: torch.Tensor, start: int, end: int) -> torch.Tensor:
    """Linear interpolation between frame centres, to one value a sample of the frames ``[start, end)``."""
    first, frames = max(start - 1, 0), min(end, values_BT.shape[1]) - start
    around_B1T = values_BT[:, None, first : end + 1]
    values_BN: torch.Tensor = functional.interpolate(around_B1T, scale_factor=MEL_HOP_SAMPLES, mode="linear")[:, 0]
    return values_BN[:, (start - first) * MEL_HOP_SAMPLES :][:, : frames * MEL_HOP_SAMPLES]


def _fill_unvoiced(f0_BT: torch.Tensor) -> torch.Tensor:
    """Unvoiced frames take the last voiced value before them, or else the first after, or else 150 Hz."""
    frames = f0_BT.shape[1]
    voiced_BT = f0_BT > 0
    positions = torch.arange(frames, device=f0_BT.device).expand_as(f0_BT)
    before_BT = torch.where(voiced_BT, positions, -1).cummax(dim=1).values
    after_BT = torch.where(voiced_BT, positions, frames).flip(1).cummin(dim=1).values.flip(1)
    source_BT = torch.where(before_BT >= 0, before_BT, after_BT.clamp(max=frames - 1))
    filled_BT = torch.gather(f0_BT, 1, source_BT)
    return torch.where(filled_BT > 0, filled_BT, 150.0).clamp(min=50.0)
