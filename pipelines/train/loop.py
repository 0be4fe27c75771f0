"""The training loop: plain PyTorch, resumable to the bit on a CPU.

A step's loss is the sum over all its micro-batches divided by the number of targets in all of them. Nothing is drawn
at random after the weights: with the loader's state saved, a resumed run repeats the uninterrupted one.
"""

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipelines.files import local_path, make_folder, read_ids, write_text
from pipelines.train import checkpoint
from pipelines.train.config import BaseModelConfig, TrainConfig
from pipelines.train.corpus import TrainingCorpus, open_corpus, read_shard
from pipelines.train.export import export_model
from pipelines.train.loader import Batch, Loader
from pipelines.train.model import InitRecord, build_model
from pipelines.train.objective import LOSS_KINDS, kind_of_ids, loss_sums
from pipelines.train.schedule import learning_rate, make_optimizer
from schemas.errors import UserError
from schemas.manifest import dump_json
from transforms.backend import digest_json

Say = Callable[[int, int, float, float], None]  # step, total, loss, tokens a second
LOG_FILE = "log.jsonl"
_SETTINGS_FREE_TO_CHANGE = {"output", "corpus", "checkpoint_every", "keep_checkpoints", "threads", "device", "compile"}
_TAIL_STEPS = 20  # final losses are means over so many last steps


@dataclass(slots=True)
class Progress:
    """Sums over the whole run, over all its sessions."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    loader_seconds: float = 0.0


def train(config: TrainConfig, *, say: Say | None = None) -> dict[str, Any]:
    """Train, or go on training, and export the model to ``config.output``.

    Returns:
        Figures of the run; ``finished`` is False where SIGTERM stopped it after a checkpoint, and then nothing is
        exported.

    Raises:
        UserError: Corpus, settings or output don't fit.
    """
    folder = local_path(config.output)
    if folder is None:
        raise UserError(f"output: {config.output} is no local folder; train to a local one and copy it")
    make_folder(config.output)
    corpus = open_corpus(
        config.corpus,
        kinds=config.data.streams,
        marker_style=config.data.marker_style,
        tokenizer_path=Path(config.model.path) if isinstance(config.model, BaseModelConfig) else None,
    )
    with _threads(config.threads), _stop_requests() as stopped:
        trainer = Trainer(config, corpus, folder)
        finished = trainer.run(say, stopped)
        figures = trainer.figures(finished)
        if finished:
            export_model(
                folder,
                model=trainer.model,
                corpus=corpus,
                context=config.data.context,
                training={"config": config.model_dump(mode="json"), **figures},
            )
    return figures


class Trainer:
    """Model, optimizer and loader at one step of a run."""

    def __init__(self, config: TrainConfig, corpus: TrainingCorpus, folder: Path) -> None:
        self.config, self.corpus, self.folder = config, corpus, folder
        self.device = _device(config)
        text = corpus.tokenizer
        self.model, self.init = build_model(
            config.model,
            layout=corpus.layout,
            context=config.data.context,
            bos=text.bos_id,
            eos=text.eos_id,
            seed=config.seed,
        )
        self.model.to(self.device).train()
        self.forward = torch.compile(self.model) if config.compile else self.model
        self.optimizer = make_optimizer(self.model, config.optimizer)
        self.kinds_V = kind_of_ids(corpus.layout, rows=self.init.rows, bos=text.bos_id, eos=text.eos_id).to(self.device)
        self.loader = Loader(
            shards=corpus.shards,
            read=read_shard,
            layout=corpus.layout,
            tokenizer=text,
            config=config.data,
            seed=config.seed,
            corpus_fingerprint=corpus.fingerprint,
            exclude_ids=read_ids(config.exclude_ids, option="exclude_ids") or frozenset(),
        )
        self.progress = Progress()
        self._resume()

    @property
    def settings_fingerprint(self) -> str:
        """Digest of the settings that decide the losses; ``steps`` is one where the schedule looks at it."""
        free = _SETTINGS_FREE_TO_CHANGE | ({"steps"} if self.config.optimizer.schedule == "constant" else set())
        return digest_json(self.config.model_dump(mode="json", exclude=free))

    def _resume(self) -> None:
        checkpoints = self.folder / "checkpoints"
        checkpoint.clear_partials(checkpoints)
        last = checkpoint.latest(checkpoints)
        if last is not None:
            state = checkpoint.restore(last, model=self.model, optimizer=self.optimizer, device=self.device)
            if state["settings"] != self.settings_fingerprint:
                raise UserError(
                    f"output: {self.folder} holds a run with other settings (config.json in it); "
                    "choose another output, or delete its checkpoints"
                )
            self.loader.load_state_dict(state["loader"])
            self.progress = Progress(**state["progress"])
        write_text(str(self.folder / "train.json"), dump_json(self.config.model_dump(mode="json")))
        log = self.folder / LOG_FILE
        lines = log.read_text(encoding="utf-8").splitlines(keepends=True) if log.exists() else []
        log.write_text("".join(lines[: self.progress.step]), encoding="utf-8")

    def save(self) -> None:
        state = {
            "step": self.progress.step,
            "settings": self.settings_fingerprint,
            "loader": self.loader.state_dict(),
            "progress": asdict(self.progress),
        }
        checkpoint.save(
            self.folder / "checkpoints",
            model=self.model,
            optimizer=self.optimizer,
            state=state,
            keep=self.config.keep_checkpoints,
        )

    def run(self, say: Say | None, stopped: threading.Event) -> bool:
        """Go on to the last step; False where a stop was asked for before."""
        config, progress = self.config, self.progress
        with (self.folder / LOG_FILE).open("a", encoding="utf-8") as log:
            while progress.step < config.steps and not stopped.is_set():
                began = time.perf_counter()
                batch = next(self.loader)
                loaded = time.perf_counter()
                losses, tokens = self.step(batch)
                ended = time.perf_counter()
                progress.step += 1
                progress.tokens += tokens
                progress.seconds += ended - began
                progress.loader_seconds += loaded - began
                log.write(json.dumps({"step": progress.step, "tokens": progress.tokens, **losses}) + "\n")
                if progress.step % config.checkpoint_every == 0:
                    log.flush()
                    self.save()
                if say is not None:
                    say(progress.step, config.steps, losses["loss"], progress.tokens / progress.seconds)
        self.save()
        return progress.step >= config.steps

    def step(self, batch: Batch) -> tuple[dict[str, float], int]:
        """One optimizer step; returns losses by kind with rate and gradient norm, and the number of targets."""
        parts = _micro_batches(batch, self.config.data.micro_batches)
        total = int((batch.targets >= 0).sum())
        rate = learning_rate(self.progress.step, steps=self.config.steps, config=self.config.optimizer)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        sums = torch.zeros(len(LOSS_KINDS), device=self.device)
        counts = torch.zeros(len(LOSS_KINDS), device=self.device)
        for part in parts:
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self._half):
                loss, part_sums, part_counts = loss_sums(self.forward, part, kinds_V=self.kinds_V, device=self.device)
            (loss / total).backward()  # type: ignore[no-untyped-call]
            sums += part_sums
            counts += part_counts
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.optimizer.clip_norm)
        self.optimizer.step()
        losses = {"loss": float(sums.sum()) / total}
        for kind, kind_sum, kind_count in zip(LOSS_KINDS, sums.tolist(), counts.tolist(), strict=True):
            if kind_count:
                losses[f"loss_{kind}"] = kind_sum / kind_count
        return {**losses, "learning_rate": rate, "gradient_norm": float(norm)}, total

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
        return {
            "finished": finished,
            "steps": progress.step,
            **{name: float(np.mean(values)) for name, values in tail.items() if values},
            "first_loss": records[0]["loss"] if records else None,
            "tokens": progress.tokens,
            "tokens_by_source": self.loader.tokens,
            "epochs_by_source": self.loader.epochs,
            "seconds": progress.seconds,
            "tokens_per_s": progress.tokens / progress.seconds if progress.seconds else 0.0,
            "loader_share": progress.loader_seconds / progress.seconds if progress.seconds else 0.0,
            "seed": self.config.seed,
            "corpus_fingerprint": self.corpus.fingerprint,
            "device": self.device.type,
            **_init_figures(init),
        }


def _init_figures(init: InitRecord) -> dict[str, Any]:
    return {
        "parameters": init.parameters,
        "embedding_rows": init.rows,
        "first_new_row": init.first_new_row,
        "new_rows_rule": init.rule,
    }


def _micro_batches(batch: Batch, count: int) -> list[Batch]:
    parts = (np.split(array, count) for array in (batch.tokens, batch.targets, batch.positions, batch.documents))
    return [Batch(*arrays) for arrays in zip(*parts, strict=True)]


def _device(config: TrainConfig) -> torch.device:
    available = torch.cuda.is_available()
    if config.device == "cuda" and not available:
        raise UserError("device: cuda was asked for and there is none; set device: auto or cpu")
    return torch.device("cuda" if available and config.device != "cpu" else "cpu")


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    try:
        if count is not None:
            torch.set_num_threads(count)
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _stop_requests() -> Iterator[threading.Event]:
    """An event that SIGTERM sets; signals reach the main thread only, elsewhere it stays unset."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return
    before = signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGTERM, before)
