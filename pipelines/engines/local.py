"""This machine: in this process, or in a pool of worker processes."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any

from pipelines.engines.protocol import R, ShardJob
from schemas.errors import EngineError

_run: Callable[[int], Any]


def _open(job: ShardJob[Any]) -> None:
    global _run
    _run = job.open()


def _work(shard: int) -> Any:
    return _run(shard)


def limit_threads() -> None:
    """One thread a worker: processes use the cores, and sums have one order whatever the machine."""
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    torch.set_num_threads(1)


@dataclass(frozen=True, slots=True)
class LocalEngine:
    """``workers`` processes, each with the stages' models in memory; 1 runs in this process."""

    workers: int

    def run(self, job: ShardJob[R], shards: Sequence[int]) -> Iterator[R]:
        if self.workers == 1 or len(shards) <= 1:
            work = job.open()
            yield from (work(shard) for shard in shards)
            return
        # spawn: a forked torch may deadlock
        context = multiprocessing.get_context("spawn")
        size = min(self.workers, len(shards))
        pool = ProcessPoolExecutor(size, mp_context=context, initializer=_open, initargs=(job,))
        try:
            waiting = list(reversed(shards))
            running: set[Future[R]] = set()
            while waiting or running:
                while waiting and len(running) < 2 * size:
                    running.add(pool.submit(_work, waiting.pop()))
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    yield future.result()
        except BrokenProcessPool as error:
            raise EngineError(
                "a worker process died (out of memory, or killed); what is finished is kept, run again to resume"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
