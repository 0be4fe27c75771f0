"""This machine: in this process, or in a pool of worker processes."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.queues import SimpleQueue
from typing import Any

from pipelines.engines.protocol import BatchDone, R, Report, ShardJob, StagedJob
from pipelines.engines.worker import end_with_parent
from schemas.errors import EngineError, UserError

POLL_S = 0.5

_run: Callable[[int, Report], Any]
_report: Report
_refused: UserError | None = None


def _open(job: ShardJob[Any], reports: "SimpleQueue[BatchDone]") -> None:
    global _run, _report, _refused
    end_with_parent()
    _report = reports.put
    try:
        _run = job.open()
    except UserError as error:
        _refused = error  # raised here it would break the pool, and its line would be lost


def _work(shard: int) -> Any:
    if _refused is not None:
        raise _refused
    return _run(shard, _report)


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
        # spawn: a forked torch may deadlock
        context = multiprocessing.get_context("spawn")
        reports: SimpleQueue[BatchDone] = context.SimpleQueue()
        size = min(self.workers, len(shards))
        pool = ProcessPoolExecutor(size, mp_context=context, initializer=_open, initargs=(job, reports))
        try:
            waiting = list(reversed(shards))
            running: set[Future[R]] = set()
            while waiting or running:
                while waiting and len(running) < 2 * size:
                    running.add(pool.submit(_work, waiting.pop()))
                finished, running = wait(running, timeout=POLL_S, return_when=FIRST_COMPLETED)
                while not reports.empty():
                    report(reports.get())
                for future in finished:
                    yield future.result()
        except BrokenProcessPool as error:
            raise EngineError(
                "a worker process died (out of memory, or killed); what is finished is kept, run again to resume"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
