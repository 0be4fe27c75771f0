"""Ray Data: batches flow through pools of actors that hold the stages' models.

Neighbouring stages that ask for the same resources share a pool; a stage with resources of its own gets its own::

    shards ─> read (tasks) ─> [decode align] x 16 ─> [units] x 4, a quarter of a GPU each ─> [pitch style] x 8 ─> parts

Ray Data holds the flow back where a pool is slower than the one before it. The last pool writes parts; a shard whose
parts are all there is assembled by a task and committed, so it doesn't wait for the rest of the corpus.
"""

import logging
import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import cloudpickle
import numpy as np

from pipelines.engines.placement import Resources, place, shortage
from pipelines.engines.protocol import BatchDone, Part, R, Report, ShardJob, StagedJob
from pipelines.engines.ray_watcher import watched
from pipelines.engines.worker import own_error
from schemas.errors import EngineError, UserError

TASK_CPUS = 0.25  # of a task that reads rows or assembles a shard: mostly waiting for a disk
CONNECT_S = 10.0
ASSEMBLY_TRIES = 5
DEATHS_A_BATCH = 4  # of the actor that works on it: Ray Data itself would try for ever


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
        with _Session(self, [("shards", self.resources)]) as (ray, initial):
            rows = _shard_rows(ray, shards)
            pool = _pool(ray, self.resources, len(shards), initial[0])
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
        with _Session(self, [("+".join(names), resources) for names, resources in pools]) as (ray, initial):
            flow = _shard_rows(ray, shards).map_batches(
                _Read, fn_constructor_args=(job,), batch_size=1, **_pool(ray, Resources(1, TASK_CPUS, 0), 1, 1)
            )
            for number, (names, resources) in enumerate(pools):
                flow = flow.map_batches(
                    _StageActor,
                    fn_constructor_args=(job, names, number == len(pools) - 1),
                    batch_size=1,
                    **_pool(ray, resources, len(shards), initial[number]),
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


def _pool(ray: Any, resources: Resources, most: int, initial: int) -> dict[str, Any]:
    """A pool starts with what fits now, so that none keeps another from its first actor, and may grow later."""
    size = min(resources.workers, most)
    strategy = ray.data.ActorPoolStrategy(min_size=1, max_size=size, initial_size=min(initial, size))
    bounds = {"max_restarts": -1, "max_task_retries": DEATHS_A_BATCH - 1}
    return {"compute": strategy, "num_cpus": resources.num_cpus, "num_gpus": resources.num_gpus, **bounds}


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


def _fetched(ray: Any, done: list[Any]) -> list[Any]:
    try:
        return list(ray.get(done))
    except ray.exceptions.RayError as error:
        raise own_error(error, engine="ray") from error


def _assembled(ray: Any, job: StagedJob[R], flow: Any, report: Report) -> Iterator[R]:
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
        yield from _fetched(ray, done)
    while pending:
        done, pending = ray.wait(pending, num_returns=1)
        yield from _fetched(ray, done)
    if waiting:
        raise EngineError(f"ray: parts of {len(waiting)} shards are missing; what is finished is kept, run again")


def _assemble(job: StagedJob[R], shard: int, parts: Sequence[Part]) -> R:
    return job.assemble(shard, parts)


class _Session:
    """Ray while a job runs: connected to, or started here and stopped afterwards."""

    def __init__(self, engine: RayEngine, pools: Sequence[tuple[str, Resources]]) -> None:
        self._engine, self._pools = engine, pools
        self._exits = ExitStack()
        self._asked = False

    def __enter__(self) -> tuple[Any, list[int]]:
        """Ray, and how many workers of each pool to start with."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        # the meter tells how it goes; Ray's own lines would tear it
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
        import ray
        import ray.data

        for name in ("ray", "ray.data"):
            logging.getLogger(name).setLevel(logging.ERROR)
        with ExitStack() as exits:
            if not ray.is_initialized():
                if self._address is None:
                    exits.enter_context(watched())
                self._connect(ray)
                exits.callback(ray.shutdown)
            exits.callback(self._ask_no_more)
            ray.data.DataContext.get_current().enable_progress_bars = False
            placed = self._place(ray)
            self._exits = exits.pop_all()
        return ray, placed

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    def _connect(self, ray: Any) -> None:
        """Raises UserError where nobody answers at the address, or the cluster refuses."""
        address = self._address
        if address is None:
            cpus = sum(pool.workers * pool.num_cpus for _, pool in self._pools) + 4 * TASK_CPUS
            ray.init(
                num_cpus=max(os.cpu_count() or 1, int(cpus + 1)),
                include_dashboard=False,
                log_to_driver=False,
                logging_level="error",
            )
            return
        where = f"engine.address: no Ray cluster at {address}"
        host, separator, port = address.removeprefix("ray://").rpartition(":")
        if separator and port.isdigit():
            try:  # Ray itself would try for minutes
                socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_S).close()
            except OSError as error:
                raise UserError(f"{where}: {error.strerror or error}; start one with `ray start --head`") from error
        try:
            ray.init(address=address, log_to_driver=False, logging_level="error")
        except (ray.exceptions.RayError, ConnectionError, RuntimeError, ValueError) as error:
            if "AuthenticationError" in f"{type(error).__name__} {error}":
                raise UserError(
                    f"engine.address: the Ray cluster at {address} wants a token; set RAY_AUTH_MODE=token and "
                    "RAY_AUTH_TOKEN as on its head node"
                ) from error
            raise UserError(f"{where}: {str(error).strip().splitlines()[0]}") from error

    @property
    def _address(self) -> str | None:
        # `ray job submit` tells a job of its cluster in this way
        return self._engine.address or os.environ.get("RAY_ADDRESS")

    def _ask_no_more(self) -> None:
        if self._asked:
            from ray.autoscaler.sdk import request_resources

            request_resources(bundles=[])  # a request stands until it is replaced, and would keep the nodes

    def _place(self, ray: Any) -> list[int]:
        """Wait until an actor of every pool fits beside the tasks; ask the autoscaler for what is missing.

        Raises:
            UserError: The cluster did not grow to it in time.
        """
        wanted = [pool for _, pool in self._pools]
        deadline = time.monotonic() + self._engine.start_timeout_s
        while True:
            nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
            placed = place(wanted, nodes, task_cpus=2 * TASK_CPUS)
            if self._address is not None and placed != [pool.workers for pool in wanted] and not self._asked:
                from ray.autoscaler.sdk import request_resources

                request_resources(bundles=[pool.bundle for pool in wanted for _ in range(pool.workers)])
                self._asked = True
            lacking = shortage(self._pools, nodes, task_cpus=2 * TASK_CPUS)
            if lacking is None:
                return placed
            if self._address is None or time.monotonic() > deadline:
                raise UserError(f"engine: {lacking}")
            time.sleep(1.0)
