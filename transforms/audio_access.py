"""Where a row's audio lies, and what an error of reading it means: something wrong with the record, or around it."""

import errno
from typing import Any

import fsspec

from schemas.errors import RecordError, TransientError, UserError

_NO_FILE_ERRNOS = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR})
_NAME_ERRNOS = frozenset({errno.ENAMETOOLONG, errno.ELOOP})
_NETWORK_LIBRARIES = frozenset({"aiohttp", "azure", "botocore", "gcsfs", "google", "requests", "urllib3"})


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


def opens(url: str, *, before: str | None) -> bool:
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


def bucket_of(url: str) -> str:
    return "/".join(url.split("/", 3)[:3])


def meaning_of(url: str, error: Exception) -> RecordError | UserError | TransientError | None:
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
    damaged = code is None and not is_remote(url) and not isinstance(error, TimeoutError | ConnectionError)
    if isinstance(error, OSError) and (code in _NAME_ERRNOS or damaged):
        return RecordError("unreadable_audio", f"{url} cannot be read: {error.strerror}")
    if isinstance(error, OSError) or (is_remote(url) and is_network_error(error)):
        return TransientError(f"cannot read {url}: {error}")
    return None


def is_remote(url: str) -> bool:
    return "://" in url and not url.startswith(("file://", "local://", "memory://"))


def is_network_error(error: Exception) -> bool:
    """Whether it comes from a store or its client library; some of those derive from nothing but ``Exception``."""
    return isinstance(error, OSError) or type(error).__module__.partition(".")[0] in _NETWORK_LIBRARIES
