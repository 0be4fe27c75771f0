"""The acoustic half: speech tokens to log-mel, F0 and voicing by regression; and the durations of units.

Pitch and style codes are repeated up to the unit rate and concatenated with the unit's and the speaker's
embedding (as Spirit LM's vocoder does; Nguyen et al., 2025), then ConvNeXt blocks (Liu et al., 2022) at the unit
rate and at 100 Hz. Each code table has one more entry: "missing" for pitch and style, "dropped" for units.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from schemas.records import TokenIds
from transforms.kmeans import Features
from transforms.vocoder._mel import MEL_BANDS, MEL_HOP_SAMPLES

_KERNEL = 7
_DURATION_BLOCKS = 2

#: Units on either side that may influence a unit's duration.
DURATION_CONTEXT_UNITS = _DURATION_BLOCKS * (_KERNEL // 2)


@dataclass(frozen=True, slots=True)
class AcousticShape:
    """Sizes of the acoustic half. ``unit_hop_samples`` is a multiple of 160."""

    unit_codes: int
    pitch_codes: int
    style_codes: int
    speakers: int
    unit_hop_samples: int
    width: int
    fine_width: int
    blocks: int
    fine_blocks: int
    code_width: int
    dropout: float

    @property
    def frames_per_unit(self) -> int:
        return self.unit_hop_samples // MEL_HOP_SAMPLES

    @property
    def context_units(self) -> int:
        """Units on either side that may influence a frame."""
        reach = _KERNEL // 2
        return self.blocks * reach + -(-self.fine_blocks * reach // self.frames_per_unit) + 1


class Acoustics(NamedTuple):
    """At 100 frames a second.

    Args:
        mel: Natural log of the mel amplitudes, shape ``(B, 80, T)``.
        log_f0: Natural log of Hz, shape ``(B, T)``.
        voicing: Logit of being voiced, shape ``(B, T)``.
    """

    mel: torch.Tensor
    log_f0: torch.Tensor
    voicing: torch.Tensor

    def f0(self) -> torch.Tensor:
        """Hz, 0 where unvoiced."""
        f0_BT: torch.Tensor = torch.where(self.voicing > 0, self.log_f0.exp(), 0.0)
        return f0_BT


class ConvNeXtBlock(nn.Module):
    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(width, width, _KERNEL, padding=_KERNEL // 2, groups=width)
        self.norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, 2 * width)
        self.narrow = nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x_BTD: torch.Tensor) -> torch.Tensor:
        hidden = self.norm(self.depthwise(x_BTD.mT).mT)
        change_BTD: torch.Tensor = self.dropout(self.narrow(functional.gelu(self.widen(hidden))))
        return x_BTD + change_BTD


class AcousticModel(nn.Module):
    def __init__(self, shape: AcousticShape) -> None:
        super().__init__()
        self.shape = shape
        self.units = nn.Embedding(shape.unit_codes + 1, shape.width)
        self.pitch = nn.Embedding(shape.pitch_codes + 1, shape.code_width)
        self.style = nn.Embedding(shape.style_codes + 1, shape.code_width)
        self.speaker = nn.Embedding(shape.speakers, shape.code_width)
        self.entry = nn.Linear(shape.width + 3 * shape.code_width, shape.width)
        self.coarse = nn.Sequential(*(ConvNeXtBlock(shape.width, shape.dropout) for _ in range(shape.blocks)))
        self.refine = nn.Linear(shape.width, shape.frames_per_unit * shape.fine_width)
        self.fine = nn.Sequential(*(ConvNeXtBlock(shape.fine_width, shape.dropout) for _ in range(shape.fine_blocks)))
        self.norm = nn.LayerNorm(shape.fine_width)
        self.exit = nn.Linear(shape.fine_width, MEL_BANDS + 2)

    @torch.no_grad()
    def place_units(self, vectors_KP: Features) -> None:
        """Start the units' embeddings from a random projection of these vectors, so that codes which sound alike are
        near each other before any of them was trained; the seed is torch's.
        """
        points_KP = torch.from_numpy(vectors_KP - vectors_KP.mean(0))
        projection_PD = torch.randn(points_KP.shape[1], self.units.embedding_dim) / points_KP.shape[1] ** 0.5
        self.units.weight[: len(points_KP)] = points_KP / points_KP.std() @ projection_PD

    def forward(
        self, units_BU: torch.Tensor, pitch_BU: torch.Tensor, style_BU: torch.Tensor, speaker_B: torch.Tensor
    ) -> Acoustics:
        """Codes at the unit rate; ``codes`` of a stream (one past the last) stands for missing."""
        speaker_BUD = self.speaker(speaker_B)[:, None].expand(-1, units_BU.shape[1], -1)
        parts = [self.units(units_BU), self.pitch(pitch_BU), self.style(style_BU), speaker_BUD]
        coarse = self.coarse(self.entry(torch.cat(parts, dim=-1)))
        fine = self.fine(self.refine(coarse).unflatten(2, (self.shape.frames_per_unit, -1)).flatten(1, 2))
        out = self.exit(self.norm(fine))
        return Acoustics(
            mel=(out[..., :MEL_BANDS] * 2.0 - 5.0).mT,
            log_f0=out[..., MEL_BANDS] * 0.3 + 5.0,
            voicing=out[..., MEL_BANDS + 1],
        )


class DurationModel(nn.Module):
    """Log durations of deduplicated units: ``round(exp(x) - 1)`` frames, at least 1."""

    def __init__(self, unit_codes: int, width: int, dropout: float) -> None:
        super().__init__()
        self.units = nn.Embedding(unit_codes, width)
        self.blocks = nn.Sequential(*(ConvNeXtBlock(width, dropout) for _ in range(_DURATION_BLOCKS)))
        self.exit = nn.Linear(width, 1)

    def forward(self, units_BU: torch.Tensor) -> torch.Tensor:
        """``log(1 + frames)``, shape ``(B, U)``."""
        log_frames_BU: torch.Tensor = self.exit(self.blocks(self.units(units_BU)))[..., 0]
        return log_frames_BU


def repeat_to_units(codes: TokenIds, units: int, *, unit_hop: int, hop: int) -> torch.Tensor:
    """The code in whose frame each unit begins; a stream that ends early is held.

    Args:
        codes: Raw ids, at least one.
        unit_hop, hop: Samples between frames of the units and of this stream.
    """
    ids = torch.from_numpy(codes.astype(np.int64))
    frames = torch.arange(units) * unit_hop // hop
    return ids[frames.clamp(max=len(ids) - 1)]
