"""A reader of units off log-mels, by which the acoustic half's log-mels are to look like the true ones.

The distance of two log-mels counts every band of every frame alike, and most of it is what nobody can foretell: noise.
A net that was fitted to tell the units of true log-mels apart looks at what makes one sound another. Frozen, it sees
the true and the predicted log-mel, and its layers are to agree (deep feature losses: Johnson et al., 2016; for speech,
Germain et al., 2019).
"""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from pipelines.fit.gradients import clip_gradients
from pipelines.fit.training_state import TrainingState
from pipelines.fit.vocoder_crops import AcousticCrops
from pipelines.fit.vocoder_losses import Judgement, feature_matching_loss
from transforms.vocoder._acoustic import ConvNeXtBlock
from transforms.vocoder._mel import MEL_BANDS

_KERNEL = 5
_BLOCKS = 2
_DROPOUT = 0.1
_SAVE_EVERY = 250
_MEAN_STEPS = 100


class UnitReader(nn.Module):
    """Log-mel to logits of the unit that each ``frames_per_unit`` frames stand for."""

    def __init__(self, *, unit_codes: int, frames_per_unit: int, width: int) -> None:
        super().__init__()
        self.unit_codes, self.frames_per_unit = unit_codes, frames_per_unit
        self.convs = nn.ModuleList(
            [
                nn.Conv1d(MEL_BANDS, width, _KERNEL, padding=_KERNEL // 2),
                nn.Conv1d(width, width, _KERNEL, padding=_KERNEL // 2),
                nn.Conv1d(width, width, frames_per_unit, stride=frames_per_unit),
            ]
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in self.convs)
        self.blocks = nn.ModuleList(ConvNeXtBlock(width, _DROPOUT) for _ in range(_BLOCKS))
        self.exit = nn.Linear(width, unit_codes)

    def forward(self, mel_BMT: torch.Tensor) -> Judgement:
        """Logits ``(B, U, K)``, and every layer's maps."""
        x = mel_BMT / 2.0 + 2.5
        maps = []
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = functional.gelu(norm(conv(x).mT)).mT
            maps.append(x)
        x = x.mT
        for block in self.blocks:
            x = block(x)
            maps.append(x)
        return self.exit(x), maps


def fit_reader(
    reader: UnitReader,
    crops: AcousticCrops,
    *,
    steps: int,
    batch: int,
    learning_rate: float,
    bf16: bool,
    seed: int,
    device: torch.device,
    checkpoint: Path | None,
    say: Callable[[str], None],
) -> float:
    """Train on true log-mels; returns the share of units read right in the last steps."""
    reader.to(device).train()
    optimiser = torch.optim.AdamW(reader.parameters(), lr=learning_rate, weight_decay=0.05)
    state = TrainingState({"right": 0.0}, model=reader, optimiser=optimiser)
    state.restore(checkpoint)
    right = state.figures["right"]
    for step in range(state.step, steps):
        rng = np.random.default_rng([seed, 6, step])
        torch.manual_seed(int(rng.integers(2**31)))  # dropout
        for group in optimiser.param_groups:
            group["lr"] = learning_rate * min(1.0, (step + 1) / 100) * 0.5 * (1.0 + math.cos(math.pi * step / steps))
        drawn = crops.draw(rng, batch)
        units_BU = drawn.codes[:, 0]
        said_BU = (units_BU < reader.unit_codes) & (drawn.inside[:, :: reader.frames_per_unit] > 0)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16):
            logits_BUK, _ = reader(drawn.mel)
        loss = functional.cross_entropy(logits_BUK[said_BU].float(), units_BU[said_BU])
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        clip_gradients(reader, 1.0, what="the reader", step=step + 1)
        optimiser.step()
        now = float((logits_BUK[said_BU].argmax(-1) == units_BU[said_BU]).float().mean())
        right += (now - right) / min(step + 1, _MEAN_STEPS)
        if (step + 1) % _SAVE_EVERY == 0 or step + 1 == steps:
            say(f"reader step {step + 1}: {right:.1%} of units read")
            state.step, state.figures["right"] = step + 1, right
            state.save(checkpoint)
    return right


class ReadingLoss:
    """How differently a frozen reader sees true and predicted log-mels: the mean over its layers of the relative L1."""

    def __init__(self, reader: UnitReader, *, weight: float) -> None:
        self._reader = reader.eval().requires_grad_(False)
        self._weight = weight

    def __call__(self, mel_BMT: torch.Tensor, true_BMT: torch.Tensor, inside_BT: torch.Tensor) -> torch.Tensor:
        """Weighted; frames that are not ``inside`` the recordings count as right."""
        fake_BMT = torch.where(inside_BT[:, None] > 0, mel_BMT, true_BMT)
        with torch.no_grad():
            real = self._reader(true_BMT)
        return self._weight * feature_matching_loss([real], [self._reader(fake_BMT)])
