"""One stream of events, and all that is told of a run: bar or lines, `metrics.json`, Prometheus.

Workers say what became of each batch, then of each shard; the tally adds it up, and everything shown is read from it.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from prometheus_client import CollectorRegistry, start_http_server, write_to_textfile
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pipelines.config import MetricsConfig
from pipelines.corpus import ShardResult, add_example, add_up
from pipelines.engines.protocol import BatchDone
from pipelines.failures import worst_of
from pipelines.metrics import update_metrics
from pipelines.progress import meter
from schemas.errors import UserError
from schemas.records import SAMPLE_RATE_HZ

WRITE_EVERY_S = 15.0


@dataclass(slots=True)
class _Sums:
    records: int = 0
    samples: int = 0
    failed: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def add(self, records: int, more: "BatchDone | ShardResult | _Sums") -> None:
        self.records += records
        self.samples += more.samples
        self.failed += more.failed
        add_up(self.dropped, more.dropped)
        add_up(self.seconds, more.seconds)
        for cause, example in more.examples.items():
            add_example(self.examples, cause, example)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Where a run stands.

    Args:
        records: Accounted for so far, of ``total``; ``failed`` and ``dropped`` (by stage/code) are among them.
        examples: One of each cause, as ``id: sentence``, the most frequent cause first.
        hours: Of audio that came out, of this run's and of standing shards; ``new_hours`` of this run's alone.
        seconds_by_stage: Spent in this run, summed over the workers.
        queued_shards: Of which nothing was heard yet.
        work_s: From the first shard's start to the last one's end, by the workers' clocks: start-up apart.
        gpu_busy: Share of the time in which the workers' GPU stages worked; None without such a stage.
        seconds_left: None before anything was done.
    """

    total: int
    records: int
    failed: int
    dropped: dict[str, int]
    examples: dict[str, str]
    hours: float
    new_hours: float
    seconds_by_stage: dict[str, float]
    shards: int
    shards_done: int
    queued_shards: int
    gpu_busy: float | None
    elapsed_s: float
    work_s: float
    seconds_left: float | None

    @property
    def worst(self) -> str:
        return worst_of(self.dropped, {})

    @property
    def told_worst(self) -> str:
        """The same with an example."""
        return worst_of(self.dropped, self.examples)


class Tally:
    """Adds up events. A shard's result replaces what its batches said.

    Args:
        total: Records of the corpus, in so many ``shards``.
        standing: Results of shards that stand already.
        gpu_stages: Stages that run on a GPU, on ``gpu_workers`` workers.
    """

    def __init__(
        self,
        *,
        total: int,
        shards: int,
        standing: Iterable[ShardResult] = (),
        gpu_stages: frozenset[str] = frozenset(),
        gpu_workers: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total, self._shards = total, shards
        self._gpu_stages, self._gpu_workers = gpu_stages, gpu_workers
        self._clock, self._began = clock, clock()
        self._done = _Sums()
        self._flying: dict[int, _Sums] = {}
        self._shards_done = 0
        self._first, self._last = float("inf"), 0.0
        for result in standing:
            self.shard(result)
        self._stood, self._stood_samples = self._done.records, self._done.samples

    def batch(self, done: BatchDone) -> None:
        self._flying.setdefault(done.shard, _Sums()).add(done.records, done)

    def shard(self, result: ShardResult) -> None:
        self._flying.pop(result.shard, None)
        self._done.add(result.records + sum(result.dropped.values()), result)
        self._shards_done += 1
        if result.ended:
            self._first, self._last = min(self._first, result.began), max(self._last, result.ended)

    def snapshot(self) -> Snapshot:
        sums = _Sums()
        for part in (self._done, *self._flying.values()):
            sums.add(part.records, part)
        elapsed = self._clock() - self._began
        dropped = dict(sorted(sums.dropped.items(), key=lambda item: (-item[1], item[0])))
        new = sums.records - self._stood
        busy = sum(sums.seconds.get(stage, 0.0) for stage in self._gpu_stages)
        return Snapshot(
            total=self._total,
            records=sums.records,
            failed=sums.failed,
            dropped=dropped,
            examples={cause: sums.examples[cause] for cause in dropped if cause in sums.examples},
            hours=round(sums.samples / SAMPLE_RATE_HZ / 3600, 4),
            new_hours=round((sums.samples - self._stood_samples) / SAMPLE_RATE_HZ / 3600, 6),
            seconds_by_stage={name: round(spent, 2) for name, spent in sums.seconds.items()},
            shards=self._shards,
            shards_done=self._shards_done,
            queued_shards=self._shards - self._shards_done - len(self._flying),
            gpu_busy=min(1.0, busy / (elapsed * self._gpu_workers)) if self._gpu_stages and elapsed > 0 else None,
            elapsed_s=round(elapsed, 2),
            work_s=round(max(0.0, self._last - self._first), 2),
            seconds_left=round(elapsed * (self._total - sums.records) / new, 1) if new > 0 else None,
        )


class _Prometheus(Collector):
    """The tally in Prometheus's terms."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def collect(self) -> Iterator[Metric]:
        now = self._tally.snapshot()
        yield CounterMetricFamily("plait_records", "Records accounted for", value=now.records)
        yield GaugeMetricFamily("plait_records_expected", "Records of the corpus", value=now.total)
        yield CounterMetricFamily("plait_audio_hours", "Hours of audio that came out", value=now.hours)
        yield GaugeMetricFamily("plait_shards_done", "Shards that stand", value=now.shards_done)
        yield GaugeMetricFamily("plait_queued_shards", "Shards of which nothing was heard yet", value=now.queued_shards)
        seconds = CounterMetricFamily("plait_stage_seconds", "Spent, summed over the workers", labels=["stage"])
        for stage, spent in now.seconds_by_stage.items():
            seconds.add_metric([stage], spent)
        yield seconds
        dropped = CounterMetricFamily("plait_dropped", "Records that reached no shard", labels=["stage", "code"])
        for cause, number in now.dropped.items():
            dropped.add_metric(cause.split("/", 1), number)
        yield dropped
        for name, about, value in (
            ("plait_gpu_busy_ratio", "Share of the time in which GPU stages worked", now.gpu_busy),
            ("plait_seconds_left", "Estimate from the rate so far", now.seconds_left),
        ):
            if value is not None:
                yield GaugeMetricFamily(name, about, value=value)


@contextmanager
def observed(tally: Tally, output: str, config: MetricsConfig) -> Iterator[Callable[[], Snapshot]]:
    """Show a tally while the block runs; what it gives is called after each event and returns where the run stands.

    Raises:
        UserError: The port is taken, or the file's folder is missing. When it goes later, that is told once.
    """
    registry = CollectorRegistry()
    registry.register(_Prometheus(tally))
    if config.prometheus_file is not None and not Path(config.prometheus_file).absolute().parent.is_dir():
        raise UserError(f"metrics.prometheus_file: no folder for {config.prometheus_file}; create it")
    try:
        server = start_http_server(config.prometheus_port, registry=registry)[0] if config.prometheus_port else None
    except OSError as error:
        raise UserError(
            f"metrics.prometheus_port: cannot serve at {config.prometheus_port}: {error.strerror or error}; "
            "choose another port"
        ) from error
    written = time.monotonic()
    warned = False

    def write(now: Snapshot) -> None:
        nonlocal warned
        update_metrics(output, "progress", asdict(now))
        if config.prometheus_file is None:
            return
        try:
            write_to_textfile(config.prometheus_file, registry)
        except OSError as error:
            if not warned:  # a collector's folder is no reason to end a run
                print(f"metrics.prometheus_file: cannot write {config.prometheus_file}: {error.strerror}", flush=True)
            warned = True

    first = tally.snapshot()
    try:
        with meter("corpus", total=first.total, unit="utterances") as show:

            def look() -> Snapshot:
                nonlocal written
                now = tally.snapshot()
                show(now.records, note=now.worst)
                if time.monotonic() - written > WRITE_EVERY_S:
                    written = time.monotonic()
                    write(now)
                return now

            yield look
    finally:
        write(tally.snapshot())
        if server is not None:
            server.shutdown()
            server.server_close()
