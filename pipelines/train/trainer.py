"""The training loop: plain PyTorch, resumable to the bit on a CPU.

A step's loss is the sum over all micro-batches of all ranks divided by the number of targets in all of them. Nothing is
drawn at random after the weights: with the loader's state saved, a resumed run repeats the uninterrupted one.
"""

import json
import math
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipelines.files import read_ids, write_text
from pipelines.train import checkpoint
from pipelines.train.config import TrainConfig
from pipelines.train.corpus import TrainingCorpus
from pipelines.train.distributed import World, check_rows, shard_model
from pipelines.train.export import About, describe_model, extended_tokenizer
from pipelines.train.journal import LOG_FILE, Journal
from pipelines.train.loader import Batch, Loader
from pipelines.train.model import build_model
from pipelines.train.objective import LOSS_KINDS, kind_of_ids, loss_sums
from pipelines.train.prefetch import Prefetched
from pipelines.train.samples import write_samples
from pipelines.train.schedule import learning_rate, make_optimizer
from pipelines.train.settings import SETTINGS_FILE, check_resumed, settings_fingerprint
from schemas.errors import EngineError, UserError
from schemas.manifest import dump_json

__all__ = ["LOG_FILE", "Progress", "Say", "Trainer"]

Say = Callable[[int, int, float, float], None]  # step, total, loss, tokens a second
_TAIL_STEPS = 20  # final losses are means over so many last steps


@dataclass(slots=True)
class Progress:
    """Sums over the whole run, over all its sessions; ``waited_seconds`` are those without a batch."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    waited_seconds: float = 0.0
    best_step: int | None = None
    best_loss: float | None = None


class Trainer:
    """Model, optimizer and loader at one step of a run."""

    def __init__(
        self, config: TrainConfig, corpus: TrainingCorpus, folder: Path, *, world: World | None = None
    ) -> None:
        self.config, self.corpus, self.folder = config, corpus, folder
        self.world = world or World()
        check_rows(self.world, sequences=config.data.sequences, micro_batches=config.data.micro_batches)
        self.device = _device(config, self.world)
        text = corpus.tokenizer
        self.tokenizer = extended_tokenizer(text, corpus.layout)  # refused now, where it cannot be, not at the end
        self.model, self.init = build_model(
            config.model,
            layout=corpus.layout,
            context=config.data.context,
            bos=text.bos_id,
            eos=text.eos_id,
            seed=config.seed,
        )
        self.model.to(self.device).train()
        if config.activation_checkpointing:
            self.model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        shard_model(self.model, self.world, device=self.device, half=self._half)
        self.forward = torch.compile(self.model) if config.compile else self.model
        self.optimizer = make_optimizer(self.model, config.optimizer)
        self.kinds_V = kind_of_ids(corpus.layout, rows=self.init.rows, bos=text.bos_id, eos=text.eos_id).to(self.device)
        excluded = read_ids(config.exclude_ids, option="exclude_ids") or frozenset()
        self.loader = self._new_loader(exclude=excluded)
        self._batches: Prefetched | None = None
        self._evaluation = self._evaluation_batches(excluded)
        self.progress = Progress()
        self._resume()

    def _new_loader(self, *, exclude: frozenset[str] = frozenset(), only: frozenset[str] | None = None) -> Loader:
        data = self.config.data
        if only is not None:  # held-out transcripts and recordings of the corpus instead
            data = data.model_copy(update={"texts": (), "speech": ()})
        return Loader(
            shards=self.corpus.shards,
            baked=self.corpus.baked,
            speech=self.corpus.read_for_speech(data),
            layout=self.corpus.layout,
            tokenizer=self.corpus.tokenizer,
            config=data,
            seed=self.config.seed,
            corpus_fingerprint=self.corpus.fingerprint,
            exclude_ids=exclude,
            only_ids=only,
        )

    def _evaluation_batches(self, excluded: frozenset[str]) -> list[Batch]:
        """Drawn before the first step, so that ids which cannot be evaluated are told of at once."""
        wanted = self.config.evaluation
        if wanted is None:
            return []
        ids = read_ids(wanted.ids, option="evaluation.ids") or frozenset()
        if trained_on := sorted(ids - excluded):
            raise UserError(
                f"evaluation.ids: {len(trained_on)} of {len(ids)} utterances in {wanted.ids} are trained on too "
                f"({trained_on[0]} ...); list them in exclude_ids"
            )
        loader = self._new_loader(only=ids)
        try:
            return [next(loader) for _ in range(wanted.batches)]
        except UserError as error:
            raise UserError(f"evaluation.ids: no batch of the utterances in {wanted.ids}: {error}") from error
        finally:
            loader.close()

    def _resume(self) -> None:
        checkpoints = self.folder / "checkpoints"
        if self.world.is_first:
            checkpoint.clear_partials(checkpoints)
        last = checkpoint.latest(checkpoints)
        if last is not None:
            state = checkpoint.read_state(last)
            check_resumed(self.config, state, self.folder)
            self.loader.load_state_dict(state["loader"])
            checkpoint.restore(last, model=self.model, optimizer=self.optimizer)
            self.progress = Progress(**state["progress"])
        if self.world.is_first:
            write_text(str(self.folder / SETTINGS_FILE), dump_json(self.config.model_dump(mode="json")))

    def save(self) -> None:
        state = {
            "step": self.progress.step,
            "steps": self.config.steps,
            "settings": settings_fingerprint(self.config),
            "loader": self._batches.state if self._batches is not None else self.loader.state_dict(),
            "progress": asdict(self.progress),
        }
        checkpoint.save(
            self.folder / "checkpoints",
            model=self.model,
            optimizer=self.optimizer,
            state=state,
            keep=self.config.keep_checkpoints,
            every=self.config.keep_every,
            best=self.progress.best_step,
            describe=lambda folder: describe_model(
                folder, model=self.model, about=self.about({"finished": False, **asdict(self.progress)})
            ),
            world=self.world,
        )

    def about(self, figures: dict[str, Any]) -> About:
        """What an export of this moment tells beside its weights."""
        training = {"config": self.config.model_dump(mode="json"), **figures}
        return About(self.corpus, self.tokenizer, self.config.data.context, training)

    def whole_weights(self) -> dict[str, torch.Tensor]:
        return checkpoint.whole_weights(self.model)

    def run(self, say: Say | None, stopped: threading.Event) -> bool:
        """Go on to the last step; False where a stop was asked for before."""
        config, progress = self.config, self.progress
        self._batches = Prefetched(self.loader)
        journal = Journal(self.folder, step=progress.step, writes=self.world.is_first, tensorboard=config.tensorboard)
        try:
            while progress.step < config.steps and not self.world.any(stopped.is_set()):
                began = time.perf_counter()
                batch = next(self._batches)
                loaded = time.perf_counter()
                losses, tokens = self.step(batch)
                ended = time.perf_counter()
                progress.step += 1
                progress.tokens += tokens
                progress.seconds += ended - began
                progress.waited_seconds += loaded - began
                better = self._evaluate_into(losses)
                timing = {"tokens_per_s": tokens / (ended - began), "stall_share": (loaded - began) / (ended - began)}
                journal.write({"step": progress.step, "tokens": progress.tokens, **losses}, timing=timing)
                if config.samples is not None and progress.step % config.samples.every == 0:
                    write_samples(self, config.samples, journal)
                if better or progress.step % config.checkpoint_every == 0:
                    self._keep(journal)
                if say is not None:
                    say(progress.step, config.steps, losses["loss"], progress.tokens / progress.seconds)
            self._keep(journal)
        finally:
            self._batches.close()
            with checkpoint.writing(self.folder):
                journal.close()
        return progress.step >= config.steps

    def _keep(self, journal: Journal) -> None:
        with checkpoint.writing(self.folder):
            journal.flush()
        self.save()

    def step(self, batch: Batch) -> tuple[dict[str, float], int]:
        """One optimizer step on a global batch; returns losses by kind with rate and gradient norm, and its targets."""
        parts = _micro_batches(self.world.own_rows(batch), self.config.data.micro_batches)
        total = int((batch.targets >= 0).sum())
        rate = learning_rate(self.progress.step, steps=self.config.steps, config=self.config.optimizer)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        sums_2K = torch.zeros(2, len(LOSS_KINDS), device=self.device)
        for part in parts:
            loss, part_sums, part_counts = self._loss_sums(part)
            # FSDP takes the mean over ranks, the loss is a sum over them
            (loss * (self.world.size / total)).backward()  # type: ignore[no-untyped-call]
            sums_2K += torch.stack([part_sums, part_counts])
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.optimizer.clip_norm)
        if isinstance(norm, torch.distributed.tensor.DTensor):
            norm = norm.full_tensor()
        losses = _means(self.world.sum(sums_2K), prefix="loss")
        self._check_finite(losses["loss"], float(norm))
        self.optimizer.step()
        return {**losses, "learning_rate": rate, "gradient_norm": float(norm)}, total

    def _check_finite(self, loss: float, norm: float) -> None:
        """Both are sums over all ranks, so all ranks raise or none."""
        if math.isfinite(loss) and math.isfinite(norm):
            return
        last = checkpoint.latest(self.folder / "checkpoints")
        raise EngineError(
            f"step {self.progress.step + 1}: loss {loss}, gradient norm {norm}; the training stops and saves nothing, "
            f"its last checkpoint is {last or 'none'}; lower optimizer.learning_rate or look at the data"
        )

    def _loss_sums(self, part: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._half):
            return loss_sums(self.forward, part, kinds_V=self.kinds_V, device=self.device)

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Losses by kind on batches of the held-out utterances, the same ones every time; every rank calls it."""
        if not self._evaluation:
            return {}
        self.model.eval()
        sums_2K = torch.zeros(2, len(LOSS_KINDS), device=self.device)
        for batch in self._evaluation:
            for part in _micro_batches(self.world.own_rows(batch), self.config.data.micro_batches):
                sums_2K += torch.stack(self._loss_sums(part)[1:])
        self.model.train()
        return _means(self.world.sum(sums_2K), prefix="eval_loss")

    def _evaluate_into(self, losses: dict[str, float]) -> bool:
        """Add evaluation losses where the step has some; True where they are the best so far."""
        wanted, progress = self.config.evaluation, self.progress
        if wanted is None or progress.step % wanted.every:
            return False
        losses |= self.evaluate()
        best = math.inf if progress.best_loss is None else progress.best_loss
        if not losses["eval_loss"] < best:  # true of a NaN too
            return False
        progress.best_step, progress.best_loss = progress.step, losses["eval_loss"]
        return True

    @property
    def _half(self) -> bool:
        if self.config.dtype == "auto":
            return self.device.type == "cuda"
        return self.config.dtype == "bfloat16"

    def figures(self, finished: bool) -> dict[str, Any]:
        """What a run reports: losses (mean of the last steps), tokens, rates, epochs, model size."""
        lines = (self.folder / LOG_FILE).read_text(encoding="utf-8").splitlines()
        records = [json.loads(line) for line in lines]
        progress, init = self.progress, self.init
        names = ["loss", *(f"loss_{kind}" for kind in LOSS_KINDS)]
        tail = {name: [record[name] for record in records[-_TAIL_STEPS:] if name in record] for name in names}
        best = {"best_step": progress.best_step, "best_eval_loss": progress.best_loss}
        state = self._batches.state if self._batches is not None else self.loader.state_dict()
        return {
            "finished": finished,
            "steps": progress.step,
            **{name: float(np.mean(values)) for name, values in tail.items() if values},
            "first_loss": records[0]["loss"] if records else None,
            **(best if self.config.evaluation is not None else {}),
            "tokens": progress.tokens,
            "tokens_by_source": state["tokens"],
            "epochs_by_source": {name: cursor[0] for name, cursor in state["cursors"].items()},
            "seconds": progress.seconds,
            "tokens_per_s": progress.tokens / progress.seconds if progress.seconds else 0.0,
            "stall_share": progress.waited_seconds / progress.seconds if progress.seconds else 0.0,
            "seed": self.config.seed,
            "corpus_fingerprint": self.corpus.fingerprint,
            "device": self.device.type,
            "ranks": self.world.size,
            "parameters": init.parameters,
            "embedding_rows": init.rows,
            "first_new_row": init.first_new_row,
            "new_rows_rule": init.rule,
        }


def _means(sums_2K: torch.Tensor, *, prefix: str) -> dict[str, float]:
    """Mean losses over everything and by kind, from sums and counts by kind."""
    sums, counts = sums_2K.tolist()
    means = {prefix: sum(sums) / sum(counts)}
    for kind, kind_sum, kind_count in zip(LOSS_KINDS, sums, counts, strict=True):
        if kind_count:
            means[f"{prefix}_{kind}"] = kind_sum / kind_count
    return means


def _micro_batches(batch: Batch, count: int) -> list[Batch]:
    rows = len(batch.tokens) // count
    return [batch.rows(part * rows, (part + 1) * rows) for part in range(count)]


def _device(config: TrainConfig, world: World) -> torch.device:
    available = torch.cuda.is_available()
    if config.device == "cuda" and not available:
        raise UserError("device: cuda was asked for and there is none; set device: auto or cpu")
    if not available or config.device == "cpu":
        return torch.device("cpu")
    torch.cuda.set_device(world.local_rank)
    return torch.device("cuda", world.local_rank)
