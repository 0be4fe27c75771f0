"""What every worker process does, whichever engine started it, and how its errors reach the driver."""

import multiprocessing
import os
import re
import signal
import threading

from threadpoolctl import threadpool_limits

from schemas.errors import EngineError, UserError

# Beam writes a transform's name behind whatever it raised
_WHERE = re.compile(r" \[while running [^\]]*\]$")
_OWN_ERROR = re.compile(r"(?:^|\s)(?:schemas\.errors\.)?(UserError|EngineError): (.+)$", re.MULTILINE)


def prepare_worker() -> None:
    """One thread a worker: processes use the cores, and sums have one order whatever the machine. No library calls
    home."""
    for library in ("OMP", "OPENBLAS", "MKL"):  # read by those that are not loaded yet
        os.environ[f"{library}_NUM_THREADS"] = "1"
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import torch

    threadpool_limits(1)  # the others: numpy's matrix products took a second core
    torch.set_num_threads(1)


def end_with_parent(*, group: bool = False) -> None:
    """Watch the process that started this one, and end when it does, however it dies.

    A driver that was killed closes nothing behind it: its workers would wait for work for ever, since they hold the
    queue's other end themselves.

    Args:
        group: End the whole process group, whose leader this process is.
    """
    threading.Thread(target=_await_parent, args=(group,), daemon=True, name="plait-parent").start()


def _await_parent(group: bool) -> None:
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    parent.join()
    if group:
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def own_error(error: BaseException, *, engine: str) -> Exception:
    """The error of ours that an engine wrapped in its own, or an EngineError with the last line of what it said."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, UserError | EngineError):
            return type(cause)(_WHERE.sub("", str(cause)))
        cause = cause.__cause__ or getattr(cause, "cause", None)
    # from another process an error may come as text alone
    if told := _OWN_ERROR.findall(str(error)):
        kind, message = told[-1]
        return (UserError if kind == "UserError" else EngineError)(_WHERE.sub("", message))
    lines = [line for line in str(error).splitlines() if line.strip()]
    last = lines[-1].strip() if lines else type(error).__name__
    return EngineError(f"{engine}: {last}; what is finished is kept, run again to resume")
