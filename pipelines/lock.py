"""One run at a time writes a folder.

On a disk the lock is the kernel's (``flock``): it ends with its process, however that dies. An object store has no
such thing; there the lock is an object that its owner writes anew every few seconds. A lock that has not changed for
a while belongs to a run that is dead and is taken over; an owner that finds another's name in it stops. A disk whose
file system knows no ``flock`` (Lustre without its option, some of FUSE) has such a lock too.
"""

import errno
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from pipelines.files import exists, file_system, join, local_path, patiently, read_text, remove
from schemas.errors import EngineError, TransientError, UserError

LOCK, LEASE = ".lock", ".lease"
BEAT_S = 10.0
DEAD_AFTER_S = 45.0
_NO_FLOCK = frozenset({errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK})

Check = Callable[[], None]


@contextmanager
def lock(folder: str, *, beat_s: float = BEAT_S, dead_after_s: float = DEAD_AFTER_S) -> Iterator[Check]:
    """Hold a folder; gives a check that raises EngineError where the lock was lost to another run.

    Raises:
        UserError: Another run holds it.
    """
    path = local_path(folder)
    held = None if path is None else _flocked(path)
    if held is None:
        with _lease(join(folder, LOCK) if path is None else str(path / LEASE), beat_s, dead_after_s) as check:
            yield check
        return
    try:
        yield lambda: None
    finally:
        held.release()


def _flocked(path: Path) -> BaseFileLock | None:
    """None where the file system knows no such locks."""
    held = FileLock(path / LOCK, fallback_to_soft=False)  # a soft lock outlives a run that is killed
    try:
        held.acquire(timeout=0)
    except Timeout as error:
        raise _taken(str(path)) from error
    except OSError as error:
        if error.errno in _NO_FLOCK:
            return None
        raise
    return held


def _taken(folder: str) -> UserError:
    return UserError(f"output: another run writes {folder}; wait for it, or choose another output")


@contextmanager
def _lease(url: str, beat_s: float, dead_after_s: float) -> Iterator[Check]:
    name = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    beats = 0

    def text() -> bytes:
        return json.dumps({"owner": name, "processes": _processes(), "beat": beats}).encode()

    if not _create(url, text()):
        _wait_for_death(url, dead_after_s)
        _put(url, text())
        time.sleep(min(beat_s, 1.0))  # of two that take it over at once, the later one's name stays
    lost = threading.Event()
    done = threading.Event()

    def check() -> None:
        if lost.is_set() or _owner(url) != name:
            raise EngineError(f"{url}: another run took the folder over; this one stops")

    def beat() -> None:
        nonlocal beats
        while not done.wait(beat_s):
            try:
                if _owner(url) != name:
                    lost.set()
                    return
                beats += 1
                _put(url, text())
            except (TransientError, OSError):
                continue  # an outage: the next beat tells whether somebody took the folder over meanwhile

    check()
    thread = threading.Thread(target=beat, daemon=True, name="plait-lock")
    thread.start()
    try:
        yield check
    finally:
        done.set()
        thread.join()
        if _owner(url) == name:
            remove(url)


def _create(url: str, data: bytes) -> bool:
    """Whether the object was made by us; False where it stands already.

    Raises:
        UserError: There is no such bucket, or no right to write to it.
    """
    try:
        return _create_alone(url, data)
    except (FileNotFoundError, PermissionError) as error:
        raise UserError(f"output: cannot write {url}: {' '.join(str(error).split())}; check the bucket") from error


def _create_alone(url: str, data: bytes) -> bool:
    filesystem, path = file_system(url)
    if exists(url):
        return False
    try:
        filesystem.pipe_file(path, data, mode="create")
    except FileExistsError:
        return False
    except (NotImplementedError, TypeError):
        # a store without exclusive creation: the check of the owner's name decides
        _put(url, data)
    return True


def _put(url: str, data: bytes) -> None:
    local = local_path(url)
    if local is not None:  # whole at once: others read it
        fresh = local.with_name(f"{local.name}-{os.getpid()}")
        fresh.write_bytes(data)
        fresh.replace(local)
        return
    filesystem, path = file_system(url)
    patiently(url, lambda: filesystem.pipe_file(path, data))


def _read(url: str) -> str:
    """What the lock says; nothing where there is none, even if it went just now."""
    try:
        return read_text(url) if exists(url) else ""
    except FileNotFoundError:
        return ""


def _owner(url: str) -> str:
    said = _read(url)
    return str(json.loads(said)["owner"]) if said else ""


def _wait_for_death(url: str, dead_after_s: float) -> None:
    """Return once the lock's owner is dead: its process is gone from among those that we see, or it gave no sign for a
    while."""
    seen, since, told = "", time.monotonic(), False
    while now := _read(url):
        said = json.loads(now)
        if said.get("processes") == _processes() != "" and not _alive(int(said["owner"].split(":")[1])):
            return
        if now != seen:
            if seen:
                raise _taken(url.rpartition("/")[0])
            seen, since = now, time.monotonic()
        if time.monotonic() - since > dead_after_s:
            return
        if not told:
            print(f"{url}: left by another run; waiting {dead_after_s:.0f} s for a sign of life", flush=True)
            told = True
        time.sleep(min(1.0, dead_after_s / 10))


def _processes() -> str:
    """Which processes our numbers are of: two containers may share the name of their host, and not these."""
    try:
        booted = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{booted}/{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:  # not Linux: then a lock's silence alone tells
        return ""


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
