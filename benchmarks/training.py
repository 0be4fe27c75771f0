"""Tokens a second of the training step and of the loader, on one corpus in one run.

    python -m benchmarks.training RUN [--job jobs/demo/train.yaml] [--steps N] [--threads N]

``RUN`` is the output folder of a finished ``plait run``. Processor seconds stand beside wall seconds, because a busy
machine stretches only the latter. Figures go to ``results/training.json``.
"""

import argparse
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.record import save
from pipelines.files import read_ids
from pipelines.train.config import TrainConfig
from pipelines.train.corpus import open_corpus, read_shard
from pipelines.train.job import load_training
from pipelines.train.loader import Loader
from pipelines.train.loop import Trainer


class Clock:
    """Wall and processor seconds since it was made."""

    def __init__(self) -> None:
        self.wall, self.processor = time.perf_counter(), time.process_time()

    def figures(self, tokens: int) -> dict[str, float]:
        wall, processor = time.perf_counter() - self.wall, time.process_time() - self.processor
        return {
            "tokens": tokens,
            "wall_seconds": round(wall, 3),
            "processor_seconds": round(processor, 3),
            "tokens_per_wall_second": round(tokens / wall),
            "tokens_per_processor_second": round(tokens / processor),
        }


def measure_loader(config: TrainConfig, *, tokens: int) -> dict[str, float]:
    """Packed tokens a second; the shards are decoded before the clock starts."""
    corpus = open_corpus(config.corpus, kinds=config.data.streams, marker_style=config.data.marker_style)
    loader = Loader(
        shards=corpus.shards,
        read=read_shard,
        layout=corpus.layout,
        tokenizer=corpus.tokenizer,
        config=config.data,
        seed=config.seed,
        corpus_fingerprint=corpus.fingerprint,
        exclude_ids=read_ids(config.exclude_ids, option="exclude_ids") or frozenset(),
    )
    next(loader)
    clock, seen = Clock(), 0
    while seen < tokens:
        seen += int((next(loader).documents >= 0).sum())
    return clock.figures(seen)


def measure_step(config: TrainConfig, *, steps: int) -> dict[str, float]:
    """Targets a second of forward, backward and optimizer, on batches made before the clock starts."""
    with tempfile.TemporaryDirectory() as folder:
        corpus = open_corpus(config.corpus, kinds=config.data.streams, marker_style=config.data.marker_style)
        trainer = Trainer(config, corpus, Path(folder))
        batches = [next(trainer.loader) for _ in range(steps + 2)]
        for batch in batches[:2]:
            trainer.step(batch)
        clock = Clock()
        seen = sum(trainer.step(batch)[1] for batch in batches[2:])
        filled = sum(float((batch.documents >= 0).mean()) for batch in batches) / len(batches)
        return {**clock.figures(seen), "parameters": trainer.init.parameters, "rows_filled": round(filled, 4)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="output folder of a finished run")
    parser.add_argument("--job", default="jobs/demo/train.yaml")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    config = load_training(args.job, overrides=[f"corpus={args.run}", "device=cpu"])
    figures = {
        "threads": args.threads,
        "context": config.data.context,
        "rows": config.data.sequences,
        "loader": measure_loader(config, tokens=200_000),
        "step": measure_step(config, steps=args.steps),
    }
    print(save("training", figures))
    for name in ("loader", "step"):
        print(name, figures[name])


if __name__ == "__main__":
    main()
