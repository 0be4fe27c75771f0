"""Fits the generator: log-mel and F0 to waveform, first by spectral distance, then against discriminators.

The same steps then refine it on the log-mels that the acoustic half predicts, under the recordings' own F0, so that it
learns to mend their blur.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from pipelines.fit.gradients import clip_gradients
from pipelines.fit.running_mean import RunningMean
from pipelines.fit.training_state import TrainingState
from pipelines.fit.vocoder_data import CropSampler, FittingRecording, cut
from pipelines.fit.vocoder_losses import (
    Judges,
    adversarial_loss,
    feature_matching_loss,
    judges_loss,
    mel_loss,
    spectral_loss,
)
from transforms.vocoder._generator import Generator
from transforms.vocoder._mel import LOG_FLOOR, MEL_HOP_SAMPLES, log_mel
from transforms.vocoder._source import pulse_train

_MEL_WEIGHT = 15.0
_SPECTRAL_WEIGHT = 5.0
_FEATURE_WEIGHT = 2.0
_EDGE_FRAMES = 2  # of a crop, whose STFTs saw zeros instead of the neighbourhood
_MAX_GRADIENT = 20.0
_MAX_LOG_GAIN = 0.5  # recordings are made up to 4 dB louder or softer

#: The log-mel, shape (80, T), that a generator is given for a recording; the number chooses among several.
Mels = Callable[[FittingRecording, float], np.ndarray]


def true_mel(recording: FittingRecording, _: float) -> np.ndarray:
    return recording.mel


class WaveTrainer:
    """Holds generator, its running mean, discriminators and their optimisers; one step at a time.

    The batch of a step is a function of ``(seed, phase, step)``, so a resumed run sees the same ones.
    """

    def __init__(
        self,
        generator: Generator,
        judges: Judges,
        *,
        learning_rate: float,
        bf16: bool,
        seed: int,
        phase: int,
        device: torch.device,
    ) -> None:
        self.generator, self.judges = generator.to(device), judges.to(device)
        self._device = device
        self._mean = RunningMean(generator)
        self._bf16, self._rate = bf16, learning_rate
        self._seed, self._phase = seed, phase
        self._make = torch.optim.AdamW(generator.parameters(), lr=learning_rate, betas=(0.8, 0.99))
        self._judge = torch.optim.AdamW(judges.parameters(), lr=learning_rate, betas=(0.8, 0.99))
        self.state = TrainingState(
            generator=generator, mean=self._mean, judges=judges, make=self._make, judge=self._judge
        )

    def mean_generator(self, like: Generator) -> Generator:
        """``like`` with the running mean of the weights, ready to use."""
        like.load_state_dict(self._mean.values)
        return like.to(self._device).eval()

    def train_step(
        self, sampler: CropSampler, mels: Mels, *, batch: int, adversarial: bool, rate: float
    ) -> dict[str, float]:
        """One update of all models; returns the losses."""
        for optimiser in (self._make, self._judge):
            for group in optimiser.param_groups:
                group["lr"] = self._rate * rate
        rng = np.random.default_rng([self._seed, self._phase, self.state.step])
        mel_BMT, f0_BT, real_BN = self._batch(rng, sampler, mels, batch)
        noise_BN = torch.from_numpy(rng.standard_normal(real_BN.shape, dtype=np.float32)).to(self._device)
        pulses_BN = pulse_train(f0_BT, torch.from_numpy(rng.random(batch)).to(self._device))
        edge = _EDGE_FRAMES * MEL_HOP_SAMPLES
        with torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=self._bf16):
            fake_BN = self.generator(mel_BMT, pulses_BN, noise_BN)[:, edge:-edge]
        real_BN = real_BN[:, edge:-edge]
        losses: dict[str, torch.Tensor] = {}
        judged = slice(0, -(-batch // 2))  # the discriminators cost most: they see half of the batch
        if adversarial:
            losses["judges"] = self._train_judges(real_BN[judged], fake_BN[judged].detach())
        losses["mel"] = mel_loss(fake_BN, real_BN)
        losses["spectral"] = spectral_loss(fake_BN, real_BN)
        total = _MEL_WEIGHT * losses["mel"] + _SPECTRAL_WEIGHT * losses["spectral"]
        if adversarial:
            self.judges.requires_grad_(False)
            with torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=self._bf16):
                with torch.no_grad():
                    judged_real = self.judges(real_BN[judged])
                judged_fake = self.judges(fake_BN[judged])
            self.judges.requires_grad_(True)
            losses["adversarial"] = adversarial_loss(judged_fake)
            losses["features"] = feature_matching_loss(judged_real, judged_fake)
            total = total + losses["adversarial"] + _FEATURE_WEIGHT * losses["features"]
        self._make.zero_grad(set_to_none=True)
        torch.autograd.backward(total)
        clip_gradients(self.generator, _MAX_GRADIENT, what="the generator", step=self.state.step + 1)
        self._make.step()
        self.state.step += 1
        self._mean.update(self.generator, step=self.state.step)
        return {name: float(value.detach()) for name, value in losses.items()}

    def _train_judges(self, real_BN: torch.Tensor, fake_BN: torch.Tensor) -> torch.Tensor:
        with torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=self._bf16):
            loss = judges_loss(self.judges(real_BN), self.judges(fake_BN))
        self._judge.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        clip_gradients(self.judges, _MAX_GRADIENT, what="the judges", step=self.state.step + 1)
        self._judge.step()
        return loss

    def _batch(
        self, rng: np.random.Generator, sampler: CropSampler, mels: Mels, batch: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        rows: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        for recording, start in sampler.draw(rng, batch):
            log_gain = rng.uniform(-_MAX_LOG_GAIN, _MAX_LOG_GAIN)
            mel_MT = cut(mels(recording, rng.random()), start, sampler.frames, fill=LOG_FLOOR)
            f0_T = cut(recording.f0_hz, start, sampler.frames)
            wave_N = cut(recording.waveform, start * MEL_HOP_SAMPLES, sampler.frames * MEL_HOP_SAMPLES)
            rows.append((np.maximum(mel_MT + log_gain, LOG_FLOOR), f0_T, wave_N * np.exp(log_gain)))
        stack = [
            torch.from_numpy(np.stack(part).astype(np.float32)).to(self._device) for part in zip(*rows, strict=True)
        ]
        return stack[0], stack[1], stack[2]


@torch.inference_mode()
def copy_synthesis_error(
    generator: Generator, recordings: list[FittingRecording], mels: Mels, *, device: torch.device
) -> float:
    """Mean L1 between the log-mels of recordings and of what the generator makes of ``mels`` and their F0."""
    errors = []
    for index, recording in enumerate(recordings):
        noise = np.random.default_rng(index).standard_normal(len(recording.waveform), dtype=np.float32)
        arrays = (mels(recording, 1.0).astype(np.float32), recording.f0_hz, noise, recording.waveform)
        mel_1MT, f0_1T, noise_1N, real_1N = (torch.from_numpy(array)[None].to(device) for array in arrays)
        fake_1N = generator(mel_1MT, pulse_train(f0_1T, torch.zeros(1, device=device)), noise_1N)
        errors.append(float(functional.l1_loss(log_mel(fake_1N), log_mel(real_1N))))
    return float(np.mean(errors))


def train_wave(
    trainer: WaveTrainer,
    recordings: list[FittingRecording],
    mels: Mels,
    *,
    steps: int,
    adversarial_from: int,
    first_rate: float,
    decay_steps: int,
    batch: int,
    crop_frames: int,
    weights: dict[str, float],
    checkpoint: Path | None,
    say: Callable[[str], None],
) -> None:
    """Runs up to ``steps`` steps in all, resuming from ``checkpoint``.

    The learning rate falls from ``first_rate`` of the trainer's own, tenfold in ``decay_steps``.
    """
    state = trainer.state
    state.restore(checkpoint)
    sampler = CropSampler(recordings, frames=crop_frames, weights=weights)
    sums: dict[str, list[float]] = {}
    while state.step < steps:
        warm = min(1.0, (state.step + 1) / 100)
        rate = first_rate * warm * 0.1 ** (state.step / decay_steps)
        losses = trainer.train_step(sampler, mels, batch=batch, adversarial=state.step >= adversarial_from, rate=rate)
        for name, value in losses.items():
            sums.setdefault(name, []).append(value)
        if state.step % 50 == 0:
            say(f"step {state.step}: " + ", ".join(f"{name} {np.mean(v):.3f}" for name, v in sums.items()))
            sums.clear()
        if state.step % 200 == 0:
            state.save(checkpoint)
    state.save(checkpoint)
