"""This machine: in this process, or in worker processes.

Each worker has a pipe of its own: shard numbers go in, signs of life and results come out. So the driver knows who
works on what, and a worker that nobody listens to any more ends with the batch that it is at.
"""

import multiprocessing
import pickle
import signal
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext
from typing import Any

from pipelines.engines.protocol import BatchDone, R, Report, ShardJob, StagedJob
from pipelines.engines.worker import end_with_parent
from schemas.errors import EngineError, UserError


@dataclass(frozen=True, slots=True)
class LocalEngine:
    """``workers`` processes, each with the stages' models in memory; 1 runs in this process."""

    workers: int

    def run_stages(self, job: StagedJob[R], shards: Sequence[int], report: Report) -> Iterator[R]:
        return self.run(job, shards, report)

    def run(self, job: ShardJob[R], shards: Sequence[int], report: Report) -> Iterator[R]:
        if self.workers == 1 or len(shards) <= 1:
            work = job.open()
            yield from (work(shard, report) for shard in shards)
            return
        waiting = list(reversed(shards))
        # spawn: a forked torch may deadlock
        context = multiprocessing.get_context("spawn")
        workers = [_Worker(context, job) for _ in range(min(self.workers, len(shards)))]
        try:
            for worker in workers:
                worker.give(waiting.pop())
            busy = {worker.pipe: worker for worker in workers}
            while busy:
                for pipe in wait(list(busy)):
                    worker = busy[pipe]  # type: ignore[index]
                    said = worker.hear(job)
                    if isinstance(said, BatchDone):
                        report(said)
                        continue
                    if waiting:
                        worker.give(waiting.pop())
                    else:
                        del busy[worker.pipe]
                    yield said.value
        finally:
            for worker in workers:
                worker.pipe.close()
            for worker in workers:
                worker.process.join()


@dataclass(frozen=True, slots=True)
class _Result:
    value: Any


@dataclass(frozen=True, slots=True)
class _Raised:
    error: Exception


class _Worker:
    def __init__(self, context: SpawnContext, job: ShardJob[Any]) -> None:
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(job, theirs), name="plait-worker")
        self.process.start()
        theirs.close()  # with its process the pipe's other end is gone
        self._shard = -1

    def give(self, shard: int) -> None:
        """Never blocks: a worker that died before is told of by ``hear``."""
        self._shard = shard
        try:
            self.pipe.send(shard)
        except ConnectionError:
            return

    def hear(self, job: ShardJob[Any]) -> BatchDone | _Result:
        """Raises what the worker raised, or EngineError where it died."""
        try:
            said: BatchDone | _Result | _Raised = self.pipe.recv()
        except (EOFError, OSError) as error:  # also in the middle of a message
            self.process.join()
            raise EngineError(
                f"a worker process died at {job.name_of(self._shard)} ({_cause(self.process.exitcode or 0)}); what is "
                "finished is kept, run again to resume"
            ) from error
        if isinstance(said, _Raised):
            raise said.error
        return said


def _cause(exit_code: int) -> str:
    if exit_code >= 0:
        return f"exit code {exit_code}"
    name = signal.Signals(-exit_code).name
    return f"{name}: out of memory, or killed" if name == "SIGKILL" else name


class _StoppedError(BaseException):
    """Nobody listens any more; no stage may take it for trouble of its own."""


def _serve(job: ShardJob[Any], pipe: Connection) -> None:
    end_with_parent()

    def tell(message: BatchDone | _Result | _Raised) -> None:
        try:
            pipe.send(message)
        except ConnectionError as error:
            raise _StoppedError from error

    def shards() -> Iterator[int]:
        while True:
            try:
                yield pipe.recv()
            except (EOFError, ConnectionError):
                return

    try:
        try:
            work = job.open()
            for shard in shards():
                tell(_Result(work(shard, tell)))
        except Exception as error:
            tell(_Raised(_portable(error)))
    except (_StoppedError, KeyboardInterrupt):
        return  # Ctrl-C comes to the driver too, which tells of it


def _portable(error: Exception) -> Exception:
    """One of ours says all; a bug has its traceback as a note, and may be of a kind that survives no pipe."""
    if isinstance(error, UserError | EngineError):
        return error
    told = "".join(traceback.format_exception(error))
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 (our own)
    except Exception:
        return RuntimeError(told)
    error.add_note(told)
    return error
