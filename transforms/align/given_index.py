"""Finds an utterance's word times among many files without holding them.

An utterance is known by its id: the file's path below the folder without its extension, or its name alone, or what
a line of a shared file (CTM, JSON lines, LibriSpeech-Alignments) begins with. A file at the id's own path is opened as
it is. Only where there is none, all names (and lines, where a file holds many utterances) are read once into an index;
an entry is a 64-bit hash, a file and a byte offset (20 bytes), and a file's path once, some 85 bytes a file in a tree.
Ids are compared when a line is read.
"""

import io
import json
import unicodedata
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from pathlib import PurePosixPath
from typing import IO, Any
from urllib.parse import quote, unquote

import fsspec
import numpy as np

from schemas.errors import UserError
from transforms.align.given_formats import EXTENSIONS, FileFormat

_HASH_CONTENTS_UP_TO = 10_000
_WHOLE_BYTES = 1 << 20
_LINES_BYTES = 1 << 14
_SHARED: tuple[FileFormat, ...] = ("ctm", "jsonl", "librispeech")


@dataclass(frozen=True, slots=True)
class Place:
    """Where word times lie: from ``offset`` on in a file."""

    file: str
    offset: int
    format: FileFormat


class GivenFiles:
    """The files that a config's path means: one file, those below a folder, or those of a pattern."""

    def __init__(self, path: str, format: FileFormat | None) -> None:
        self._format = format
        self._path = path
        try:
            self._fs, self._root = fsspec.core.url_to_fs(path)
        except (ImportError, ValueError) as error:
            raise UserError(f"align.path: {' '.join(str(error).split())}") from error

    def files(self) -> Iterator[tuple[str, str, FileFormat]]:
        """Path, id of the path, and format of each file, in order.

        Raises:
            UserError: There is none.
        """
        found = False
        for file in self._candidates():
            format = self._format_of(file)
            if format is not None:
                found = True
                yield file, self._id_of(file), format
        if not found:
            kinds = ", ".join(EXTENSIONS)
            raise UserError(f"align.path: no alignment file at {self._path} (looked for {self._format or kinds})")

    def at(self, utterance_id: str) -> Place | None:
        """The file at the id's own path below the folder."""
        if any(mark in self._root for mark in "*?[") or not self._fs.isdir(self._root):
            return None
        parts = utterance_id.split("/")
        exported = "/".join(map(file_name_of, parts))
        encoded = "/".join(quote(part, safe="").replace(".", "%2E") for part in parts)
        for name in dict.fromkeys((utterance_id, exported, encoded)):
            if ".." in name.split("/"):
                continue
            for ending in (".TextGrid", ".textgrid", ".json"):
                file = f"{self._root.rstrip('/')}/{name}{ending}"
                format = self._format_of(file)
                if format is not None and self._fs.isfile(file):
                    return Place(file, 0, format)
        return None

    def open(self, file: str) -> IO[bytes]:
        """To read from its beginning on."""
        return self._buffered(file, _WHOLE_BYTES, {})

    def open_at(self, place: Place) -> IO[bytes]:
        """To read a few lines, or the little that there is; from a bucket no more is fetched ahead."""
        file = self._buffered(place.file, _LINES_BYTES, {"block_size": _LINES_BYTES, "cache_type": "none"})
        file.seek(place.offset)
        return file

    def _buffered(self, file: str, size: int, options: dict[str, Any]) -> IO[bytes]:
        # fsspec's own files of a bucket look for a line's end by copying a block for each line
        return io.BufferedReader(self._fs.open(file, "rb", **options), size)

    def digest(self) -> str:
        """Of the files' names and contents; of names and sizes where there are more than 10,000."""
        digest = blake2b(digest_size=8)
        for number, (file, name, _) in enumerate(self.files()):
            digest.update(f"{name}\0{self._fs.size(file)}\0".encode())
            if number < _HASH_CONTENTS_UP_TO:
                with self.open(file) as opened:
                    while block := opened.read(1 << 20):
                        digest.update(block)
        return digest.hexdigest()

    def _candidates(self) -> Iterator[str]:
        if any(mark in self._root for mark in "*?["):
            yield from sorted(self._fs.glob(self._root))
        elif self._fs.isdir(self._root):
            for folder, folders, files in self._fs.walk(self._root):
                folders.sort()
                yield from (f"{folder}/{name}" for name in sorted(files))
        elif self._fs.isfile(self._root):
            yield self._root

    def _format_of(self, file: str) -> FileFormat | None:
        lower = file.lower()
        known = next((format for ending, format in EXTENSIONS.items() if lower.endswith(ending)), None)
        if self._format is None:
            return known
        single = file == self._root
        return self._format if single or known == self._format else None

    def _id_of(self, file: str) -> str:
        below = file.removeprefix(self._root.rstrip("/") + "/") if file != self._root else PurePosixPath(file).name
        ending = next((ending for ending in EXTENSIONS if below.lower().endswith(ending)), "")
        return below[: len(below) - len(ending)] if ending else below


class GivenIndex:
    """Utterance id to places.

    Raises:
        UserError: There are no files, or the first one holds many utterances in UTF-16 (of a later one this is said
            when it is read).
    """

    def __init__(self, files: GivenFiles) -> None:
        file, _, format = next(files.files())
        if format in _SHARED:
            with files.open(file) as opened:
                _without_bom(opened.read(3), file)
        self._files = files

    def places(self, utterance_id: str) -> list[Place]:
        """The file at the id's own path, or all entries whose hash is the id's, by file and offset."""
        own = self._files.at(utterance_id)
        return [own] if own is not None else self._table.places(utterance_id)

    @cached_property
    def _table(self) -> "_Table":
        return _Table(self._files)


class _Table:
    """Hashes of all names, sorted."""

    def __init__(self, files: GivenFiles) -> None:
        self._paths = bytearray()
        self._path_ends = array("Q")
        self._formats: list[FileFormat] = []
        keys, owners, offsets = array("Q"), array("L"), array("Q")
        for file, name, format in files.files():
            owner = len(self._formats)
            self._formats.append(format)
            self._paths += file.encode()
            self._path_ends.append(len(self._paths))
            for key, offset in _entries(files, file, name, format):
                keys.append(_hash(key))
                owners.append(owner)
                offsets.append(offset)
        order = np.argsort(np.asarray(keys, dtype=np.uint64), kind="stable")
        self._keys = np.asarray(keys, dtype=np.uint64)[order]
        self._owners = np.asarray(owners, dtype=np.uint32)[order]
        self._offsets = np.asarray(offsets, dtype=np.uint64)[order]

    def places(self, utterance_id: str) -> list[Place]:
        key = np.uint64(_hash(utterance_id))
        begin, end = np.searchsorted(self._keys, key, "left"), np.searchsorted(self._keys, key, "right")
        found = {(int(self._owners[i]), int(self._offsets[i])) for i in range(int(begin), int(end))}
        return [Place(self._path(owner), offset, self._formats[owner]) for owner, offset in sorted(found)]

    def _path(self, owner: int) -> str:
        begin = self._path_ends[owner - 1] if owner else 0
        return self._paths[begin : self._path_ends[owner]].decode()


def file_name_of(part: str) -> str:
    """A part of an id as a file's or a folder's name: letters, marks and digits of any script, ``_`` and ``-`` stay,
    the rest is percent-encoded."""
    return "".join(
        char
        if char in "_-" or unicodedata.category(char)[0] in "LMN"
        else "".join(f"%{byte:02X}" for byte in char.encode())
        for char in part
    )


def is_named(utterance_id: str, name: str) -> bool:
    """Whether a name in a file means this utterance, as it is or percent-encoded."""
    return utterance_id in (name, unquote(name))


def id_of_json(value: Any) -> str | None:
    found = value.get("utterance_id", value.get("id")) if isinstance(value, dict) else None
    return found if isinstance(found, str) else None


def _entries(files: GivenFiles, file: str, name: str, format: FileFormat) -> Iterator[tuple[str, int]]:
    if format not in _SHARED:
        last = PurePosixPath(name).name
        for key in {name, unquote(name), last, unquote(last)}:
            yield key, 0
        return
    offset, previous, named, unread = 0, None, False, None
    with files.open(file) as lines:
        for line in lines:
            try:
                current = _id_of_line(line if offset else _without_bom(line, file), format)
            except (ValueError, RecursionError) as error:
                current, unread = None, error
            named = named or current is not None
            if current is not None and (current != previous or format != "ctm"):
                for key in {current, unquote(current)}:
                    yield key, offset
            previous = current if current is not None else previous
            offset += len(line)
    if unread is not None and not named:
        raise UserError(f"align.path: {file} holds no line of JSON with an id ({unread})")


def _without_bom(line: bytes, file: str) -> bytes:
    """The first line of a shared file.

    Raises:
        UserError: The file is in UTF-16, in which lines do not end where bytes say so.
    """
    if line.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UserError(f"align.path: {file} is UTF-16 text; a file of many utterances must be UTF-8: convert it")
    return line.removeprefix(b"\xef\xbb\xbf")


def _id_of_line(line: bytes, format: FileFormat) -> str | None:
    """The id that a line names; None where it names none.

    Raises:
        ValueError, RecursionError: It should be JSON and is not.
    """
    text = line.decode("utf-8", "replace").strip()
    if not text or (format == "ctm" and text.startswith(";;")):
        return None
    return id_of_json(json.loads(text)) if format == "jsonl" else text.split(None, 1)[0]


def _hash(key: str) -> int:
    return int.from_bytes(blake2b(key.encode(errors="surrogatepass"), digest_size=8).digest(), "little")
