"""Reading and writing by fsspec URL. A file appears under its name only when it is whole."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import fsspec
from fsspec.implementations.local import LocalFileSystem

from schemas.errors import UserError

_PARTIAL = ".partial-"


def join(url: str, *parts: str) -> str:
    return "/".join([url.rstrip("/"), *parts])


def local_path(url: str) -> Path | None:
    """The path of a local URL; None for a remote one.

    Raises:
        UserError: The URL's protocol is unknown, or its package is not installed.
    """
    try:
        filesystem, path = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise UserError(f"{url}: {' '.join(str(error).split())}") from error
    return Path(path) if isinstance(filesystem, LocalFileSystem) else None


def make_folder(url: str) -> None:
    """Create a folder and its parents.

    Raises:
        UserError: The folder cannot be written.
    """
    path = local_path(url)
    try:
        if path is None:
            fsspec.core.url_to_fs(url)[0].makedirs(fsspec.core.url_to_fs(url)[1], exist_ok=True)
            return
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f"{_PARTIAL}probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(f"cannot write to {url}: {error.strerror or error}; choose another output folder") from error


def exists(url: str) -> bool:
    filesystem, path = fsspec.core.url_to_fs(url)
    return bool(filesystem.exists(path))


def read_bytes(url: str) -> bytes:
    with open_read(url) as file:
        return file.read()


def read_text(url: str) -> str:
    return read_bytes(url).decode("utf-8")


@contextmanager
def open_read(url: str) -> Iterator[IO[bytes]]:
    with fsspec.open(url, "rb") as file:
        yield cast(IO[bytes], file)


@contextmanager
def open_write(url: str) -> Iterator[IO[bytes]]:
    """A binary file that takes its name when the block ends without an error.

    Locally by rename; on an object store an object exists only once its upload is complete.
    """
    path = local_path(url)
    if path is None:
        filesystem, remote = fsspec.core.url_to_fs(url)
        with filesystem.open(remote, "wb", autocommit=False) as file:
            yield file
        file.commit()
        return
    partial = path.with_name(f"{_PARTIAL}{os.getpid()}-{path.name}")
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(url: str, text: str) -> None:
    with open_write(url) as file:
        file.write(text.encode("utf-8"))


def remove_partials(url: str) -> None:
    """Remove what killed runs left unfinished in a local folder."""
    path = local_path(url)
    if path is not None:
        for partial in path.glob(f"{_PARTIAL}*"):
            partial.unlink(missing_ok=True)


def sha256_of(url: str) -> tuple[str, int]:
    """Hexadecimal SHA-256 and size in bytes of a file, read in blocks."""
    digest, size = hashlib.sha256(), 0
    with open_read(url) as file:
        while block := file.read(1 << 20):
            digest.update(block)
            size += len(block)
    return digest.hexdigest(), size


def read_ids(path: str | None, *, option: str) -> frozenset[str] | None:
    """Utterance ids of a file, one a line; None without a file. ``option`` is the config key to blame.

    Raises:
        UserError: There is no such file, or it is no text.
    """
    if path is None:
        return None
    try:
        with fsspec.open(path, "rt", encoding="utf-8", compression="infer") as lines:
            return frozenset(line.strip() for line in lines if line.strip())
    except FileNotFoundError as error:
        raise UserError(f"{option}: no file {path}; it must hold one utterance id a line") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{option}: {path} is not UTF-8 text") from error
