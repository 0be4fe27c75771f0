"""What a run writes down: a line a step in ``log.jsonl``, samples, and TensorBoard events where they are asked for."""

import json
from pathlib import Path
from typing import Any

from pipelines.files import write_text

LOG_FILE = "log.jsonl"
SAMPLES_FILE = "samples.jsonl"
EVENTS_FOLDER = "tensorboard"


class Journal:
    """Goes on at a step: later lines are of a run that was cut off, and are dropped.

    Args:
        writes: False on all ranks but the first.
        tensorboard: Write events too; only they hold wall-clock figures, so equal runs have equal logs.
    """

    def __init__(self, folder: Path, *, step: int, writes: bool, tensorboard: bool) -> None:
        self._files = {}
        self._events: Any = None
        if not writes:
            return
        for name in (LOG_FILE, SAMPLES_FILE):
            path = folder / name
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
            kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
            write_text(str(path), "".join(kept))
            self._files[name] = path.open("a", encoding="utf-8")
        if tensorboard:
            from torch.utils.tensorboard import SummaryWriter

            self._events = SummaryWriter(str(folder / EVENTS_FOLDER), purge_step=step + 1)  # type: ignore[no-untyped-call]

    def write(self, record: dict[str, Any], *, timing: dict[str, float]) -> None:
        """Figures of a step; ``timing`` goes to the events alone."""
        if self._files:
            self._files[LOG_FILE].write(json.dumps(record) + "\n")
        if self._events is not None:
            for name, value in {**record, **timing}.items():
                self._events.add_scalar(name.replace("loss_", "loss/"), value, record["step"])

    def write_sample(self, step: int, *, prompt: str, continuation: str) -> None:
        if self._files:
            sample = {"step": step, "prompt": prompt, "continuation": continuation}
            self._files[SAMPLES_FILE].write(json.dumps(sample, ensure_ascii=False) + "\n")
        if self._events is not None:
            self._events.add_text(prompt, continuation, step)

    def flush(self) -> None:
        for file in self._files.values():
            file.flush()
        if self._events is not None:
            self._events.flush()

    def close(self) -> None:
        for file in self._files.values():
            file.close()
        if self._events is not None:
            self._events.close()
