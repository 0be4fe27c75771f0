"""Tokens a second of the training step, and of ``transformers.Trainer`` on the same model and the same batches.

    python -m benchmarks.training RUN [--job jobs/demo/train.yaml] [--steps N] [--threads N]

``RUN`` is the output folder of a finished ``plait run``. Processor seconds stand beside wall seconds, because a busy
machine stretches only the latter. Figures go to ``results/training.json``.
``transformers.Trainer`` needs ``pip install accelerate``; without it that figure is left out, and this is said.
On a GPU the share of its peak is given too (``--peak-tflops``).
"""

import argparse
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from benchmarks.record import save
from pipelines.train.config import TrainConfig
from pipelines.train.corpus import open_corpus
from pipelines.train.job import load_training
from pipelines.train.loader import IGNORED, Batch
from pipelines.train.objective import document_mask
from pipelines.train.trainer import Trainer

WARM_UP = 2  # steps before the clock starts


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


def make_trainer(config: TrainConfig, folder: str) -> Trainer:
    corpus = open_corpus(config.corpus, config.data)
    return Trainer(config, corpus, Path(folder))


def measure_step(config: TrainConfig, *, steps: int, peak_tflops: float | None) -> dict[str, float]:
    """Targets a second of forward, backward and optimizer, on batches made before the clock starts."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = make_trainer(config, folder)
        batches = [next(trainer.loader) for _ in range(steps + WARM_UP)]
        for batch in batches[:WARM_UP]:
            trainer.step(batch)
        _finish(trainer.device)
        clock = Clock()
        losses = [trainer.step(batch) for batch in batches[WARM_UP:]]
        _finish(trainer.device)
        figures = clock.figures(sum(count for _, count in losses))
        if peak_tflops is not None:
            figures["model_flop_utilisation"] = utilisation(
                trainer, config, figures["wall_seconds"] / steps, peak_tflops
            )
        filled = sum(float((batch.documents >= 0).mean()) for batch in batches) / len(batches)
        last = losses[-1][0]["loss"]
        return {**figures, "parameters": trainer.init.parameters, "rows_filled": round(filled, 4), "last_loss": last}


def utilisation(trainer: Trainer, config: TrainConfig, seconds_a_step: float, peak_tflops: float) -> float:
    """6 FLOPs a parameter and token, and 12 a layer, channel, token and context position (PaLM, appendix B)."""
    about = trainer.model.config
    matrices = trainer.init.parameters - trainer.model.get_input_embeddings().weight.numel() * (
        not about.tie_word_embeddings
    )
    attention = 12 * about.num_hidden_layers * about.hidden_size * config.data.context
    tokens = config.data.context * config.data.sequences
    return round((6 * matrices + attention) * tokens / seconds_a_step / (peak_tflops * 1e12), 4)


def measure_transformers(config: TrainConfig, *, steps: int) -> dict[str, float] | None:
    """The same model, batches, optimizer and attention masks in ``transformers.Trainer``; None without accelerate."""
    if find_spec("accelerate") is None:
        return None
    import transformers

    with tempfile.TemporaryDirectory() as folder:
        ours = make_trainer(config, folder)
        batches = [next(ours.loader) for _ in range(steps + WARM_UP)]
        clock: list[Clock] = []

        class StartsClock(transformers.TrainerCallback):
            def on_step_begin(self, args, state, control, **kwargs):
                if state.global_step == WARM_UP:
                    clock.append(Clock())

        theirs = transformers.Trainer(
            model=ours.model,
            args=transformers.TrainingArguments(
                output_dir=folder,
                max_steps=len(batches),
                per_device_train_batch_size=1,  # an item is a whole batch
                save_strategy="no",
                logging_strategy="no",
                report_to=[],
                use_cpu=ours.device.type == "cpu",
                bf16=ours.device.type == "cuda",
                max_grad_norm=config.optimizer.clip_norm,
                remove_unused_columns=False,
                disable_tqdm=True,
                lr_scheduler_type="constant",
            ),
            train_dataset=[as_theirs(batch) for batch in batches],
            data_collator=lambda items: items[0],
            optimizers=(ours.optimizer, torch.optim.lr_scheduler.ConstantLR(ours.optimizer, 1.0)),
            callbacks=[StartsClock()],
        )
        theirs._get_train_sampler = lambda *_: torch.utils.data.SequentialSampler(batches)
        theirs.train()
        _finish(ours.device)
        return clock[0].figures(sum(int((batch.targets >= 0).sum()) for batch in batches[WARM_UP:]))


def as_theirs(batch: Batch) -> dict[str, torch.Tensor]:
    """Labels at the token itself, as ``transformers`` shifts them; none at a document's first token."""
    labels = np.full_like(batch.targets, IGNORED)
    labels[:, 1:] = batch.targets[:, :-1]
    return {
        "input_ids": torch.from_numpy(batch.tokens),
        "labels": torch.from_numpy(labels),
        "position_ids": torch.from_numpy(batch.positions),
        "attention_mask": document_mask(torch.from_numpy(batch.documents)),
    }


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="output folder of a finished run")
    parser.add_argument("--job", default="jobs/demo/train.yaml")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--peak-tflops", type=float, help="of the GPU in bfloat16, dense (H100: 989)")
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    config = load_training(args.job, overrides=[f"corpus={args.run}", f"device={args.device}"])
    theirs = measure_transformers(config, steps=args.steps)
    figures = {
        "device": torch.cuda.get_device_name() if config.device == "cuda" else "cpu",
        "threads": args.threads,
        "context": config.data.context,
        "rows": config.data.sequences,
        "step": measure_step(config, steps=args.steps, peak_tflops=args.peak_tflops),
        "transformers_trainer": theirs or "not measured: accelerate is not installed",
    }
    print(save("training", figures))
    for name in ("step", "transformers_trainer"):
        print(name, figures[name])


if __name__ == "__main__":
    main()
