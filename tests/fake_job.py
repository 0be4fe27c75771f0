"""Work on shards without audio or models, in a module that worker processes can import."""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.engines.protocol import BatchDone, Report
from schemas.errors import UserError
from schemas.records import DeadLetter


@dataclass(frozen=True)
class FakeResult:
    shard: int
    pid: int


@dataclass(frozen=True)
class FakeJob:
    """Notes each time that a process opens it, and drops one record of every odd shard, once a batch."""

    notes: str
    broken: int | None = None
    refused: bool = False
    deadly: int | None = None
    batches: int = 1

    def open(self) -> Callable[[int, Report], FakeResult]:
        if self.refused:
            raise UserError("style.codebook: of another encoder")
        Path(self.notes, f"{os.getpid()}-{os.urandom(4).hex()}").touch()
        return self._work

    def _work(self, shard: int, report: Report) -> FakeResult:
        if shard == self.broken:
            raise UserError(f"shard {shard} names no audio")
        if shard == self.deadly:
            os.kill(os.getpid(), signal.SIGSEGV)
        for _ in range(self.batches):
            report(BatchDone(shard, records=3, samples=48_000, failed=shard % 2, seconds={"decode": 0.25}))
        return FakeResult(shard, os.getpid())

    def dead_letters(self, shard: int) -> Sequence[DeadLetter]:
        return [DeadLetter(f"u{shard}", "decode", "empty_audio", "no samples", "filtered", "a.wav")] * (shard % 2)

    def name_of(self, shard: int) -> str:
        return f"shard-{shard}"


@dataclass(frozen=True)
class FakePart:
    shard: int
    index: int
    count: int
    done: BatchDone


@dataclass(frozen=True)
class FakeStagedJob:
    """Batches that note the stages that they passed."""

    stage_names: tuple[str, ...] = ("decode", "align", "units", "pitch", "style")
    deadly: int | None = None

    def open(self) -> Callable[[int, Report], tuple[int, int]]:
        raise AssertionError("an engine that moves batches opens stages")

    def dead_letters(self, shard: int) -> Sequence[DeadLetter]:
        return ()

    def name_of(self, shard: int) -> str:
        return f"shard-{shard}"

    def batches(self, shard: int) -> Iterator[tuple[int, int, tuple[str, ...]]]:
        return iter([(shard, index, ()) for index in range(2)])

    def open_stages(self, names: Sequence[str]) -> Callable[[Any], Any]:
        def step(batch: Any) -> Any:
            if batch[0] == self.deadly:
                os.kill(os.getpid(), signal.SIGSEGV)
            return (batch[0], batch[1], (*batch[2], *names))

        return step

    def write_part(self, batch: Any) -> FakePart:
        shard, index, passed = batch
        assert passed == self.stage_names
        return FakePart(shard, index, 2, BatchDone(shard, records=1, samples=0, failed=0))

    def assemble(self, shard: int, parts: Sequence[FakePart]) -> tuple[int, int]:
        return shard, len(parts)
