"""Apache Beam: one pipeline for any runner.

::

    shards ─ Create ─ Reshuffle ─ ProcessShard ─┬─ results ──> a file each, from which the driver reads them
                                                └─ dropped ──> counters by stage and code

A shard passes through its stages in one place: runners fuse neighbouring steps anyway, and so neither audio nor
tokens are shuffled. The models load once a worker process, whatever the number of its threads.
"""

import multiprocessing
import os
import pickle
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any
from uuid import uuid4

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.utils.shared import Shared

from pipelines.engines.protocol import BatchDone, R, Report, ShardJob, StagedJob, Work
from pipelines.engines.worker import end_with_parent, own_error
from pipelines.files import exists, join, make_folder, names_in, read_bytes, remove, write_bytes
from schemas.errors import EngineError, UserError
from schemas.records import DeadLetter

POLL_S = 0.5
DROPPED = "dropped"
_STOP = "stop"


class _Opened:
    """A job's models in a worker process; its threads take turns."""

    def __init__(self, job: ShardJob[Any]) -> None:
        self.work: Work[Any] = job.open()
        self.turn = threading.Lock()


class ProcessShard(beam.DoFn):  # type: ignore[misc]
    """A shard number in; its result out, and its dead letters as the output ``dropped``.

    Args:
        stop: URL of a file whose presence means that the driver wants no more.
    """

    def __init__(self, job: ShardJob[Any], stop: str) -> None:
        self.job, self.stop = job, stop
        self._shared = Shared()

    def setup(self) -> None:
        self.opened = self._shared.acquire(lambda: _Opened(self.job))

    def process(self, shard: int) -> Iterator[Any]:
        if exists(self.stop):
            return
        with self.opened.turn:
            yield self.opened.work(shard, _count)
        for letter in self.job.dead_letters(shard):
            yield beam.pvalue.TaggedOutput(DROPPED, letter)


def _count(done: BatchDone) -> None:
    Metrics.counter("plait", "records").inc(done.records)
    Metrics.counter("plait", "samples").inc(done.samples)
    for stage, seconds in done.seconds.items():
        Metrics.counter("plait.milliseconds", stage).inc(int(seconds * 1000))


class CountDropped(beam.DoFn):  # type: ignore[misc]
    def process(self, letter: DeadLetter) -> Iterable[None]:
        Metrics.counter("plait.dropped", f"{letter.stage}/{letter.code}").inc()
        return ()


class Deliver(beam.DoFn):  # type: ignore[misc]
    """Puts a result where the driver finds it; a retried bundle writes the same again."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def process(self, numbered: tuple[int, Any]) -> Iterable[None]:
        shard, result = numbered
        write_bytes(join(self.folder, f"{shard:05d}"), pickle.dumps(result))
        return ()


def build(pipeline: beam.Pipeline, job: ShardJob[Any], shards: Sequence[int], results: str) -> None:
    """Add a job to a pipeline; its results appear as files in the folder ``results``."""
    done = (
        pipeline
        | "Shards" >> beam.Create(list(shards))
        | "Spread" >> beam.Reshuffle()
        | "ProcessShard" >> beam.ParDo(ProcessShard(job, join(results, _STOP))).with_outputs(DROPPED, main="results")
    )
    (
        done.results
        | "Number" >> beam.Map(lambda result: (int(result.shard), result))
        | "Deliver" >> beam.ParDo(Deliver(results))
    )
    done[DROPPED] | "CountDropped" >> beam.ParDo(CountDropped())


def flags(options: Mapping[str, Any]) -> list[str]:
    """Pipeline options as Beam's own flags: ``{a: 1, b: true, c: [x, y]}`` gives ``--a=1 --b --c=x --c=y``."""
    found: list[str] = []
    for name, value in options.items():
        values = value if isinstance(value, list | tuple) else [value]
        found += [f"--{name}" if one is True else f"--{name}={one}" for one in values if one is not False]
    return found


@dataclass(frozen=True, slots=True)
class BeamEngine:
    """Any Beam runner.

    Args:
        scratch: Folder that the driver and all workers reach; results come back through it.
        runner: ``DirectRunner`` runs ``workers`` processes here; what others do is in ``options``.
    """

    workers: int
    scratch: str
    runner: str = "DirectRunner"
    options: Mapping[str, Any] = field(default_factory=dict)

    def pipeline_options(self) -> PipelineOptions:
        """Raises UserError for an option that no part of Beam knows."""
        chosen = {"runner": self.runner, **self._local(), **self.options}
        parsed = PipelineOptions(flags(chosen))
        unknown = parsed.get_all_options(drop_default=True, retain_unknown_options=True).keys() - (
            parsed.get_all_options().keys()
        )
        if unknown:
            raise UserError(f"engine.options: Beam has no option {min(unknown)!r}")
        return parsed

    def _local(self) -> dict[str, Any]:
        if self.runner != "DirectRunner":
            return {}
        mode = "multi_processing" if self.workers > 1 else "in_memory"
        return {"direct_num_workers": self.workers, "direct_running_mode": mode}

    def run_stages(self, job: StagedJob[R], shards: Sequence[int], report: Report) -> Iterator[R]:
        return self.run(job, shards, report)

    def run(self, job: ShardJob[R], shards: Sequence[int], report: Report) -> Iterator[R]:
        if not shards:
            return
        results = join(self.scratch, f"results-{uuid4().hex[:8]}")
        make_folder(results)
        options = self.pipeline_options()
        running: _Thread | _Process
        if self.runner == "DirectRunner" and self.workers > 1:
            running = _Process(options, job, shards, results)
        else:
            pipeline = beam.Pipeline(options=options)
            build(pipeline, job, shards, results)
            running = _Thread(pipeline)
        seen: set[str] = set()
        try:
            while True:
                over = running.wait(POLL_S)
                for name in names_in(results):
                    if name not in seen and name != _STOP:
                        seen.add(name)
                        yield pickle.loads(read_bytes(join(results, name)))  # noqa: S301 (our own workers wrote it)
                if over:
                    break
            running.raise_error()
            if len(seen) < len(shards):
                raise EngineError(f"beam: {len(shards) - len(seen)} shards gave no result; run again to resume")
        finally:
            if not running.wait(0):
                write_bytes(join(results, _STOP), b"")
                running.cancel()
            remove(results)


class _Thread:
    """A pipeline on its way, in a thread: local runners block until they are done."""

    def __init__(self, pipeline: beam.Pipeline) -> None:
        self._pipeline = pipeline
        self._result: Any = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="plait-beam", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._result = self._pipeline.run()
            self._result.wait_until_finish()
        except BaseException as error:  # handed to the driver's thread
            self._error = error

    def wait(self, seconds: float) -> bool:
        """Whether it is over."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def cancel(self) -> None:
        """Ask the runner to stop; the local ones end with the shards that they work on."""
        deadline = time.monotonic() + 1.0
        while self._result is None and self._thread.is_alive() and time.monotonic() < deadline:
            time.sleep(0.05)
        if self._result is not None and hasattr(self._result, "cancel"):
            self._result.cancel()
        self._thread.join()

    def raise_error(self) -> None:
        """Raises what the pipeline raised: an error of ours as itself, anything else as EngineError."""
        if self._error is not None:
            raise own_error(self._error, engine="beam") from self._error


class _Process:
    """The local runner with worker processes, in a process of its own.

    It waits for ever for a worker that was killed; only its own end ends it and the other workers, who live as long
    as their connection to it.
    """

    def __init__(self, options: PipelineOptions, job: ShardJob[Any], shards: Sequence[int], results: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._answer, theirs = context.Pipe(duplex=False)
        arguments = (options, job, list(shards), results, theirs)
        self._process = context.Process(target=_run_alone, args=arguments, name="plait-beam")
        self._process.start()
        theirs.close()

    def wait(self, seconds: float) -> bool:
        """Whether it is over."""
        self._process.join(seconds)
        return not self._process.is_alive()

    def cancel(self) -> None:
        """Wait: the file that says stop is there, and it ends with the shards that it works on."""
        self._process.join()

    def raise_error(self) -> None:
        """Raises what the pipeline raised, or EngineError where it ended without a word."""
        try:
            error = self._answer.recv()
        except EOFError:
            error = EngineError(
                "a worker process died (out of memory, or killed); what is finished is kept, run again to resume"
            )
        if error is not None:
            raise error


def _run_alone(
    options: PipelineOptions, job: ShardJob[Any], shards: list[int], results: str, answer: Connection
) -> None:
    threading.Thread(target=end_with_parent, daemon=True).start()
    threading.excepthook = _end_with_worker
    try:
        pipeline = beam.Pipeline(options=options)
        build(pipeline, job, shards, results)
        pipeline.run().wait_until_finish()
    except BaseException as error:  # handed to the driver
        answer.send(own_error(error, engine="beam"))
    else:
        answer.send(None)


def _end_with_worker(raised: threading.ExceptHookArgs) -> None:
    """The thread that waits for a worker process raises where it failed, and nobody else is told."""
    if raised.thread is not None and raised.thread.name == "run_worker":
        os._exit(1)
    threading.__excepthook__(raised)
