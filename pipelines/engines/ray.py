"""Ray Data: batches flow through pools of actors that hold the stages' models.

Neighbouring stages that ask for the same resources share a pool; a stage with resources of its own gets its own::

    shards ─> read (tasks) ─> [decode align] x 16 ─> [units] x 4, a quarter of a GPU each ─> [pitch style] x 8 ─> parts

Ray Data holds the flow back where a pool is slower than the one before it. The last pool writes parts; a shard whose
parts are all there is assembled by a task and committed, so it doesn't wait for the rest of the corpus.
"""

import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import cloudpickle
import numpy as np

from pipelines.engines.protocol import BatchDone, Part, R, Report, ShardJob, StagedJob
from pipelines.engines.worker import own_error
from schemas.errors import EngineError, UserError

TASK_CPUS = 0.25  # of a task that reads rows or assembles a shard: mostly waiting for a disk
ASSEMBLY_TRIES = 5


@dataclass(frozen=True, slots=True)
class Resources:
    """What a pool of actors asks for: ``num_cpus`` and ``num_gpus`` are an actor's."""

    workers: int
    num_cpus: float
    num_gpus: float


@dataclass(frozen=True, slots=True)
class RayEngine:
    """A Ray cluster (``address``), or a Ray of its own on this machine.

    Args:
        resources: Of every stage that ``stages`` does not name. ``num_cpus`` below 1 leaves room for Ray's own tasks
            on a small machine: an actor pool that takes every CPU starves the tasks that feed it, and hangs.
        start_timeout_s: How long a cluster may take to grow to what is asked for.
    """

    resources: Resources
    address: str | None = None
    stages: Mapping[str, Resources] = field(default_factory=dict)
    start_timeout_s: float = 60.0

    def run(self, job: ShardJob[R], shards: Sequence[int], report: Report) -> Iterator[R]:
        if not shards:
            return
        with _Session(self, [("shards", self.resources)]) as ray:
            rows = _shard_rows(ray, shards)
            pool = _pool(ray, self.resources, len(shards))
            flow = rows.map_batches(_ShardActor, fn_constructor_args=(job,), batch_size=1, **pool)
            for row in _results(flow):
                done, result = cloudpickle.loads(row["packed"])
                for batch in done:
                    report(batch)
                yield result

    def run_stages(self, job: StagedJob[R], shards: Sequence[int], report: Report) -> Iterator[R]:
        if not shards:
            return
        unknown = set(self.stages) - set(job.stage_names)
        if unknown:
            raise UserError(
                f"engine.stages: this job has no stage {min(unknown)!r} (it has: {', '.join(job.stage_names)})"
            )
        pools = pools_of(job.stage_names, self.resources, self.stages)
        with _Session(self, [("+".join(names), resources) for names, resources in pools]) as ray:
            flow = _shard_rows(ray, shards).map_batches(
                _Read, fn_constructor_args=(job,), batch_size=1, **_pool(ray, Resources(1, TASK_CPUS, 0), 1)
            )
            for place, (names, resources) in enumerate(pools):
                flow = flow.map_batches(
                    _StageActor,
                    fn_constructor_args=(job, names, place == len(pools) - 1),
                    batch_size=1,
                    **_pool(ray, resources, len(shards)),
                )
            yield from _assembled(ray, job, flow, report)


def pools_of(
    stage_names: Sequence[str], default: Resources, stages: Mapping[str, Resources]
) -> list[tuple[tuple[str, ...], Resources]]:
    """Neighbouring stages with equal resources, together."""
    wanted = [(name, stages.get(name, default)) for name in stage_names]
    return [(tuple(name for name, _ in group), key) for key, group in groupby(wanted, key=lambda pair: pair[1])]


def _shard_rows(ray: Any, shards: Sequence[int]) -> Any:
    return ray.data.from_items([{"shard": shard} for shard in shards], override_num_blocks=len(shards))


def _pool(ray: Any, resources: Resources, most: int) -> dict[str, Any]:
    size = min(resources.workers, most)
    strategy = ray.data.ActorPoolStrategy(min_size=1, max_size=size, initial_size=size)
    return {"compute": strategy, "num_cpus": resources.num_cpus, "num_gpus": resources.num_gpus}


def _pack(value: object) -> dict[str, Any]:
    return {"packed": np.array([cloudpickle.dumps(value)], dtype=object)}


class _ShardActor:
    """Opens the job once, then works on one shard a call."""

    def __init__(self, job: ShardJob[Any]) -> None:
        self.work = job.open()

    def __call__(self, rows: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for shard in rows["shard"]:
            done: list[BatchDone] = []
            yield _pack((done, self.work(int(shard), done.append)))


class _Read:
    """Cuts a shard's rows into batches."""

    def __init__(self, job: StagedJob[Any]) -> None:
        self.job = job

    def __call__(self, rows: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for shard in rows["shard"]:
            yield from map(_pack, self.job.batches(int(shard)))


class _StageActor:
    """Opens some neighbouring stages once; a batch comes in and goes out, or at the end its part."""

    def __init__(self, job: StagedJob[Any], names: Sequence[str], last: bool) -> None:
        self.job, self.last = job, last
        self.step = job.open_stages(names)

    def __call__(self, rows: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for packed in rows["packed"]:
            batch = self.step(cloudpickle.loads(packed))
            yield _pack(self.job.write_part(batch) if self.last else batch)


def _results(flow: Any) -> Iterator[dict[str, Any]]:
    """Rows of a flow; an error of ours comes out as itself, whatever Ray wrapped it in.

    Raises:
        EngineError: Ray gave up.
    """
    from ray.exceptions import RayError

    try:
        yield from flow.iter_rows()
    except (RayError, RuntimeError) as error:
        raise own_error(error, engine="ray") from error


def _assembled(ray: Any, job: StagedJob[R], flow: Any, report: Report) -> Iterator[R]:
    from ray.exceptions import RayError

    assemble = ray.remote(num_cpus=TASK_CPUS, max_retries=ASSEMBLY_TRIES)(_assemble)
    shared = ray.put(job)
    waiting: dict[int, dict[int, Part]] = {}
    pending: list[Any] = []
    for row in _results(flow):
        part: Part = cloudpickle.loads(row["packed"])
        report(part.done)
        parts = waiting.setdefault(part.shard, {})
        parts[part.index] = part
        if len(parts) == part.count:
            del waiting[part.shard]
            pending.append(assemble.remote(shared, part.shard, [parts[index] for index in sorted(parts)]))
        done, pending = ray.wait(pending, num_returns=len(pending), timeout=0) if pending else ([], [])
        yield from map(ray.get, done)
    while pending:
        done, pending = ray.wait(pending, num_returns=1)
        try:
            results = ray.get(done)
        except RayError as error:
            raise own_error(error, engine="ray") from error
        yield from results
    if waiting:
        raise EngineError(f"ray: parts of {len(waiting)} shards are missing; what is finished is kept, run again")


def _assemble(job: StagedJob[R], shard: int, parts: Sequence[Part]) -> R:
    return job.assemble(shard, parts)


class _Session:
    """Ray while a job runs: connected to, or started here and stopped afterwards."""

    def __init__(self, engine: RayEngine, pools: Sequence[tuple[str, Resources]]) -> None:
        self._engine, self._pools = engine, pools
        self._started = False

    def __enter__(self) -> Any:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        # the meter tells how it goes; Ray's own lines would tear it
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
        import ray
        import ray.data

        for name in ("ray", "ray.data"):
            logging.getLogger(name).setLevel(logging.ERROR)
        if not ray.is_initialized():
            self._started = True
            address = self._engine.address
            cpus = sum(pool.workers * pool.num_cpus for _, pool in self._pools) + 4 * TASK_CPUS
            try:
                ray.init(
                    address=address,
                    include_dashboard=False if address is None else None,
                    log_to_driver=False,
                    logging_level="error",
                    **({"num_cpus": max(os.cpu_count() or 1, int(cpus + 1))} if address is None else {}),
                )
            except (ConnectionError, RuntimeError, ValueError) as error:
                raise UserError(f"engine.address: no Ray cluster at {address}: {str(error).splitlines()[0]}") from error
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        try:
            self._require(ray)
        except BaseException:
            self.__exit__()
            raise
        return ray

    def __exit__(self, *_: object) -> None:
        if self._started:
            import ray

            ray.shutdown()

    def _require(self, ray: Any) -> None:
        """Wait until an actor of every pool fits beside the tasks; ask the autoscaler for what is missing.

        Raises:
            UserError: The cluster did not grow to it in time.
        """
        need = {
            "CPU": sum(pool.num_cpus for _, pool in self._pools) + 2 * TASK_CPUS,
            "GPU": sum(pool.num_gpus for _, pool in self._pools),
        }
        deadline = time.monotonic() + self._engine.start_timeout_s
        asked = False
        while True:
            have = ray.cluster_resources()
            short = [name for name, amount in need.items() if amount > have.get(name, 0.0)]
            if not short:
                return
            if self._engine.address is None or time.monotonic() > deadline:
                break
            if not asked:
                from ray.autoscaler.sdk import request_resources

                bundles = [{"CPU": p.num_cpus, "GPU": p.num_gpus} for _, p in self._pools for _ in range(p.workers)]
                request_resources(bundles=[{k: v for k, v in bundle.items() if v} for bundle in bundles])
                asked = True
            time.sleep(1.0)
        name = short[0]
        asking = ", ".join(
            f"{label} {getattr(pool, f'num_{name.lower()}s'):g}"
            for label, pool in self._pools
            if getattr(pool, f"num_{name.lower()}s")
        )
        raise UserError(
            f"engine: one worker of each stage needs {need[name]:g} {name}s together ({asking}), the Ray cluster has "
            f"{have.get(name, 0.0):g}; add nodes, or lower engine.num_{name.lower()}s or engine.stages"
        )
