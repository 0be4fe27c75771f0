"""Names below a corpus path, whatever file system it lies on. No audio is read here."""

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import fsspec

from pipelines.files import local_path
from schemas.errors import RecordError, TransientError, UserError
from transforms.audio_access import is_network_error

AUDIO_EXTENSIONS = frozenset({"wav", "flac", "ogg", "oga", "opus", "mp3", "aif", "aiff", "au", "sph", "w64", "caf"})
_BUFFER_BYTES = 1 << 20


@dataclass(frozen=True)
class Location:
    """A corpus path as the user wrote it, with the file system that it is on."""

    url: str
    filesystem: Any
    root: str

    @classmethod
    def of(cls, url: str, *, option: str) -> "Location":
        """Open a URL; ``option`` is the config key that it came from.

        Raises:
            UserError: The protocol is unknown or its package is not installed.
        """
        try:
            # Listings are not cached: a cache would grow with the corpus.
            filesystem, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise UserError(f"{option}: cannot open {url}: {error}") from error
        keep = url == "/" or url.endswith("://")
        return cls(url if keep else url.rstrip("/"), filesystem, root.rstrip("/"))

    def url_of(self, name: str) -> str:
        """URL of a path relative to this one, in the words of the user's own path."""
        if self.url == "." or not name:
            return name or self.url
        return f"{self.url}{'' if self.url.endswith('/') else '/'}{name}"

    def require(self, *, option: str) -> str:
        """``file`` or ``directory``.

        Raises:
            UserError: There is neither.
            TransientError: The store does not answer, or not to us.
        """
        if self.url.endswith("://"):
            raise UserError(f"{option}: {self.url} names no bucket; write {self.url}BUCKET/PATH")
        try:
            return str(self.filesystem.info(self.root or "/")["type"])
        except FileNotFoundError as error:
            raise UserError(f"{option}: nothing at {self.url}; check the path") from error
        except PermissionError as error:
            raise UserError(f"{option}: no permission to read {self.url}") from error
        except Exception as error:
            if not is_network_error(error):
                raise
            raise TransientError(f"{option}: cannot reach {self.url}: {' '.join(str(error).split())}") from error

    def _path(self, name: str) -> str:
        return f"{self.root}/{name}" if name else self.root

    def open(self, name: str = "", *, compression: str | None = None, scattered: bool = False) -> IO[bytes]:
        """``scattered`` is for what is read in pieces far apart, between which nothing need be fetched."""
        options = {"cache_type": "none"} if scattered else {}
        # an object store's own files know no bound for a line, and look for its end a block at a time
        return io.BufferedReader(
            self.filesystem.open(self._path(name), "rb", compression=compression, **options), _BUFFER_BYTES
        )

    def open_listed(self, name: str, *, compression: str | None = None, scattered: bool = False) -> IO[bytes]:
        """Open what holds rows.

        Raises:
            UserError: It is a folder, or there is no permission to read it.
        """
        try:
            return self.open(name, compression=compression, scattered=scattered)
        except (PermissionError, IsADirectoryError) as error:
            reason = error.strerror or error
            raise UserError(f"ingest.path: cannot read {self.url_of(name)}: {reason}; name a file") from error

    def open_file(self, name: str) -> IO[bytes]:
        """Open what a listing found.

        Raises:
            RecordError: It is a folder, a pipe, a socket, a device or a link to nowhere; to open some of these blocks.
        """
        try:
            # a store lists nothing else, and each question is a request
            local = local_path(self.url) is not None
            if local and str(self.filesystem.info(self._path(name))["type"]) != "file":
                raise RecordError("unreadable_text", f"{name} is no file")
            return self.open(name)
        except FileNotFoundError as error:
            raise RecordError("unreadable_text", f"{name} is no file") from error
        except OSError as error:
            if local_path(self.url) is None:
                raise TransientError(f"cannot read {self.url_of(name)}: {error}") from error
            raise RecordError("unreadable_text", f"{name} cannot be read: {error.strerror}") from error

    def _listed(self, folder: str) -> list[dict[str, Any]]:
        try:
            return cast(list[dict[str, Any]], self.filesystem.ls(self._path(folder) or "/", detail=True))
        except PermissionError as error:
            raise UserError(f"ingest.path: no permission to list {self.url_of(folder)}") from error

    def _behind_double_slash(self, folder: str) -> list[str]:
        """Names in a folder that begin with a slash, as a bucket's may: an empty name is no folder to be listed."""
        start = len(self._path(folder)) + 1
        names = (str(path)[start:] for path in self.filesystem.find(self._path(folder)))
        return [name for name in names if name.startswith("/") and "/." not in name and not name.endswith("/")]

    def folders(self) -> Iterator[tuple[str, list[str]]]:
        """Relative name of each folder below and including this one, with its sorted files; hidden ones left out.

        A link to a folder is followed, except to one that the way to the link leads through. Memory is that of the
        largest folder.
        """
        pending: list[tuple[str, tuple[str, ...]]] = [("", (os.path.realpath(self.root or "/"),))]
        while pending:
            folder, way = pending.pop()
            files: list[str] = []
            folders: dict[str, tuple[str, ...]] = {}
            for entry in self._listed(folder):
                if entry["type"] == "directory" and str(entry["name"]).rstrip("/") == self._path(folder):
                    files += self._behind_double_slash(folder)
                    continue
                base = str(entry["name"]).rstrip("/").rpartition("/")[2]
                if not base or base.startswith("."):
                    continue
                if entry.get("islink") and Path(entry["name"]).is_dir():
                    real, passed = os.path.realpath(entry["name"]), (*way, os.path.realpath(f"{self.root}/{folder}"))
                    if not any(place == real or place.startswith(real.rstrip("/") + "/") for place in passed):
                        folders[base] = (*way, real)
                elif entry["type"] == "directory":
                    folders[base] = way
                else:
                    files.append(base)
            yield folder, sorted(files)
            pending += [
                (f"{folder}/{base}" if folder else base, passed)
                for base, passed in sorted(folders.items(), reverse=True)
            ]


def split_pattern(path: str) -> tuple[str, str]:
    """Folder and name of a path; a pattern's folder is the part before its first wildcard.

    >>> split_pattern("s3://bucket/cv/*/train.tsv")
    ('s3://bucket/cv', '*/train.tsv')
    """
    wildcards = [path.index(sign) for sign in "*?[" if sign in path]
    head = path[: min(wildcards)] if wildcards else path.rstrip("/")
    protocol, mark, rest = head.rpartition("://")
    folder, separator, _ = rest.rpartition("/")
    start = len(protocol) + len(mark) + len(folder) + len(separator)
    if mark:
        return protocol + mark + folder, path[start:]
    return (folder or "/") if separator else ".", path[start:]


def matching_files(path: str, *, option: str, extension: str | None = None) -> tuple[Location, list[str]]:
    """The files that a path means (a file, a pattern, or with ``extension`` a folder), relative to a location.

    Raises:
        UserError: There is none.
    """
    if any(sign in path for sign in "*?["):
        folder, pattern = split_pattern(path)
        location = Location.of(folder, option=option)
        found = location.filesystem.glob(f"{location.root}/{pattern}")
        names = sorted(str(name)[len(location.root) :].lstrip("/") for name in found)
        if not names:
            raise UserError(f"{option}: no file matches {path}; check the pattern")
        return location, names
    here = Location.of(path, option=option)
    kind = here.require(option=option)
    if kind == "other":
        raise UserError(f"{option}: {path} is a pipe, a socket or a device; name a file")
    if kind != "directory":
        folder, name = split_pattern(path)
        return Location.of(folder, option=option), [name]
    if extension is None:
        raise UserError(f"{option}: {path} is a folder; name the file, or use a pattern such as {path.rstrip('/')}/*")
    names = sorted(
        f"{folder}/{base}" if folder else base
        for folder, files in here.folders()
        for base in files
        if base.endswith(extension)
    )
    if not names:
        raise UserError(f"{option}: no *{extension} file in {path}")
    return here, names


def stem(name: str) -> str:
    """A name without its last extension; dots in folders don't count."""
    folder, separator, base = name.rpartition("/")
    cut = base.rfind(".")
    return folder + separator + (base[:cut] if cut > 0 else base)


def extension_of(name: str) -> str:
    """Lower-case extension without the dot, or an empty string."""
    base = name.rpartition("/")[2]
    cut = base.rfind(".")
    return base[cut + 1 :].lower() if cut > 0 else ""
