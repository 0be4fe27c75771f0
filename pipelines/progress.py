"""Long work shown as it goes: a bar on a terminal, plain lines on a pipe."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

LINE_EVERY_S = 10.0


def speaks() -> bool:
    """Whether this process tells how the work goes: a launcher's further ranks work without a word."""
    return os.environ.get("RANK", "0") == "0"


class Meter(Protocol):
    def __call__(self, done: float, note: str = "") -> None:
        """Say how much is done so far, and a few words on how it goes."""
        ...


@contextmanager
def meter(title: str, *, total: float, unit: str) -> Iterator[Meter]:
    """A meter of work of a known size."""
    if sys.stdout.isatty():
        columns = (
            TextColumn("{task.description:<12}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f} {task.fields[unit]}"),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*columns, console=Console()) as progress:
            task = progress.add_task(title, total=total, unit=unit, rate="", note="")
            began = time.monotonic()

            def update(done: float, note: str = "") -> None:
                rate = f"{done / max(time.monotonic() - began, 1e-9):.1f} {unit}/s"
                progress.update(task, completed=done, rate=rate, note=note)

            yield update
        return

    began = last = time.monotonic()
    shown: tuple[float, str] | None = None

    def line(done: float, note: str = "") -> None:
        nonlocal last, shown
        now = time.monotonic()
        if (done < total and now - last < LINE_EVERY_S) or (done, note) == shown:
            return
        last, shown = now, (done, note)
        rate = done / max(now - began, 1e-9)
        left = f", {(total - done) / rate:.0f} s left" if 0 < done < total else ""
        print(
            f"{title}: {done:.0f}/{total:.0f} {unit}, {rate:.1f} {unit}/s{left}{'  ' + note if note else ''}",
            flush=True,
        )

    yield line
