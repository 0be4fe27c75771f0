"""Ray Data: shards are rows, and a pool of actors holds the stages' models."""

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cloudpickle
import numpy as np

from pipelines.engines.protocol import R, ShardJob


class ShardActor:
    """Opens the job once, then works on one shard a call."""

    def __init__(self, job: ShardJob[Any]) -> None:
        self.work = job.open()

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        return {"result": np.array([cloudpickle.dumps(self.work(int(s))) for s in batch["shard"]], dtype=object)}


@dataclass(frozen=True, slots=True)
class RayEngine:
    """``workers`` actors of ``num_cpus`` and ``num_gpus`` each.

    ``num_cpus`` below 1 leaves room for Ray's own tasks on a small machine: an actor pool that takes every CPU
    starves the read task and hangs.
    """

    workers: int
    address: str | None = None
    num_cpus: float = 0.5
    num_gpus: float = 0.0

    def run(self, job: ShardJob[R], shards: Sequence[int]) -> Iterator[R]:
        if not shards:
            return
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        # the meter tells how it goes; Ray's own lines would tear it
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
        import ray
        import ray.data

        for name in ("ray", "ray.data"):
            logging.getLogger(name).setLevel(logging.ERROR)

        started_here = not ray.is_initialized()
        if started_here:
            ray.init(
                address=self.address,
                include_dashboard=False,
                log_to_driver=False,
                logging_level="error",
                **({} if self.address else {"num_cpus": max(os.cpu_count() or 1, self.workers + 1)}),
            )
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        try:
            rows = ray.data.from_items([{"shard": shard} for shard in shards], override_num_blocks=len(shards))
            results = rows.map_batches(
                ShardActor,
                fn_constructor_args=(job,),
                batch_size=1,
                compute=ray.data.ActorPoolStrategy(size=min(self.workers, len(shards))),
                num_cpus=self.num_cpus,
                num_gpus=self.num_gpus,
            )
            for row in results.iter_rows():
                yield cloudpickle.loads(row["result"])
        finally:
            if started_here:
                ray.shutdown()
