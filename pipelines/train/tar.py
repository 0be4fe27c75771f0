"""Reading a shard's samples without its audio: a tar is 512-byte headers, and what is not wanted is skipped.

``webdataset`` reads these shards too; this reader takes a tenth of its time, because a training epoch reads small
members only. It knows what ``TarWriter`` writes: POSIX tars, long names in pax headers.
"""

from collections.abc import Collection, Iterator
from io import BufferedReader

from pipelines.files import open_read
from schemas.errors import UserError

_BLOCK = 512
_BUFFER_BYTES = 1 << 18


def read_members(url: str, *, suffixes: Collection[str]) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Keys and wanted members (by suffix) of the samples of a tar, in order.

    Raises:
        UserError: The tar ends in the middle.
    """
    key, sample = "", dict[str, bytes]()
    long_name = ""
    with open_read(url) as stream:
        file = BufferedReader(stream, _BUFFER_BYTES)  # type: ignore[type-var]  # any readable binary file
        while True:
            header = file.read(_BLOCK)
            if len(header) < _BLOCK:
                raise UserError(f"{url}: cut off; `plait verify` finds damaged shards, `plait run` makes them again")
            if header[0] == 0:
                break
            size = int(header[124:136].rstrip(b"\0 ") or b"0", 8)
            padding = -size % _BLOCK
            kind = header[156:157]
            if kind == b"x":
                long_name = _pax_path(file.read(size + padding)[:size])
                continue
            name, long_name = long_name or _name(header), ""
            stem, _, suffix = name.partition(".")
            if kind not in (b"0", b"\0") or suffix not in suffixes:
                file.seek(size + padding, 1)
                continue
            if stem != key:
                if sample:
                    yield key, sample
                key, sample = stem, {}
            data = file.read(size + padding)
            if len(data) < size + padding:
                raise UserError(f"{url}: cut off; `plait verify` finds damaged shards, `plait run` makes them again")
            sample[suffix] = data[:size]
    if sample:
        yield key, sample


def _name(header: bytes) -> str:
    name, prefix = header[:100].rstrip(b"\0"), header[345:500].rstrip(b"\0")
    return (prefix + b"/" + name if prefix else name).decode("utf-8")


def _pax_path(records: bytes) -> str:
    """The ``path`` of a pax header, whose records are ``LENGTH KEY=VALUE`` lines."""
    while records:
        length = int(records[: records.index(b" ")])
        key, _, value = records[: length - 1].partition(b" ")[2].partition(b"=")
        if key == b"path":
            return value.decode("utf-8")
        records = records[length:]
    return ""
