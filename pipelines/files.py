"""Reading and writing by fsspec URL. A file appears under its name only when it is whole.

Locally by rename; an object store has none, but shows an object only once its upload is complete. Faults of a store
that may pass (a 500, a dropped connection, a slow answer) are tried again, a bounded number of times.
"""

import errno
import hashlib
import io
import os
import shutil
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from glob import has_magic
from pathlib import Path
from typing import IO, Any, TypeVar, cast

import fsspec
from fsspec.implementations.local import LocalFileSystem

from schemas.errors import EngineError, RecordError, TransientError, UserError
from transforms.audio_access import audio_file_system, is_network_error

_PARTIAL = ".partial-"
_AT_ONCE = 16  # requests to an object store
_PAUSES_S = (0.5, 2.0, 8.0)
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM})

S = TypeVar("S")
T = TypeVar("T")


def join(url: str, *parts: str) -> str:
    return "/".join([url.rstrip("/"), *parts])


def file_system(url: str) -> tuple[Any, str]:
    """The file system of a URL and the path on it; listings are asked for anew each time.

    Raises:
        UserError: The URL's protocol is unknown, or its package is not installed.
    """
    try:
        filesystem, path = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise UserError(f"{url}: {' '.join(str(error).split())}") from error
    return filesystem, path


def local_path(url: str) -> Path | None:
    """The path of a local URL; None for a remote one.

    Raises:
        UserError: The URL's protocol is unknown, or its package is not installed.
    """
    filesystem, path = file_system(url)
    return Path(path) if isinstance(filesystem, LocalFileSystem) else None


def patiently(url: str, work: Callable[[], T], *, sleep: Callable[[float], None] = time.sleep) -> T:
    """Do work on a URL; on an object store, what may pass is tried again.

    Raises:
        TransientError: The store failed each time.
        EngineError: No space, or no right to write.
    """
    remote = local_path(url) is None
    for pause in (*_PAUSES_S, None):
        try:
            return work()
        except FileNotFoundError:
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno in _FULL:
                raise EngineError(f"cannot write {url}: {error.strerror}; what is finished is kept") from error
            if not (remote and is_network_error(error)):
                raise
            if pause is None:
                tries = len(_PAUSES_S) + 1
                raise TransientError(f"{url}: {' '.join(str(error).split())} ({tries} tries)") from error
            sleep(pause)
    raise AssertionError("the last pause ends the loop")


def make_folder(url: str) -> None:
    """Create a folder and its parents; on an object store there is none to create.

    Raises:
        UserError: The folder cannot be written.
    """
    path = local_path(url)
    if path is None:
        return
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f"{_PARTIAL}probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(f"cannot write to {url}: {error.strerror or error}; choose another output folder") from error


def check_target(path: Path, *, option: str) -> None:
    """Raises UserError where no file can be written to this local path; asked before what takes long."""
    if path.is_dir():
        raise UserError(f"{option}: {path} is a folder; name a file")
    make_folder(str(path.parent))


def exists(url: str) -> bool:
    filesystem, path = file_system(url)
    filesystem.invalidate_cache()
    return patiently(url, lambda: bool(filesystem.exists(path)))


def sizes_in(url: str) -> dict[str, int]:
    """Bytes of each file in a folder, by its name, from one listing; empty where there is none."""
    filesystem, path = file_system(url)
    filesystem.invalidate_cache()
    try:
        entries = patiently(url, lambda: filesystem.ls(path, detail=True))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    sizes = {
        str(entry["name"]).rpartition("/")[2]: int(entry["size"]) for entry in entries if entry["type"] != "directory"
    }
    return {name: size for name, size in sizes.items() if not name.startswith(_PARTIAL)}


def changed_at(url: str) -> float | None:
    """When a file came to be as it is, in seconds since the epoch; None where that cannot be told.

    Locally also the moment at which it was moved there counts.
    """
    try:
        filesystem, path = audio_file_system(url)
        filesystem.invalidate_cache()
        info = filesystem.info(path)
    except Exception as error:
        # as it stands in a row of a corpus, a URL may be anything
        if isinstance(error, RecordError | OSError | ImportError | ValueError) or is_network_error(error):
            return None
        raise
    times = [info[key] for key in ("mtime", "created", "LastModified", "updated", "last_modified") if info.get(key)]
    return max((at.timestamp() if isinstance(at, datetime) else float(at) for at in times), default=None)


def names_in(url: str) -> list[str]:
    """Sorted names of the files and folders in a folder, unfinished ones left out; empty where there is none."""
    filesystem, path = file_system(url)
    filesystem.invalidate_cache()
    try:
        entries = patiently(url, lambda: filesystem.ls(path, detail=False))
    except (FileNotFoundError, NotADirectoryError):
        return []
    names = {str(entry).rstrip("/").rpartition("/")[2] for entry in entries}
    return sorted(name for name in names if name and not name.startswith(_PARTIAL))


def remove(url: str) -> None:
    """Remove a file, or a folder with all that is in it; nothing happens where there is none."""
    filesystem, path = file_system(url)
    filesystem.invalidate_cache()

    def work() -> None:
        if not filesystem.exists(path):
            return
        if has_magic(path) and not isinstance(filesystem, LocalFileSystem):
            # a store's ``rm`` takes out/exp[12] for a pattern, and what it matches is another run's
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                list(pool.map(filesystem.rm_file, filesystem.find(path)))
        else:
            filesystem.rm(path, recursive=True)

    try:
        patiently(url, work)
    except FileNotFoundError:
        return  # somebody else was faster


def read_bytes(url: str) -> bytes:
    def work() -> bytes:
        with open_read(url) as file:
            return file.read()

    return patiently(url, work)


def read_text(url: str) -> str:
    return read_bytes(url).decode("utf-8")


def map_ahead(url: str, work: Callable[[S], T], items: Iterable[S]) -> Iterator[T]:
    """Work on each item, in order; where the URL is an object store's, on some at once and a bounded number ahead."""
    if local_path(url) is not None:
        yield from map(work, items)
        return
    coming: deque[Future[T]] = deque()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for item in items:
            coming.append(pool.submit(work, item))
            if len(coming) > 4 * _AT_ONCE:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()


def read_many(urls: list[str]) -> Iterator[bytes]:
    """What many small files hold, in order."""
    return map_ahead(urls[0], read_bytes, urls) if urls else iter(())


def read_range(url: str, begin: int, end: int) -> bytes:
    """Bytes ``[begin, end)`` of a file, and no others from an object store."""
    filesystem, path = file_system(url)
    return patiently(url, lambda: bytes(filesystem.cat_file(path, start=begin, end=end)))


def read_ranges(ranges: Sequence[tuple[str, int, int]]) -> Iterator[bytes]:
    """``read_range`` of many, in order."""
    return map_ahead(ranges[0][0], lambda span: read_range(*span), ranges) if ranges else iter(())


@contextmanager
def open_read(url: str) -> Iterator[IO[bytes]]:
    with fsspec.open(url, "rb") as file:
        yield cast(IO[bytes], file)


@contextmanager
def open_write(url: str) -> Iterator[IO[bytes]]:
    """A binary file that takes its name when the block ends without an error.

    Raises:
        EngineError: No space, or no right to write.
        TransientError: The object store failed each time.
    """
    path = local_path(url)
    if path is None:
        filesystem, remote = file_system(url)
        try:
            with tempfile.NamedTemporaryFile(prefix="plait-") as whole:
                yield cast(IO[bytes], whole)
                whole.flush()
                patiently(url, lambda: filesystem.put_file(whole.name, remote))
        except OSError as error:
            if error.errno in _FULL:
                held = f"{error.strerror} in {tempfile.gettempdir()}, which holds it until it is whole"
                raise EngineError(f"cannot write {url}: {held}; set TMPDIR to a larger disk") from error
            raise
        return
    partial = path.with_name(f"{_PARTIAL}{os.getpid()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        if error.errno in _FULL:
            raise EngineError(f"cannot write {url}: {error.strerror}; what is finished is kept") from error
        raise
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A local folder to fill that takes its name, from one that had it, when the block ends without an error.

    Killed in between, there is the old one, the new one or none; what is left beside goes when it is written again.
    """
    partial, old = (path.with_name(f"{_PARTIAL}{age}-{path.name}") for age in ("new", "old"))
    for left in (partial, old):
        shutil.rmtree(left, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        yield partial
        for file in filter(Path.is_file, partial.rglob("*")):
            with file.open("rb") as written:
                os.fsync(written.fileno())
        if path.exists():
            path.rename(old)
        partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)  # half of it holds room that the next run needs
    shutil.rmtree(old, ignore_errors=True)


class HashingWriter(io.RawIOBase):
    """A file to write to in order, which knows the SHA-256 and the size of what went through it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file: IO[bytes] | None = file
        self._digest = hashlib.sha256()
        self.num_bytes = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if self._file is not None:
            self._digest.update(data)
            self._file.write(data)
        size = memoryview(data).nbytes
        self.num_bytes += size
        return size

    def tell(self) -> int:
        return self.num_bytes

    def abandon(self) -> None:
        """Write no more: a tar that is given up still flushes when it is collected."""
        self._file = None

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


def write_bytes(url: str, data: bytes) -> None:
    with open_write(url) as file:
        file.write(data)


def write_text(url: str, text: str) -> None:
    write_bytes(url, text.encode("utf-8"))


def copy(source: str, target: str) -> None:
    """Copy a file; it appears under its name only when it is whole."""
    with open_read(source) as reading, open_write(target) as writing:
        shutil.copyfileobj(reading, writing, 1 << 20)


def remove_partials(url: str) -> None:
    """Remove what killed runs left unfinished in a local folder and below it."""
    path = local_path(url)
    if path is not None:
        for partial in path.rglob(f"{_PARTIAL}*"):
            partial.unlink(missing_ok=True)


def sha256_of(url: str) -> tuple[str, int]:
    """Hexadecimal SHA-256 and size in bytes of a file, read in blocks."""

    def work() -> tuple[str, int]:
        digest, size = hashlib.sha256(), 0
        with open_read(url) as file:
            while block := file.read(1 << 20):
                digest.update(block)
                size += len(block)
        return digest.hexdigest(), size

    return patiently(url, work)


def fetch_folder(url: str, target: Path) -> Path:
    """A local folder with the files of a URL: itself where it is local, else copied to ``target``."""
    path = local_path(url)
    if path is not None:
        return path
    target.mkdir(parents=True, exist_ok=True)
    for name in names_in(url):
        (target / name).write_bytes(read_bytes(join(url, name)))
    return target


def read_ids(path: str | None, *, option: str) -> frozenset[str] | None:
    """Utterance ids of a file, one a line; None without a file. ``option`` is the config key to blame.

    Blanks around an id and a byte order mark are no part of it.

    Raises:
        UserError: There is no such file, it cannot be read, or it is no text.
    """
    if path is None:
        return None
    try:
        with fsspec.open(path, "rt", encoding="utf-8-sig", compression="infer") as lines:
            return frozenset(line.strip() for line in lines if line.strip())
    except FileNotFoundError as error:
        raise UserError(f"{option}: no file {path}; it must hold one utterance id a line") from error
    except (PermissionError, IsADirectoryError) as error:
        raise UserError(f"{option}: cannot read {path}: {error.strerror or error}; name a file of ids") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{option}: {path} is not UTF-8 text") from error
