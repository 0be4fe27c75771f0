"""Batches made ahead in a thread, so that a training step doesn't wait for its data."""

import queue
import threading
from typing import Any, NamedTuple

from pipelines.train.loader import Batch, Loader

_DEPTH = 4  # batches


class _Made(NamedTuple):
    batch: Batch
    state: dict[str, Any]


class Prefetched:
    """The loader's batches, and its state as it was after the last one that was taken.

    The loader belongs to the thread until ``close``; afterwards it stands some batches further on.
    """

    def __init__(self, loader: Loader) -> None:
        self.state = loader.state_dict()
        self._loader = loader
        self._made: queue.Queue[_Made | BaseException] = queue.Queue(_DEPTH)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._make, name="batches", daemon=True)
        self._thread.start()

    def _make(self) -> None:
        while not self._closed.is_set():
            made: _Made | BaseException
            try:
                made = _Made(next(self._loader), self._loader.state_dict())
            except BaseException as error:  # it is raised where the batch is asked for
                made = error
            while not self._closed.is_set():
                try:
                    self._made.put(made, timeout=0.1)
                    break
                except queue.Full:
                    continue
            if isinstance(made, BaseException):
                return

    def __next__(self) -> Batch:
        made = self._made.get()
        if isinstance(made, BaseException):
            raise made
        self.state = made.state
        return made.batch

    def close(self) -> None:
        self._closed.set()
        self._thread.join()
        self._loader.close()
