"""Waiting for a Beam pipeline: in a thread, or in a process that ends when one of its workers is killed."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.engines.worker import end_with_parent, own_error

Build = Callable[[beam.Pipeline], None]
"""Adds the work to a pipeline; picklable."""


class RunningInThread:
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


class RunningInProcess:
    """The local runner with worker processes, in a process of its own.

    It waits for ever for a worker that was killed; only its own end ends it. The other workers would end when they
    miss their connection, but one that is still starting waits a minute for it: so all end as a group.
    """

    def __init__(self, options: PipelineOptions, build: Build) -> None:
        context = multiprocessing.get_context("spawn")
        self._answer, theirs = context.Pipe(duplex=False)
        self._process = context.Process(target=_run_alone, args=(options, build, theirs), name="plait-beam")
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
        """Raises what the pipeline raised, or EOFError where it ended with a worker, without a word."""
        error = self._answer.recv()
        if error is not None:
            raise error


def _run_alone(options: PipelineOptions, build: Build, answer: Connection) -> None:
    os.setsid()  # a group of its own with the workers that Beam starts, so that they can end together
    end_with_parent(group=True)
    threading.excepthook = _end_with_worker
    try:
        pipeline = beam.Pipeline(options=options)
        build(pipeline)
        pipeline.run().wait_until_finish()
    except BaseException as error:  # handed to the driver
        answer.send(own_error(error, engine="beam"))
    else:
        answer.send(None)


def _end_with_worker(raised: threading.ExceptHookArgs) -> None:
    """The thread that waits for a worker process raises where it failed, and nobody else is told."""
    if raised.thread is not None and raised.thread.name == "run_worker":
        os.killpg(0, signal.SIGKILL)
    threading.__excepthook__(raised)
