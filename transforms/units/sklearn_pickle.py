"""Reads the arrays of a pickled scikit-learn model without running any code in it.

fairseq's k-means (``.bin``) is a ``MiniBatchKMeans`` written by joblib: a pickle in whose stream the raw bytes of each
array follow the opcode that describes it (joblib, ``numpy_pickle.py``; the file may be deflated by zlib as a whole).
An unpickler resolves names to callables, which is how a pickle runs code. This one resolves every admitted name to an
inert stand-in of its own and refuses the rest by name; nothing of numpy's, scikit-learn's or joblib's is ever
called by the file.
"""

import io
import math
import pickle
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from schemas.errors import UserError

_KINDS = "iuf"  # integers and floats: an object array would be a pickle within the pickle
_ZLIB = b"\x78"


def read_attribute(path: Path, name: str) -> npt.NDArray[np.generic]:
    """The array that the pickled object keeps as ``name``.

    Raises:
        UserError: No such file, not such a pickle, or one that names anything but arrays and scikit-learn's classes.
    """
    try:
        data = path.read_bytes()
        if data[:1] == _ZLIB:
            data = zlib.decompress(data)
        loaded = _Unpickler(io.BytesIO(data)).load()
    except pickle.UnpicklingError as error:
        raise UserError(f"{path}: {error}") from error
    except Exception as error:  # whatever a malformed file makes an unpickler raise is the file's fault
        raise UserError(f"{path}: not a pickled scikit-learn model ({type(error).__name__}: {error})") from error
    found = loaded.state.get(name) if isinstance(loaded, _Model) else None
    if isinstance(found, _Array):
        found = found.values
    if not isinstance(found, np.ndarray):
        raise UserError(f"{path}: the pickled object has no array {name!r}")
    return found


class _Model:
    """An object of scikit-learn's, or a random state: its attributes and nothing else."""

    state: dict[str, Any]

    def __new__(cls, *_: Any) -> "_Model":
        made = super().__new__(cls)
        made.state = {}
        return made

    def build(self, state: Any) -> None:
        if isinstance(state, dict):
            self.state.update(state)


class _Dtype:
    """Stands for ``numpy.dtype``."""

    code, order = "", "<"

    def __new__(cls, code: Any = "", *_: Any) -> "_Dtype":
        made = super().__new__(cls)
        made.code = str(code)
        return made

    def build(self, state: Any) -> None:
        self.order = str(state[1])

    def resolve(self) -> np.dtype[Any]:
        order = self.order if self.order in "<>" else "<"
        if len(self.code) < 2 or self.code[0] not in _KINDS or not self.code[1:].isdigit():
            raise pickle.UnpicklingError(f"an array of type {self.code!r}; only numbers are read")
        return np.dtype(order + self.code)


class _Array:
    """Stands for ``numpy.ndarray`` as numpy itself pickles it."""

    values: npt.NDArray[np.generic] | None = None

    def __new__(cls, *_: Any) -> "_Array":
        return super().__new__(cls)

    def build(self, state: Any) -> None:
        _, shape, dtype, fortran, data = state
        self.values = _shaped(cast(bytes, data), dtype, shape, "F" if fortran else "C")


class _Wrapper:
    """Stands for joblib's announcement of an array whose bytes follow in the stream."""

    state: dict[str, Any]

    def __new__(cls, *_: Any) -> "_Wrapper":
        return super().__new__(cls)

    def build(self, state: Any) -> None:
        self.state = dict(state)

    def read(self, read: Callable[[int], bytes]) -> npt.NDArray[np.generic]:
        if self.state.get("numpy_array_alignment_bytes") is not None:
            read(read(1)[0])
        dtype = self.state["dtype"]
        count = math.prod(int(n) for n in self.state["shape"]) * dtype.resolve().itemsize
        return _shaped(read(count), dtype, self.state["shape"], str(self.state["order"]))


def _shaped(data: bytes, dtype: Any, shape: Any, order: str) -> npt.NDArray[np.generic]:
    if not isinstance(dtype, _Dtype) or not isinstance(data, bytes | bytearray) or order not in ("C", "F"):
        raise pickle.UnpicklingError("an array without plain numbers")
    sizes = tuple(int(n) for n in shape)
    flat = np.frombuffer(data, dtype=dtype.resolve())
    return flat.reshape(sizes, order="F" if order == "F" else "C")


def _frombuffer(data: bytes, dtype: _Dtype, shape: Any, order: str, *_: Any) -> npt.NDArray[np.generic]:
    """Stands for numpy's reconstruction of an array under protocol 5."""
    return _shaped(data, dtype, shape, order)


def _encode(text: str, encoding: str) -> bytes:
    """Stands for ``_codecs.encode``, by which old protocols write bytes."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes written as {encoding!r}")
    return text.encode("latin1")


def _scalar(dtype: _Dtype, data: bytes) -> Any:
    """Stands for numpy's reconstruction of one number."""
    return _shaped(data, dtype, (1,), "C")[0]


_ADMITTED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): _Array,
    ("_codecs", "encode"): _encode,
    ("joblib.numpy_pickle", "NumpyArrayWrapper"): _Wrapper,
    **{
        (f"numpy.{core}.multiarray", name): stand_in
        for core in ("core", "_core")
        for name, stand_in in (("_reconstruct", _Array), ("scalar", _scalar))
    },
    **{(f"numpy.{core}.numeric", "_frombuffer"): _frombuffer for core in ("core", "_core")},
}
_INERT = ("sklearn.", "numpy.random.")


_PythonUnpickler: Any = pickle._Unpickler  # type: ignore[attr-defined,unused-ignore]


class _Unpickler(_PythonUnpickler):  # type: ignore[misc]
    """The pure Python unpickler, whose opcodes can be overridden."""

    dispatch = dict(_PythonUnpickler.dispatch)  # noqa: RUF012

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _ADMITTED:
            return _ADMITTED[module, name]
        if module.startswith(_INERT):
            return _Model
        raise pickle.UnpicklingError(f"it names {module}.{name}, which is no array and no scikit-learn class; refused")

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("it refers to another file; refused")

    def load_build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if not isinstance(target, (_Model, _Dtype, _Array, _Wrapper)):
            raise pickle.UnpicklingError(f"it builds a {type(target).__name__}; refused")
        target.build(state)
        if isinstance(target, _Wrapper):
            self.stack[-1] = target.read(self.read)

    dispatch[pickle.BUILD[0]] = load_build
