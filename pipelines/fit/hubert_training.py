"""Trains masked prediction: AdamW, linear warm-up and decay, resumed exactly, on one process or several."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from pipelines.fit.gradients import clip_gradients
from pipelines.fit.hubert_data import Batches, MaskedBatch
from pipelines.fit.hubert_network import Pretraining
from pipelines.fit.training_state import TrainingState
from pipelines.yaml_config import Section

_PATIENCE = timedelta(days=7)
_SAY_EVERY = 100
_JUDGED_BATCHES = 4


class TrainingSettings(Section):
    """What decides a training, beside its data."""

    steps: int
    learning_rate: float
    warmup_share: float
    weight_decay: float
    gradient_norm: float
    masked_weight: float
    micro_batches: int
    save_every: int
    bf16: bool
    seed: int

    def rate(self, step: int) -> float:
        """Factor on the learning rate: up to 1 in the warm-up, then down to 0."""
        warmup = max(1, round(self.warmup_share * self.steps))
        return min((step + 1) / warmup, (self.steps - step) / max(self.steps - warmup, 1))


@dataclass(frozen=True, slots=True)
class Processes:
    """This process among those that ``torchrun`` started; alone where there is no other."""

    rank: int
    world: int
    device: torch.device

    @classmethod
    def of_the_environment(cls, device: torch.device) -> "Processes":
        world = int(os.environ.get("WORLD_SIZE", "1"))
        if world == 1:
            return cls(0, 1, device)
        if device.type == "cuda":
            device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
            torch.cuda.set_device(device)
        backend = "nccl" if device.type == "cuda" else "gloo"
        torch.distributed.init_process_group(backend, timeout=_PATIENCE)  # the first one makes the targets meanwhile
        return cls(torch.distributed.get_rank(), world, device)

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def wait(self) -> None:
        """Until all are here."""
        if self.world > 1:
            torch.distributed.barrier()

    def __enter__(self) -> "Processes":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.world > 1:
            torch.distributed.destroy_process_group()


def train(
    model: Pretraining,
    batches: Batches,
    judged: Batches,
    settings: TrainingSettings,
    processes: Processes,
    path: Path,
    say: Callable[[str], None],
) -> dict[str, float]:
    """Train to the last step, from the state at ``path`` if there is one; figures of the judged recordings.

    Raises:
        EngineError: A gradient is not finite; the last state saved is from before.
    """
    device = processes.device
    model.to(device).train()
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=settings.learning_rate, betas=(0.9, 0.98), weight_decay=settings.weight_decay
    )
    state = TrainingState(model=model, optimiser=optimiser)
    state.restore(path)
    shares = processes.world * settings.micro_batches
    runner = DistributedDataParallel(model) if processes.world > 1 else model
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        for step in range(state.step, settings.steps):
            for group in optimiser.param_groups:
                group["lr"] = settings.learning_rate * settings.rate(step)
            optimiser.zero_grad(set_to_none=True)
            for turn in range(settings.micro_batches):
                share = processes.rank * settings.micro_batches + turn
                torch.manual_seed((settings.seed << 32) + step * shares + share)  # dropout
                batch = batches.batch(step, rank=share, world=shares)
                with _sums_at_the_last(runner, turn + 1 == settings.micro_batches):
                    with _autocast(device, settings.bf16):
                        loss = _loss(runner, batch, device, settings.masked_weight)
                    (loss / settings.micro_batches).backward()  # type: ignore[no-untyped-call]
            clip_gradients(model, settings.gradient_norm, what="HuBERT", step=step + 1)
            optimiser.step()
            state.step = done = step + 1
            if done % _SAY_EVERY == 0 or done == settings.steps:
                say(f"HuBERT step {done} of {settings.steps}: loss {loss.item():.3f}")
            if processes.is_first and (done % settings.save_every == 0 or done == settings.steps):
                state.save(path)
    return judge(model, judged, device, shares=shares)


def _loss(model: torch.nn.Module, batch: MaskedBatch, device: torch.device, masked_weight: float) -> torch.Tensor:
    """Cross-entropy of masked frames, and of heard ones where they weigh anything."""
    inside, masked, heard = (part.to(device) for part in (batch.inside, batch.masked, batch.heard))
    if masked_weight == 1:
        heard = torch.zeros_like(heard)
    logits_NK = model(batch.samples.to(device), inside, masked, heard).float()
    clusters = batch.clusters.to(device)
    first = int(masked.sum())
    loss = functional.cross_entropy(logits_NK[:first], clusters[masked])
    if masked_weight == 1 or len(logits_NK) == first:
        return loss
    return masked_weight * loss + (1 - masked_weight) * functional.cross_entropy(logits_NK[first:], clusters[heard])


@torch.inference_mode()
def judge(model: Pretraining, judged: Batches, device: torch.device, *, shares: int) -> dict[str, float]:
    """Loss and accuracy over masked frames of recordings kept apart, a share of a batch at a time."""
    model.eval()
    losses, right, total = 0.0, 0, 0
    shares = min(shares, judged.size)
    for step, share in product(range(_JUDGED_BATCHES), range(shares)):
        batch = judged.batch(step, rank=share, world=shares)
        inside, masked = batch.inside.to(device), batch.masked.to(device)
        logits_NK = model(batch.samples.to(device), inside, masked, torch.zeros_like(masked))
        wanted = batch.targets.to(device)
        losses += functional.cross_entropy(logits_NK, wanted, reduction="sum").item()
        right += int((logits_NK.argmax(1) == wanted).sum())
        total += len(wanted)
    model.train()
    return {"masked_loss": losses / total, "masked_accuracy": right / total}


def _autocast(device: torch.device, bf16: bool) -> AbstractContextManager[Any]:
    return torch.autocast(device.type, dtype=torch.bfloat16) if bf16 else nullcontext()


def _sums_at_the_last(runner: torch.nn.Module, last: bool) -> AbstractContextManager[Any]:
    """Processes add up their gradients once a step."""
    return nullcontext() if last or not isinstance(runner, DistributedDataParallel) else runner.no_sync()
