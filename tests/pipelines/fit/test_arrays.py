"""Arrays of a work folder come back as they were, and what is none of them is refused in one line."""

import numpy as np
import pytest

from pipelines.fit.arrays import load_arrays, save_arrays
from schemas.errors import UserError

ARRAYS = {"ids": np.arange(1000, dtype=np.uint16), "f0/a": np.ones((2, 3), np.float32)}


def test_arrays_come_back_and_leave_nothing_beside(tmp_path):
    path = tmp_path / "new" / "arrays.npz"
    for _ in range(2):
        save_arrays(path, ARRAYS)
    found = load_arrays(path, "ids")
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array, strict=True)
    assert [each.name for each in path.parent.iterdir()] == ["arrays.npz"]


def _changed(path, change):
    save_arrays(path, ARRAYS)
    path.write_bytes(change(path.read_bytes()))


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"no arrays"),
        lambda path: _changed(path, lambda data: data[:-30]),
        lambda path: _changed(path, lambda data: data[:700] + b"?" + data[701:]),
        lambda path: path.mkdir(),
        lambda path: np.savez(path, ids=np.array([{}], dtype=object)),
        lambda path: np.savez(path, other=np.zeros(1)),
        lambda path: np.save(path.open("wb"), np.zeros(3)),
    ],
)
def test_what_is_none_is_refused_in_one_line(tmp_path, write):
    path = tmp_path / "arrays.npz"
    write(path)
    with pytest.raises(UserError, match=r"cannot go on from .*arrays\.npz .*remove it to make it anew") as refused:
        load_arrays(path, "ids")
    assert "\n" not in str(refused.value)
