"""Ends what a Ray of a run's own leaves behind when the run is killed: python -m pipelines.engines.ray_watcher MARK

Ray's node manager dies with the process that started it, its agents only a minute later, and actors at work when their
call returns. All of them carry the run's mark in their environment. This process waits at a pipe that the run holds
open: a byte means that the run ended Ray itself, the pipe's end alone that the run is dead, however it died.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import psutil

MARK = "PLAIT_RAY_OF"
_KEEP = "SPT_NOENV"  # Ray's agents rename themselves, and would write their new name over their environment
_QUIET_S = 1.0  # a process that was being started during a look at all of them is seen by the next


@contextmanager
def watched() -> Iterator[None]:
    """Whatever Ray starts within the block ends with this process."""
    mark = uuid4().hex
    # a session of its own: Ctrl-C goes to the run, and the run ends Ray
    watcher = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", __name__, mark], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True
    )
    os.environ.update({MARK: mark, _KEEP: "1"})
    try:
        yield
    finally:
        del os.environ[MARK], os.environ[_KEEP]
        watcher.communicate(b"\n")


def end_marked(mark: str) -> None:
    """SIGKILL for every process of this user whose environment has the mark, until there is none."""
    quiet_since = time.monotonic()
    while time.monotonic() < quiet_since + _QUIET_S:
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == mark:
                    process.kill()
                    quiet_since = time.monotonic()
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue  # it ended meanwhile, or is another user's
        time.sleep(0.1)


if __name__ == "__main__":
    if not sys.stdin.buffer.read(1):
        end_marked(sys.argv[1])
