"""A store that fails and then answers."""

import errno
import io

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from pipelines.files import _PAUSES_S, patiently, read_bytes, write_bytes
from schemas.errors import EngineError, TransientError

URL = "flaky://bucket/object"


class FakeFlakyStore(MemoryFileSystem):
    """Fails so many times, each time it is asked for an object's bytes, then answers."""

    protocol = "flaky"
    cachable = False
    store: dict = {}  # noqa: RUF012 (as its parent's)
    failures = 0
    error: Exception = ConnectionResetError("reset by peer")
    asked = 0

    def _maybe_fail(self) -> None:
        FakeFlakyStore.asked += 1
        if FakeFlakyStore.failures:
            FakeFlakyStore.failures -= 1
            raise FakeFlakyStore.error

    def _open(self, *args, **kwargs):
        self._maybe_fail()
        return super()._open(*args, **kwargs)

    def put_file(self, lpath, rpath, **kwargs):
        self._maybe_fail()
        with open(lpath, "rb") as file:  # noqa: PTH123
            self.pipe_file(rpath, file.read())

    def pipe_file(self, path, value, mode="overwrite", **kwargs):
        with io.BytesIO(value) as data, MemoryFileSystem._open(self, self._strip_protocol(path), "wb") as file:
            file.write(data.read())


@pytest.fixture
def flaky(monkeypatch):
    fsspec.register_implementation("flaky", FakeFlakyStore, clobber=True)
    pauses: list[float] = []
    monkeypatch.setattr("pipelines.files.time.sleep", pauses.append)
    monkeypatch.setattr(patiently, "__kwdefaults__", {"sleep": pauses.append})
    FakeFlakyStore.store.clear()
    FakeFlakyStore.failures = 0
    FakeFlakyStore.error = ConnectionResetError("reset by peer")
    write_bytes(URL, b"old")
    FakeFlakyStore.asked = 0
    return pauses


@pytest.mark.parametrize("failures", range(len(_PAUSES_S) + 1))
def test_reading_and_writing_outlast_a_few_failures(flaky, failures):
    FakeFlakyStore.failures = failures
    write_bytes(URL, b"new")
    assert flaky == list(_PAUSES_S[:failures])
    FakeFlakyStore.failures = failures
    assert read_bytes(URL) == b"new"
    assert FakeFlakyStore.asked == 2 * (failures + 1)


def test_patience_ends(flaky):
    FakeFlakyStore.failures = 100
    with pytest.raises(TransientError, match=r"flaky://bucket/object: reset by peer \(4 tries\)"):
        read_bytes(URL)
    assert FakeFlakyStore.asked == len(_PAUSES_S) + 1
    assert flaky == list(_PAUSES_S)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (FileNotFoundError("gone"), FileNotFoundError),
        (ValueError("a bug"), ValueError),
        (OSError(errno.ENOSPC, "No space left on device"), EngineError),
        (PermissionError(errno.EACCES, "Permission denied"), EngineError),
    ],
)
def test_what_does_not_pass_is_not_tried_again(flaky, error, expected):
    FakeFlakyStore.failures, FakeFlakyStore.error = 1, error
    with pytest.raises(expected):
        read_bytes(URL)
    assert FakeFlakyStore.asked == 1
    assert flaky == []


def test_a_disk_is_not_asked_twice(tmp_path, flaky):
    asked = 0

    def work() -> None:
        nonlocal asked
        asked += 1
        raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(OSError, match="Input/output"):
        patiently(str(tmp_path / "file"), work)
    assert asked == 1
    assert flaky == []
