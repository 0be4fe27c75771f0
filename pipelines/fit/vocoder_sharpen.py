"""Sharpens the acoustic half: regression gives the middle of all log-mels that the tokens may stand for, a blur.

From where the regression left it, the model goes on against a discriminator of log-mel patches with feature matching
(Isola et al., 2017; on acoustic models, Yang et al., 2021, "GANSpeech"), the regression's own loss beside them. The
running mean of the weights is what is used. The distance to the true log-mel rises; that the words are clearer is for
the speech to show (``docs/decisions.md``).
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from pipelines.fit.gradients import clip_gradients
from pipelines.fit.running_mean import RunningMean
from pipelines.fit.training_state import TrainingState
from pipelines.fit.vocoder_acoustic import AcousticTrainer
from pipelines.fit.vocoder_crops import AcousticBatch
from pipelines.fit.vocoder_losses import Judgement, MelJudge, adversarial_loss, feature_matching_loss, judges_loss
from transforms.vocoder._acoustic import Acoustics

_ADVERSARIAL_WEIGHT, _FEATURE_WEIGHT = 0.1, 1.0
_RAMP_STEPS = 300  # in which the judge's word comes to count
_PATCH_FRAMES = 160
_SAY_EVERY = 250
_SAVE_EVERY = 200
_JUDGE_BETAS = (0.5, 0.9)


class Sharpener:
    """One step at a time; the batch of a step is a function of ``(seed, step)``."""

    def __init__(
        self,
        trainer: AcousticTrainer,
        judge: MelJudge,
        *,
        learning_rate: float,
        bf16: bool,
        seed: int,
        device: torch.device,
    ) -> None:
        self._trainer, self._model, self._judge = trainer, trainer.model, judge.to(device)
        self._rate, self._bf16, self._seed, self._device = learning_rate, bf16, seed, device
        self._mean = RunningMean(self._model)
        self._make = torch.optim.AdamW(self._model.parameters(), lr=learning_rate, weight_decay=0.05)
        self._judging = torch.optim.AdamW(judge.parameters(), lr=learning_rate, betas=_JUDGE_BETAS)
        self._state = TrainingState(
            model=self._model, mean=self._mean, judge=self._judge, make=self._make, judging=self._judging
        )

    def run(self, *, steps: int, batch: int, checkpoint: Path | None, say: Callable[[str], None]) -> None:
        """Train, and leave the running mean in the model."""
        state = self._state
        state.restore(checkpoint)
        self._model.train()
        sums: dict[str, list[float]] = {}
        while state.step < steps:
            for name, value in self._train_step(steps, batch).items():
                sums.setdefault(name, []).append(value)
            if state.step % _SAY_EVERY == 0:
                say(f"sharpen step {state.step}: " + ", ".join(f"{n} {np.mean(v):.3f}" for n, v in sums.items()))
                sums.clear()
            if state.step % _SAVE_EVERY == 0 or state.step == steps:
                state.save(checkpoint)
        self._model.load_state_dict(self._mean.values)
        self._model.eval()

    def _train_step(self, steps: int, size: int) -> dict[str, float]:
        step = self._state.step
        rng = np.random.default_rng([self._seed, 5, step])
        torch.manual_seed(int(rng.integers(2**31)))  # dropout
        for optimiser in (self._make, self._judging):
            for group in optimiser.param_groups:
                group["lr"] = self._rate * (1.0 - 0.9 * step / steps)
        batch = self._trainer.crops.draw(rng, size)
        out = self._trainer.regress(batch)
        losses = self._trainer.losses(out, batch)
        real, fake = _patches(batch, out, rng)
        said: dict[str, float] = {}
        if len(real):
            said["judge"] = self._train_judge(real, fake.detach())
            self._judge.requires_grad_(False)
            judged = self._judged(fake)
            weight = min(1.0, step / _RAMP_STEPS)
            losses["adversarial"] = weight * _ADVERSARIAL_WEIGHT * adversarial_loss(judged)
            losses["features"] = weight * _FEATURE_WEIGHT * feature_matching_loss(self._judged(real), judged)
            self._judge.requires_grad_(True)
        self._make.zero_grad(set_to_none=True)
        torch.autograd.backward(torch.stack(list(losses.values())).sum())
        clip_gradients(self._model, 1.0, what="the acoustic model", step=step + 1)
        self._make.step()
        self._state.step += 1
        self._mean.update(self._model, step=self._state.step)
        return said | {name: float(value.detach()) for name, value in losses.items()}

    def _judged(self, mel_BMT: torch.Tensor) -> list[Judgement]:
        with torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=self._bf16):
            judged: list[Judgement] = self._judge(mel_BMT)
        return judged

    def _train_judge(self, real: torch.Tensor, fake: torch.Tensor) -> float:
        loss = judges_loss(self._judged(real), self._judged(fake))
        self._judging.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        clip_gradients(self._judge, 1.0, what="the judge of mels", step=self._state.step + 1)
        self._judging.step()
        return float(loss.detach())


def _patches(batch: AcousticBatch, out: Acoustics, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """The same frames of the true and the regressed log-mels, of the crops whose recordings go on so far."""
    frames = batch.mel.shape[2]
    length = min(_PATCH_FRAMES, frames)
    start = int(rng.integers(frames - length + 1))
    chosen = slice(start, start + length)
    whole_B = batch.inside[:, chosen].amin(1) > 0
    return batch.mel[whole_B][..., chosen], out.mel[whole_B][..., chosen]
