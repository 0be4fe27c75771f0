"""Apache Beam: one pipeline for any runner.

::

    shards ─ Create ─ Reshuffle ─ ProcessShard ─┬─ results ──> a file each, from which the driver reads them
                                                └─ dropped ──> counters by stage and code

A shard passes through its stages in one place: runners fuse neighbouring steps anyway, and so neither audio nor
tokens are shuffled. The models load once a worker process, whatever the number of its threads.
"""

import io
import pickle
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from typing import Any
from uuid import uuid4

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.utils.shared import Shared

from pipelines.engines.beam_running import RunningInProcess, RunningInThread
from pipelines.engines.protocol import BatchDone, R, Report, ShardJob, StagedJob, Work
from pipelines.files import exists, join, local_path, make_folder, names_in, read_bytes, remove, write_bytes
from schemas.errors import EngineError, UserError
from schemas.records import DeadLetter

POLL_S = 0.5
CLOUD_RUNNERS = frozenset({"DataflowRunner"})
DROPPED = "dropped"
_STOP = "stop"
_BEGUN = "begun"


class _Opened:
    """A job's models in a worker process; its threads take turns."""

    def __init__(self, job: ShardJob[Any]) -> None:
        self.work: Work[Any] = job.open()
        self.turn = threading.Lock()


class ProcessShard(beam.DoFn):  # type: ignore[misc]
    """A shard number in; its result out, and its dead letters as the output ``dropped``.

    Args:
        results: Folder of the driver: a file ``stop`` there means that it wants no more, and one in ``begun`` says what
            a worker that died was at.
    """

    def __init__(self, job: ShardJob[Any], results: str) -> None:
        self.job, self.results = job, results
        self._shared = Shared()

    def setup(self) -> None:
        self.opened = self._shared.acquire(lambda: _Opened(self.job))

    def process(self, shard: int) -> Iterator[Any]:
        if exists(join(self.results, _STOP)):
            return
        with self.opened.turn:
            write_bytes(join(self.results, _BEGUN, f"{shard:05d}"), b"")
            result = self.opened.work(shard, _count)
        yield result  # what follows in the bundle needs no turn
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
        | "ProcessShard" >> beam.ParDo(ProcessShard(job, results)).with_outputs(DROPPED, main="results")
    )
    (
        done.results
        | "Number" >> beam.Map(lambda result: (int(result.shard), result))
        | "Deliver" >> beam.ParDo(Deliver(results))
    )
    done[DROPPED] | "CountDropped" >> beam.ParDo(CountDropped())


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
        """Raises UserError for an option that no part of Beam knows, or a value that it cannot take."""
        chosen = {"runner": self.runner, **self._local(), **self.options}
        parsed = PipelineOptions.from_dictionary(chosen)
        said = io.StringIO()
        try:
            with redirect_stderr(said):  # argparse prints its usage and ends the process
                known = parsed.get_all_options()
                unknown = parsed.get_all_options(drop_default=True, retain_unknown_options=True).keys() - known.keys()
        except SystemExit as error:
            why = said.getvalue().strip().rpartition("error: ")[2]
            raise UserError(f"engine.options: {why}") from error
        if unknown:
            name = min(unknown)
            near = get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise UserError(f"engine.options: Beam has no option {name!r}{hint}")
        for name, value in self.options.items():
            if value is False and known[name]:
                raise UserError(f"engine.options.{name}: Beam turns this off by another option, no_{name}: true")
        if self.runner in CLOUD_RUNNERS and local_path(self.scratch) is not None:
            raise UserError(
                f"output: {self.runner}'s workers cannot reach this machine's disk; give a URL such as gs://"
            )
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
        running: RunningInThread | RunningInProcess
        if self.runner == "DirectRunner" and self.workers > 1:
            running = RunningInProcess(options, partial(build, job=job, shards=list(shards), results=results))
        else:
            pipeline = beam.Pipeline(options=options)
            build(pipeline, job, shards, results)
            running = RunningInThread(pipeline)
        seen: set[str] = set()
        listing_s = 0.0
        try:
            while True:
                # a listing that takes long, of many results in a bucket, is asked for less often
                over = running.wait(max(POLL_S, 10 * listing_s))
                began = time.monotonic()
                names = names_in(results)
                listing_s = time.monotonic() - began
                for name in names:
                    if name not in seen and name not in (_STOP, _BEGUN):
                        seen.add(name)
                        yield pickle.loads(read_bytes(join(results, name)))  # noqa: S301 (our own workers wrote it)
                if over:
                    break
            try:
                running.raise_error()
            except EOFError as error:
                begun = [int(name) for name in names_in(join(results, _BEGUN)) if name not in seen]
                raise EngineError(
                    f"a worker process died at {', '.join(map(job.name_of, begun)) or 'its start'} (out of memory, or "
                    "killed); what is finished is kept, run again to resume"
                ) from error
            if len(seen) < len(shards):
                raise EngineError(f"beam: {len(shards) - len(seen)} shards gave no result; run again to resume")
        finally:
            if not running.wait(0):
                write_bytes(join(results, _STOP), b"")
                running.cancel()
            remove(results)
