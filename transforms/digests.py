"""Digests of large files, read again only when a file has changed."""

from functools import lru_cache
from pathlib import Path

from transforms.backend import digest_file


def cached_digest(path: Path) -> str:
    """SHA-256 of a file. A change of content that keeps both size and modification time goes unseen."""
    status = path.stat()
    return _digest(path.resolve(), status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=64)
def _digest(path: Path, mtime_ns: int, size: int) -> str:
    return digest_file(path)
