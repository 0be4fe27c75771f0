"""From an audio file of any rate and channel count to a 16 kHz mono waveform, and the digest of its bytes.

Memory is bounded by ``max_duration_s`` and not by what a header claims: samples are read in blocks, averaged to
mono at once, and reading stops where the limit is passed.
"""

import errno
import hashlib
import io
import os
import stat
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any, TypeVar, cast

import fsspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile as sf
import soxr
from fsspec.implementations.local import LocalFileSystem

from schemas.errors import RecordError, TransientError, UserError
from schemas.records import SAMPLE_RATE_HZ, SourceRow, Waveform
from transforms.audio_ends import missing_riff_bytes, mp3_counts_its_frames, ogg_is_whole

MIN_DURATION_S = 0.08  # Spirit LM cuts audio to between 80 ms ...
MAX_DURATION_S = 100.0  # ... and 100 s (Nguyen et al., TACL 2025)
RATES_HZ = (4_000, 384_000)
MAX_PEAK = 4.0  # above it, floating-point samples are not on the scale of [-1, 1]

_BLOCK_VALUES = 1 << 20
_COPY_BYTES = 1 << 20
_MAX_FRAME_BYTES = 64  # eight channels of 64 bits
_SPOOL_BYTES = 64 << 20  # remote files above this go to disk
_CACHE_BYTES = 256 << 20
_EXACT_LENGTH_FORMATS = frozenset({"WAV", "WAVEX", "RF64", "W64", "FLAC", "AIFF", "AU", "CAF"})
_MP3_TOLERANCE_FRAMES = 2 * 1152  # encoders differ in whether they count the frame that holds the count
_LEAST_MEAN_ENERGY = 0.01
_NO_FILE_ERRNOS = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR})
_NAME_ERRNOS = frozenset({errno.ENAMETOOLONG, errno.ELOOP})
_NETWORK_LIBRARIES = frozenset({"aiohttp", "azure", "botocore", "gcsfs", "google", "requests", "urllib3"})

T = TypeVar("T")


def resampled_length(frames: int, rate_hz: int) -> int:
    """Samples at 16 kHz of ``frames`` at ``rate_hz``: the nearest integer, halves rounded up."""
    return (2 * frames * SAMPLE_RATE_HZ + rate_hz) // (2 * rate_hz)


def resample(mono: Waveform, rate_hz: int) -> Waveform:
    """``mono`` at 16 kHz, ``resampled_length`` samples within [-1, 1] (soxr, very high quality).

    What is louder is scaled down to a peak of 1, as clipping would distort it.
    """
    length = resampled_length(len(mono), rate_hz)
    peak = np.abs(mono).max(initial=0.0)
    if peak > 1.0:
        mono = mono / peak
    if rate_hz != SAMPLE_RATE_HZ:
        # soxr stops within a sample of the exact length
        mono = np.asarray(soxr.resample(mono, rate_hz, SAMPLE_RATE_HZ, quality="VHQ"), dtype=np.float32)[:length]
        mono = np.pad(mono, (0, length - len(mono)))
    return np.clip(mono, -1.0, 1.0)


def decode_file(
    file: IO[bytes], *, min_duration_s: float = MIN_DURATION_S, max_duration_s: float = MAX_DURATION_S
) -> Waveform:
    """Decode a seekable binary file of a format that libsndfile reads (wav, flac, ogg, opus, mp3 ...).

    Channels are averaged; where they cancel out (less than 1 % of their mean energy is left), the loudest is taken.

    Raises:
        RecordError: ``unreadable_audio``, ``truncated_audio`` or ``invalid_samples``; filtered: ``empty_audio``,
            ``too_short``, ``too_long``.
    """
    try:
        mono, rate_hz, loudest = _read_mono(file, max_duration_s)
        if loudest is not None:
            mono, _, _ = _read_mono(file, max_duration_s, channel=loudest)
    except sf.LibsndfileError as error:
        raise RecordError("unreadable_audio", f"libsndfile cannot read it: {error.error_string.strip()}") from error
    if not len(mono):
        raise RecordError("empty_audio", "the file has no samples", outcome="filtered")
    if not np.isfinite(mono).all():
        raise RecordError("invalid_samples", "the file holds NaN or infinite samples")
    peak = float(np.abs(mono).max())
    if peak > MAX_PEAK:
        raise RecordError("invalid_samples", f"samples reach {peak:.6g}, far outside [-1, 1]")
    if len(mono) < min_duration_s * rate_hz:
        detail = f"{len(mono) / rate_hz * 1000:.1f} ms is below the minimum of {min_duration_s * 1000:g} ms"
        raise RecordError("too_short", detail, outcome="filtered")
    return resample(mono, rate_hz)


def _read_mono(
    file: IO[bytes], max_duration_s: float, *, channel: int | None = None
) -> tuple[Waveform, int, int | None]:
    """The mean of the channels, or one of them; the sample rate; the loudest channel if the mean is next to nothing."""
    counted = mp3_counts_its_frames(file)
    file.seek(0)
    with sf.SoundFile(file) as sound:
        rate_hz, claimed, container = int(sound.samplerate), int(sound.frames), sound.format
        blocks: list[Waveform] = []
        energy_C, mean_energy = np.zeros(sound.channels), 0.0
        for block in _blocks(sound, int(max_duration_s * rate_hz)):
            blocks.append(block.mean(axis=1, dtype=np.float32) if channel is None else block[:, channel].copy())
            if sound.channels > 1:
                energy_C += np.square(block, dtype=np.float64).sum(axis=0)
                mean_energy += float(np.square(blocks[-1], dtype=np.float64).sum())
        missing = missing_riff_bytes(sound.extra_info) if container in ("WAV", "WAVEX") else 0
    mono = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    if len(mono) > int(max_duration_s * rate_hz):
        raise RecordError("too_long", f"it lasts longer than the maximum of {max_duration_s:g} s", outcome="filtered")
    least = claimed if container in _EXACT_LENGTH_FORMATS else 0
    if container == "MP3" and counted:
        least = claimed - _MP3_TOLERANCE_FRAMES
    if missing or len(mono) < least:
        raise RecordError(
            "truncated_audio", f"the file ends after {len(mono) / rate_hz:.3f} s, its header promises more"
        )
    if container == "OGG" and not ogg_is_whole(file):
        raise RecordError("truncated_audio", f"the file ends after {len(mono) / rate_hz:.3f} s, its stream goes on")
    cancelled = channel is None and mean_energy < _LEAST_MEAN_ENERGY * float(energy_C.mean())
    return mono, rate_hz, int(energy_C.argmax()) if cancelled else None


def _blocks(sound: sf.SoundFile, limit: int) -> Iterator[npt.NDArray[np.float32]]:
    """Frames of all channels, shape ``(frames, channels)``, until there are more than ``limit``."""
    rate_hz, frames = sound.samplerate, 0
    if not RATES_HZ[0] <= rate_hz <= RATES_HZ[1]:
        raise RecordError(
            "unreadable_audio", f"a sample rate of {rate_hz} Hz is outside {RATES_HZ[0]} to {RATES_HZ[1]}"
        )
    while frames <= limit:
        try:
            block = sound.read(max(1, _BLOCK_VALUES // sound.channels), dtype="float32", always_2d=True)
        except sf.LibsndfileError as error:
            # The decoder lost its way in data that the header had promised.
            raise RecordError(
                "truncated_audio", f"damaged or cut after {frames / rate_hz:.3f} s: {error.error_string.strip()}"
            ) from error
        if not len(block):
            return
        yield block
        frames += len(block)


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
            if (meant := _sorted(url, error)) is None:
                raise
            raise meant from error
        self._read_before[_bucket(url)] = url
        return found

    def _permitted(self, url: str, read: Callable[[], T]) -> T:
        """A key that is forbidden is the record's fault; credentials that ran out are not, and open nothing else."""
        try:
            return read()
        except PermissionError as error:
            if not _is_remote(url):
                raise
            if not _opens(url, before=self._read_before.get(_bucket(url))):
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
                return _embedded(values, row - first)
        first, values = self._access(url, lambda: _read_row_group(url, row))
        self._groups[url, first] = values
        while len(self._groups) > 1 and sum(group.nbytes for group in self._groups.values()) > _CACHE_BYTES:
            self._groups.popitem(last=False)
        return _embedded(values, row - first)


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


def audio_file_system(url: str) -> tuple[Any, str]:
    """Raises RecordError where a row's name makes no file system: it may be any string.

    Nothing is chained: the key of an object may hold ``::``.
    """
    try:
        protocol = fsspec.core.split_protocol(url)[0] or "file"
        options = fsspec.get_filesystem_class(protocol)._get_kwargs_from_urls(url)
        filesystem = fsspec.filesystem(protocol, **options)
        path = filesystem._strip_protocol(url)
    except (ImportError, OSError):
        raise
    except Exception as error:  # each of fsspec's file systems refuses arguments in its own way
        raise RecordError("missing_file", f"{url!r} cannot be opened as a path or URL") from error
    return filesystem, path


def _is_file_or_folder(path: str) -> bool:
    """Opening anything else may block, or never end."""
    mode = os.stat(path).st_mode  # noqa: PTH116 (a path as fsspec gives it)
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)


def _opens(url: str, *, before: str | None) -> bool:
    """Whether credentials that do not open a URL open what was read ``before`` from its bucket, or else another file of
    its folder, the first by name; where there is no other, whether they list the folder."""
    try:
        filesystem, path = audio_file_system(before or url)
        filesystem.invalidate_cache()
        if before is None:
            beside = filesystem.ls(filesystem._parent(path), detail=True)
            files = sorted(entry["name"] for entry in beside if entry["type"] == "file")
            path = next((name for name in files if name.strip("/") != path.strip("/")), "")
        if path:
            filesystem.cat_file(path, start=0, end=1)
    except Exception as error:
        if is_network_error(error):
            return False
        raise
    return True


def _bucket(url: str) -> str:
    return "/".join(url.split("/", 3)[:3])


def _sorted(url: str, error: Exception) -> RecordError | UserError | TransientError | None:
    """What an error of a read means: something wrong with the record, or something that may pass by itself; None for a
    bug.

    Of what an operating system says, a record is charged with what is said of its name alone.
    """
    code = error.errno if isinstance(error, OSError) else None
    if isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError) or code in _NO_FILE_ERRNOS:
        return RecordError("missing_file", f"no audio file at {url}")
    if isinstance(error, PermissionError):
        return RecordError("unreadable_audio", f"no permission to read {url}")
    if isinstance(error, ImportError):
        return UserError(f"cannot open {url}: {error}")
    if isinstance(error, ValueError):  # an unknown protocol, a NUL in a path
        return RecordError("missing_file", f"{url!r} cannot be opened as a path or URL")
    # pyarrow's of damaged data has no number
    damaged = code is None and not _is_remote(url) and not isinstance(error, TimeoutError | ConnectionError)
    if isinstance(error, OSError) and (code in _NAME_ERRNOS or damaged):
        return RecordError("unreadable_audio", f"{url} cannot be read: {error.strerror}")
    if isinstance(error, OSError) or (_is_remote(url) and is_network_error(error)):
        return TransientError(f"cannot read {url}: {error}")
    return None


def _is_remote(url: str) -> bool:
    return "://" in url and not url.startswith(("file://", "local://", "memory://"))


def is_network_error(error: Exception) -> bool:
    """Whether it comes from a store or its client library; some of those derive from nothing but ``Exception``."""
    return isinstance(error, OSError) or type(error).__module__.partition(".")[0] in _NETWORK_LIBRARIES


def parquet_audio_column(schema: pa.Schema) -> str:
    """Name of the column that holds encoded audio: ``struct<bytes: binary, ...>``, or plain binary named ``audio``.

    Raises:
        RecordError: None or several are there and none is named ``audio`` (``unreadable_parquet``).
    """
    found = [field.name for field in schema if _holds_bytes(field.type)]
    if "audio" in schema.names and ("audio" in found or _is_binary(schema.field("audio").type)):
        return "audio"
    if len(found) != 1:
        what = f"several audio columns ({', '.join(found)})" if found else "no audio column"
        raise RecordError(
            "unreadable_parquet", f"{what}; there must be one of type struct<bytes: binary, path: string>"
        )
    return str(found[0])


def _is_binary(kind: Any) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _holds_bytes(kind: Any) -> bool:
    return bool(
        pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0 and _is_binary(kind.field("bytes").type)
    )


def _read_row_group(url: str, row: int) -> tuple[int, pa.ChunkedArray]:
    """First row of the row group that holds ``row``, and the encoded audio of all its rows. No other column is read."""
    filesystem, path = audio_file_system(url)
    try:
        with filesystem.open(path, "rb", cache_type="none") as source:
            file = pq.ParquetFile(source, pre_buffer=True)
            column = parquet_audio_column(file.schema_arrow)
            leaf = f"{column}.bytes" if _holds_bytes(file.schema_arrow.field(column).type) else column
            first = 0
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                if row < first + rows:
                    values = file.read_row_group(group, columns=[leaf]).column(column)
                    return first, values if leaf == column else _field(values, "bytes")
                first += rows
    except pa.ArrowInvalid as error:
        raise RecordError("unreadable_parquet", f"{url} is damaged") from error
    raise RecordError("missing_file", f"{url} has no row {row}")


def _field(structs: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    return pa.chunked_array([chunk.field(name) for chunk in structs.chunks], type=structs.type.field(name).type)


def _embedded(values: pa.ChunkedArray, index: int) -> bytes:
    encoded = values[index].as_py()
    if encoded is None:
        raise RecordError("missing_file", "the row holds no audio bytes")
    return cast(bytes, encoded)
