"""The time loop of the CTC Viterbi, on the CPU with numpy and on a GPU with torch: the same operations in one order.

numpy on the CPU because a call costs it a third of what it costs torch, and calls are what a frame consists of.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

Array = Any  # an ndarray or a tensor, as the machine has it
Operation = Callable[[Array, Array, Array], object]  # first, second, where the result goes

_CHUNK_FRAMES = 8
_CHUNK_COLUMNS = 65_536  # a chunk's work stays in the cache


class Numpy:
    """Arrays on the CPU."""

    maximum: Operation = np.maximum
    greater: Operation = np.greater
    add: Operation = np.add

    def full(self, shape: tuple[int, ...], value: float, dtype: Any) -> Array:
        return np.full(shape, value, dtype)

    def flags(self, frames: int, states: int) -> Array:
        return np.empty((frames, states), dtype=np.bool_)

    def load(self, values: npt.NDArray[Any], like: Array | None = None) -> Array:
        return values if like is None else values.astype(like.dtype)

    def host(self, values: Array) -> npt.NDArray[Any]:
        found: npt.NDArray[Any] = values
        return found

    def take(self, frames: Array, index: Array, out: Array) -> None:
        # the indices are in range; "wrap" is the quickest of numpy's three ways to be sure of it
        np.take(frames, index, axis=1, out=out, mode="wrap")


class Torch:
    """Tensors on one device."""

    def __init__(self, device: "torch.device") -> None:
        import torch

        self._torch = torch
        self._device = device

    def maximum(self, first: Array, second: Array, out: Array) -> None:
        self._torch.maximum(first, second, out=out)

    def greater(self, first: Array, second: Array, out: Array) -> None:
        self._torch.gt(first, second, out=out)

    def add(self, first: Array, second: Array, out: Array) -> None:
        self._torch.add(first, second, out=out)

    def full(self, shape: tuple[int, ...], value: float, dtype: Any) -> Array:
        return self._torch.full(shape, value, dtype=dtype, device=self._device)

    def flags(self, frames: int, states: int) -> Array:
        return self._torch.empty((frames, states), dtype=self._torch.bool, device=self._device)

    def load(self, values: npt.NDArray[Any], like: Array | None = None) -> Array:
        tensor = self._torch.from_numpy(np.ascontiguousarray(values)).to(self._device)
        return tensor if like is None else tensor.to(like.dtype)

    def host(self, values: Array) -> npt.NDArray[Any]:
        found: npt.NDArray[Any] = values.cpu().numpy()
        return found

    def take(self, frames: Array, index: Array, out: Array) -> None:
        self._torch.index_select(frames, 1, index, out=out)


Machine = Numpy | Torch


class Sweep:
    """Runs frames over ``n`` columns. A frame has a row of work, one part behind the other::

        gaps (n) | tokens (n) | -inf | best gap (n) | best token (n)

    so that a gap's rival (its column's token) and a token's rival (the best gap of the column before) both lie at one
    distance, and one addition serves gaps and tokens alike, and one comparison all the frames of a chunk.

    Args:
        says: Positions in a frame of what the ``n`` gaps, then the ``n`` tokens say.
        start: Scores of the ``2 n`` states before the first frame.
    """

    def __init__(self, machine: Machine, frames: Array, says: npt.NDArray[np.int64], start: npt.NDArray[Any]) -> None:
        n = len(says) // 2
        chunk = max(1, min(_CHUNK_FRAMES, _CHUNK_COLUMNS // n))
        self._machine = machine
        self._says = machine.load(says)
        self._states = 2 * n
        self._chunk = chunk
        work = machine.full((chunk + 1, 4 * n + 1), -np.inf, frames.dtype)
        work[0, : 2 * n] = machine.load(start, frames)
        self._work = work
        self._emitted = machine.full((chunk, 2 * n), 0.0, frames.dtype)
        self._steps = [
            (
                work[row, :n],
                work[row, n : 2 * n],
                work[row, 2 * n + 1 : 3 * n + 1],
                work[row, 2 * n : 3 * n],
                work[row, 3 * n + 1 :],
                work[row, 2 * n + 1 :],
                self._emitted[row],
                work[row + 1, : 2 * n],
            )
            for row in range(chunk)
        ]

    def scores(self) -> npt.NDArray[Any]:
        """Scores of gaps, then tokens; shape ``(2 n,)``."""
        return self._machine.host(self._work[0, : self._states]).copy()

    def run(self, frames: Array, flags: Array | None) -> None:
        """Go over ``frames``, shape ``(K, V)``; ``flags[k, state]`` says that the state took its rival's score."""
        work, states = self._work, self._states
        maximum, add = self._machine.maximum, self._machine.add
        for begin in range(0, len(frames), self._chunk):
            chunk = frames[begin : begin + self._chunk]
            size = len(chunk)
            self._machine.take(chunk, self._says, self._emitted[:size])
            for gaps, tokens, best_gaps, gaps_before, best_tokens, best, emission, after in self._steps[:size]:
                maximum(gaps, tokens, best_gaps)
                maximum(tokens, gaps_before, best_tokens)
                add(best, emission, after)
            if flags is not None:
                rivals, both = work[:size, states // 2 : states // 2 + states], work[:size, :states]
                self._machine.greater(rivals, both, flags[begin : begin + size])
            work[0, :states] = work[size, :states]
