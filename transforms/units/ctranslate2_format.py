"""Reads the variables of a CTranslate2 ``model.bin`` (binary version 6) without CTranslate2.

Little-endian, in order (opennmt.net/CTranslate2, ``python/ctranslate2/specs/model_spec.py``):

    uint32 version | string spec | uint32 revision | uint32 count
    count x: string name | uint8 rank | uint32 x rank | uint8 dtype | uint32 bytes | data
    uint32 aliases | ...

A string is a uint16 length that counts a closing NUL.
"""

import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from schemas.errors import UserError

_DTYPES: dict[int, type[np.generic]] = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
_VERSION = 6


def read_variables(path: Path, *, prefix: str) -> dict[str, npt.NDArray[np.generic]]:
    """Arrays by name, of the variables whose name starts with ``prefix``; the others are skipped unread.

    Raises:
        UserError: Not a CTranslate2 file of this version, or cut short.
    """
    try:
        with path.open("rb") as file:
            return _read(file, prefix)
    except (struct.error, ValueError, KeyError, UnicodeDecodeError) as error:
        raise UserError(f"not a CTranslate2 model of binary version {_VERSION}: {path} ({error})") from error


def _read(file: BinaryIO, prefix: str) -> dict[str, npt.NDArray[np.generic]]:
    (version,) = _unpack(file, "<I")
    if version != _VERSION:
        raise ValueError(f"version {version}")
    _string(file)
    _, count = _unpack(file, "<II")
    variables: dict[str, npt.NDArray[np.generic]] = {}
    for _ in range(count):
        name = _string(file)
        (rank,) = _unpack(file, "<B")
        shape = _unpack(file, f"<{rank}I")
        dtype_id, num_bytes = _unpack(file, "<BI")
        if not name.startswith(prefix):
            file.seek(num_bytes, 1)
            continue
        data = np.frombuffer(file.read(num_bytes), dtype=_DTYPES[dtype_id])
        variables[name.removeprefix(prefix)] = data.reshape(shape)
    return variables


def _unpack(file: BinaryIO, layout: str) -> tuple[int, ...]:
    return struct.unpack(layout, file.read(struct.calcsize(layout)))


def _string(file: BinaryIO) -> str:
    (length,) = _unpack(file, "<H")
    return file.read(length)[:-1].decode()
