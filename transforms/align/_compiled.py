"""Loops over numbers, compiled by numba."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """Compile a function when it is first called.

    What numba made is kept beside the module, or in the user's cache folder; a process that can write to neither
    compiles for itself, which takes it a second or two.
    """
    try:
        return cast(_Function, njit(nogil=True, cache=True)(function))
    except RuntimeError:  # numba's word for "there is nowhere to keep it"
        return cast(_Function, njit(nogil=True)(function))
