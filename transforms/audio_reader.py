"""The audio of rows, wherever it lies, and the digest of its bytes."""

import hashlib
import io
import os
import stat
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, TypeVar, cast

import pyarrow as pa
from fsspec.implementations.local import LocalFileSystem

from schemas.errors import RecordError, TransientError
from schemas.records import SourceRow, Waveform
from transforms.audio import MAX_DURATION_S, MIN_DURATION_S, RATES_HZ, decode_file
from transforms.audio_access import audio_file_system, bucket_of, is_remote, meaning_of, opens
from transforms.audio_parquet import embedded, read_row_group

_COPY_BYTES = 1 << 20
_MAX_FRAME_BYTES = 64  # eight channels of 64 bits
_SPOOL_BYTES = 64 << 20  # remote files above this go to disk
_CACHE_BYTES = 256 << 20

T = TypeVar("T")


class AudioReader:
    """Reads the audio of rows; one a worker. Keeps the Parquet row groups read last, 256 MiB of them."""

    def __init__(self, *, min_duration_s: float = MIN_DURATION_S, max_duration_s: float = MAX_DURATION_S) -> None:
        self.min_duration_s = min_duration_s
        self.max_duration_s = max_duration_s
        self._groups: OrderedDict[tuple[str, int], pa.ChunkedArray] = OrderedDict()
        self._read_before: dict[str, str] = {}  # by bucket

    def decode(self, row: SourceRow) -> tuple[Waveform, str]:
        """The row's audio, float32 mono 16 kHz, shape ``(num_samples,)``, and the SHA-256 of its encoded bytes.

        Raises:
            RecordError: ``missing_file``, ``unreadable_parquet`` and all of ``decode_file``.
            TransientError: The store did not answer; the same read may succeed later.
            UserError: The package for the URL's protocol is not installed.
        """
        with self._encoded(row) as (file, digest):
            return self._decode(file), digest

    def digest(self, row: SourceRow) -> str:
        """The digest that ``decode`` gives, with nothing decoded; raises as it does of a file that cannot be read."""
        with self._encoded(row) as (_, digest):
            return digest

    @contextmanager
    def _encoded(self, row: SourceRow) -> Iterator[tuple[IO[bytes], str]]:
        if not row.audio:
            raise RecordError("missing_file", "the row names no audio file")
        if row.audio_row >= 0:
            encoded = self._parquet_bytes(row.audio, row.audio_row)
            yield io.BytesIO(encoded), hashlib.sha256(encoded).hexdigest()
            return
        with tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES) as spool:
            file, digest = self._access(row.audio, lambda: _fetch(row.audio, cast(IO[bytes], spool), self._max_bytes))
            with file:
                yield file, digest

    def _access(self, url: str, read: Callable[[], T]) -> T:
        try:
            found = self._permitted(url, read)
        except Exception as error:
            if (meant := meaning_of(url, error)) is None:
                raise
            raise meant from error
        self._read_before[bucket_of(url)] = url
        return found

    def _permitted(self, url: str, read: Callable[[], T]) -> T:
        """A key that is forbidden is the record's fault; credentials that ran out are not, and open nothing else."""
        try:
            return read()
        except PermissionError as error:
            if not is_remote(url):
                raise
            if not opens(url, before=self._read_before.get(bucket_of(url))):
                raise TransientError(f"cannot read {url}: no permission; the credentials may have run out") from error
        return read()  # they may be new since

    @property
    def _max_bytes(self) -> int:
        """What no file within the limit exceeds: beyond it, nothing is read, hashed or copied."""
        return int(self.max_duration_s * RATES_HZ[1] * _MAX_FRAME_BYTES) + _COPY_BYTES

    def _decode(self, file: IO[bytes]) -> Waveform:
        return decode_file(file, min_duration_s=self.min_duration_s, max_duration_s=self.max_duration_s)

    def _parquet_bytes(self, url: str, row: int) -> bytes:
        for (cached, first), values in self._groups.items():
            if cached == url and first <= row < first + len(values):
                self._groups.move_to_end((cached, first))
                return embedded(values, row - first)
        first, values = self._access(url, lambda: read_row_group(url, row))
        self._groups[url, first] = values
        while len(self._groups) > 1 and sum(group.nbytes for group in self._groups.values()) > _CACHE_BYTES:
            self._groups.popitem(last=False)
        return embedded(values, row - first)


def decode(
    row: SourceRow, *, min_duration_s: float = MIN_DURATION_S, max_duration_s: float = MAX_DURATION_S
) -> tuple[Waveform, str]:
    """``AudioReader.decode`` of a single row; many rows of a Parquet file are better read by one reader."""
    return AudioReader(min_duration_s=min_duration_s, max_duration_s=max_duration_s).decode(row)


def _fetch(url: str, spool: IO[bytes], max_bytes: int) -> tuple[IO[bytes], str]:
    """A seekable local file of the URL's bytes, and their digest. A remote file is copied, on disk if it is large."""
    filesystem, path = audio_file_system(url)
    digest = hashlib.sha256()
    local = isinstance(filesystem, LocalFileSystem)
    if local and not _is_file_or_folder(path):
        raise RecordError("unreadable_audio", f"{url} is a pipe, a socket or a device")
    left = max_bytes
    source = cast(IO[bytes], open(path, "rb") if local else filesystem.open(path, "rb"))  # noqa: PTH123, SIM115
    try:
        while block := source.read(_COPY_BYTES):
            digest.update(block)
            left -= len(block)
            if left < 0:
                raise RecordError("too_long", f"the file is larger than {max_bytes} bytes", outcome="filtered")
            if not local:
                spool.write(block)
    except BaseException:
        source.close()
        raise
    if not local:
        source.close()
        source = spool
    source.seek(0)
    return source, digest.hexdigest()


def _is_file_or_folder(path: str) -> bool:
    """Opening anything else may block, or never end."""
    mode = os.stat(path).st_mode  # noqa: PTH116 (a path as fsspec gives it)
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)
