"""Fits the acoustic half (tokens to log-mel, F0 and voicing) and the durations, by regression.

Pitch and style are dropped from some crops, together or alone, so that one model speaks with and without them; units
are dropped at random places and the waveform is no input, so little else can be augmented. The best state on
recordings kept apart is what is used.
"""

import math
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from pipelines.fit.gradients import clip_gradients
from pipelines.fit.training_state import TrainingState
from pipelines.fit.vocoder_crops import AcousticBatch, AcousticCrops, Hops, codes_at_unit_rate
from pipelines.fit.vocoder_data import FittingRecording
from pipelines.fit.vocoder_reader import ReadingLoss
from transforms.vocoder._acoustic import AcousticModel, Acoustics, DurationModel

_F0_WEIGHT, _VOICING_WEIGHT = 2.0, 0.3


def regression_losses(out: Acoustics, batch: AcousticBatch) -> dict[str, torch.Tensor]:
    """Weighted distances of log-mel, F0 and voicing, over frames inside the recordings; ``mel`` has the weight 1."""
    frames = batch.inside.sum().clamp(min=1)
    voiced_BT = (batch.f0 > 0) & (batch.inside > 0)
    log_f0_BT = torch.log(batch.f0.clamp(min=1.0))
    f0 = ((out.log_f0 - log_f0_BT).abs() * voiced_BT).sum() / voiced_BT.sum().clamp(min=1)
    voicing = functional.binary_cross_entropy_with_logits(out.voicing, (batch.f0 > 0).float(), weight=batch.inside)
    return {
        "mel": ((out.mel - batch.mel).abs().mean(1) * batch.inside).sum() / frames,
        "f0": _F0_WEIGHT * f0,
        "voicing": _VOICING_WEIGHT * voicing,
    }


class AcousticTrainer:
    """Keeps the state that did best on ``validation``."""

    def __init__(
        self,
        model: AcousticModel,
        crops: AcousticCrops,
        validation: list[FittingRecording],
        *,
        hops: Hops,
        speakers: tuple[str, ...],
        reading: ReadingLoss | None,
        learning_rate: float,
        bf16: bool,
        seed: int,
        device: torch.device,
    ) -> None:
        self.model = model.to(device)
        self._device = device
        self._bf16 = bf16
        self._hops, self._speakers, self._seed, self._rate = hops, speakers, seed, learning_rate
        self.crops, self._validation, self._reading = crops, validation, reading
        self._optimiser = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0.05)
        self._best = deepcopy(model)
        figures = {"best_error": math.inf}
        self._state = TrainingState(figures, model=self.model, optimiser=self._optimiser, best=self._best)

    def run(
        self,
        *,
        steps: int,
        batch: int,
        validate_every: int,
        checkpoint: Path | None,
        say: Callable[[str], None],
    ) -> float:
        """Trains, leaves the best state in the model and returns its mel L1 on the validation recordings."""
        state = self._state
        state.restore(checkpoint)
        while state.step < steps:
            self._train_step(steps, batch)
            if state.step % validate_every == 0 or state.step == steps:
                error = self.validate(with_prosody=True)
                say(f"acoustic step {state.step}: mel L1 on recordings kept apart {error:.3f}")
                if error < state.figures["best_error"]:
                    state.figures["best_error"] = error
                    self._best.load_state_dict(self.model.state_dict())
                state.save(checkpoint)
        self.model.load_state_dict(self._best.state_dict())
        self.model.eval()
        return state.figures["best_error"]

    def _train_step(self, steps: int, size: int) -> None:
        self.model.train()
        step = self._state.step
        rng = np.random.default_rng([self._seed, 2, step])
        torch.manual_seed(int(rng.integers(2**31)))  # dropout
        warm = min(1.0, (step + 1) / 100)
        for group in self._optimiser.param_groups:
            group["lr"] = self._rate * warm * 0.5 * (1.0 + math.cos(math.pi * step / steps))
        batch = self.crops.draw(rng, size)
        loss = torch.stack(list(self.losses(self.regress(batch), batch).values())).sum()
        self._optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        clip_gradients(self.model, 1.0, what="the acoustic model", step=step + 1)
        self._optimiser.step()
        self._state.step += 1

    def losses(self, out: Acoustics, batch: AcousticBatch) -> dict[str, torch.Tensor]:
        """Weighted; their sum is what the regression makes small."""
        losses = regression_losses(out, batch)
        if self._reading is not None:
            with torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=self._bf16):
                losses["reading"] = self._reading(out.mel, batch.mel, batch.inside)
        return losses

    def regress(self, batch: AcousticBatch) -> Acoustics:
        with torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=self._bf16):
            out = self.model(*batch.codes.unbind(1), batch.speakers)
        return Acoustics(*(part.float() for part in out))

    def validate(self, *, with_prosody: bool) -> float:
        """Mean mel L1 over all validation frames."""
        self.model.eval()
        total, frames = 0.0, 0
        for recording in self._validation:
            out = self.predict(recording, with_prosody=with_prosody)
            length = out.shape[1]
            total += float(np.abs(out - recording.mel[:, :length].astype(np.float32)).mean()) * length
            frames += length
        return total / max(frames, 1)

    @torch.inference_mode()
    def predict(self, recording: FittingRecording, *, with_prosody: bool) -> np.ndarray:
        """Log-mel of a whole recording from its codes, float32, shape ``(80, T)``."""
        codes_3U = torch.from_numpy(codes_at_unit_rate(recording, self.model.shape, self._hops)).to(self._device)
        if not with_prosody:
            codes_3U[1], codes_3U[2] = self.model.shape.pitch_codes, self.model.shape.style_codes
        speaker = torch.tensor([self._speakers.index(recording.speaker)], device=self._device)
        predicted: np.ndarray = self.model(*(row[None] for row in codes_3U), speaker).mel[0].cpu().numpy()
        return predicted


def fit_durations(
    model: DurationModel,
    training: list[FittingRecording],
    validation: list[FittingRecording],
    *,
    steps: int,
    learning_rate: float,
    seed: int,
    device: torch.device,
    batch: int = 16,
    crop: int = 64,
) -> float:
    """Squared error on ``log(1 + frames)`` of deduplicated units; returns the mean absolute error in frames."""
    runs = [deduplicate(recording.codes["units"]) for recording in training]
    runs = [run for run in runs if len(run[0]) > 0]
    model.to(device)
    optimiser = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0.05)
    chances = np.array([len(ids) for ids, _ in runs], dtype=np.float64)
    chances /= chances.sum()
    model.train()
    for step in range(steps):
        rng = np.random.default_rng([seed, 3, step])
        torch.manual_seed(int(rng.integers(2**31)))  # dropout
        ids = np.zeros((batch, crop), dtype=np.int64)
        targets = np.zeros((batch, crop), dtype=np.float32)
        inside = np.zeros((batch, crop), dtype=np.float32)
        for row, index in enumerate(rng.choice(len(runs), size=batch, p=chances)):
            units, frames = runs[int(index)]
            start = int(rng.integers(max(len(units) - crop, 0) + 1))
            length = min(crop, len(units) - start)
            ids[row, :length] = units[start : start + length]
            targets[row, :length] = np.log1p(frames[start : start + length])
            inside[row, :length] = 1.0
        ids_BU, targets_BU, inside_BU = (torch.from_numpy(array).to(device) for array in (ids, targets, inside))
        loss = ((model(ids_BU) - targets_BU).square() * inside_BU).sum() / inside_BU.sum()
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimiser.step()
    model.eval()
    errors = []
    with torch.inference_mode():
        for recording in validation:
            units, frames = deduplicate(recording.codes["units"])
            if len(units):
                log_frames = model(torch.from_numpy(units)[None].to(device))[0]
                guessed = (log_frames.exp() - 1.0).round().clamp(min=1).cpu().numpy()
                errors.append(np.abs(guessed - frames))
    return float(np.concatenate(errors).mean()) if errors else 0.0


def deduplicate(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Runs of equal ids: the ids (int64) and how many frames each lasts (int64)."""
    starts = np.flatnonzero(np.append(True, ids[1:] != ids[:-1])) if len(ids) else np.zeros(0, dtype=np.int64)
    return ids[starts].astype(np.int64), np.diff(np.append(starts, len(ids)))
