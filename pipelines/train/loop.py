"""One training: corpus in, exported model out, and what the process owes its surroundings (threads, SIGTERM, ranks)."""

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from pipelines.files import local_path, make_folder
from pipelines.lock import lock
from pipelines.threads import torch_threads
from pipelines.train.checkpoint import writing
from pipelines.train.config import BaseModelConfig, TrainConfig
from pipelines.train.corpus import open_corpus
from pipelines.train.distributed import World, joined_world
from pipelines.train.export import export_model, text_tokenizer_of
from pipelines.train.trainer import LOG_FILE, Say, Trainer
from schemas.errors import UserError

__all__ = ["LOG_FILE", "Say", "Trainer", "train"]


def train(config: TrainConfig, *, say: Say | None = None) -> dict[str, Any]:
    """Train, or go on training, and export the model to ``config.output``; every rank calls it.

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
        config.data,
        tokenizer_path=text_tokenizer_of(Path(config.model.path))
        if isinstance(config.model, BaseModelConfig)
        else None,
    )
    with (
        torch_threads(config.threads),
        _stop_requests() as stopped,
        joined_world() as world,
        _only_writer(config.output, world),
    ):
        trainer = Trainer(config, corpus, folder, world=world)
        finished = trainer.run(say, stopped)
        figures = trainer.figures(finished)
        if finished:
            weights = trainer.whole_weights()
            if world.is_first:
                with writing(folder):
                    export_model(folder, model=trainer.model, weights=weights, about=trainer.about(figures))
            world.wait()
    return figures


@contextmanager
def _only_writer(output: str, world: World) -> Iterator[None]:
    """Hold the folder on the first rank; where another training has it, all ranks raise."""
    with ExitStack() as stack:
        refusal: UserError | None = None
        if world.is_first:
            try:
                stack.enter_context(lock(output))
            except UserError as error:
                refusal = error
        if world.any(refusal is not None):
            raise refusal or UserError(f"output: another run writes {output}")
        yield


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
