"""Arrays that a fit keeps in its work folder, so that what was computed once is there when it goes on."""

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from pipelines.files import open_write
from schemas.errors import UserError, on_one_line

Arrays = dict[str, npt.NDArray[Any]]


def save_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Replace the ``.npz`` file as a whole.

    Raises:
        EngineError: No space, or no right to write.
    """
    with open_write(str(path)) as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def load_arrays(path: Path, *names: str) -> Arrays:
    """All arrays of an ``.npz`` file.

    Raises:
        UserError: It is damaged, or lacks one of ``names``.
    """
    try:
        arrays: Arrays = dict(np.load(path, allow_pickle=False))
        if missing := set(names) - arrays.keys():
            raise ValueError(f"it holds no {', '.join(sorted(missing))}")
    except (OSError, EOFError, BadZipFile, zlib.error, ValueError, LookupError, TypeError) as error:
        raise UserError(f"cannot go on from {path} ({on_one_line(error)[:200]}); remove it to make it anew") from error
    return arrays
