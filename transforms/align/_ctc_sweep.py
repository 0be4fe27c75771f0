"""The time loop of the CTC Viterbi: on a CPU compiled, one recording at a time; on a GPU by torch, a batch at a time.

Both do the same operations on the same numbers in the same order.
"""

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from transforms.align._ctc_kernel import run_frames

if TYPE_CHECKING:
    import torch

Array = Any  # an ndarray on the CPU, a tensor on a GPU

_CHUNK_FRAMES = 8
_CHUNK_COLUMNS = 65_536


class Sweep(Protocol):
    """Scores of the ``2 n`` states of ``n`` columns, all gaps and then all tokens, that move on frame by frame."""

    def flags(self, frames: int) -> Array:
        """Room for ``run``: shape ``(frames, 2 n)``."""
        ...

    def run(self, frames: Array, flags: Array | None) -> None:
        """Go over ``frames``, shape ``(K, V)``; ``flags[k, state]`` says that the state took its rival's score."""
        ...

    def scores(self) -> npt.NDArray[Any]:
        """Scores of gaps, then tokens; shape ``(2 n,)``."""
        ...


class CpuSweep:
    """A recording on the CPU.

    Args:
        says: Positions in a frame of what the ``n`` gaps, then the ``n`` tokens say.
        start: Scores of the ``2 n`` states before the first frame, in the precision to be summed in.
    """

    def __init__(self, says: npt.NDArray[np.int64], start: npt.NDArray[Any]) -> None:
        columns = len(says) // 2
        entries = says.astype(np.uint32)  # unsigned, none is taken to count from the end
        self._scores = start.copy()
        self._halves = entries[:columns], entries[columns:], self._scores[:columns], self._scores[columns:]

    def flags(self, frames: int) -> npt.NDArray[np.bool_]:
        return np.empty((frames, len(self._scores)), dtype=np.bool_)

    def run(self, frames: npt.NDArray[Any], flags: npt.NDArray[np.bool_] | None) -> None:
        run_frames(frames, *self._halves, self.flags(0) if flags is None else flags)

    def scores(self) -> npt.NDArray[Any]:
        return self._scores.copy()


class TorchSweep:
    """Recordings on one device, their columns in one row; what the first column's token says must be -inf for each.

    A frame has a row of work, one part behind the other::

        gaps (n) | tokens (n) | -inf | best gap (n) | best token (n)

    so that a gap's rival (its column's token) and a token's rival (the best gap of the column before) both lie at one
    distance, and one addition serves gaps and tokens alike, and one comparison all the frames of a chunk.
    """

    def __init__(self, frames: "torch.Tensor", says: npt.NDArray[np.int64], start: npt.NDArray[Any]) -> None:
        import torch

        n = len(says) // 2
        device = frames.device
        chunk = max(1, min(_CHUNK_FRAMES, _CHUNK_COLUMNS // n))
        self._says = torch.from_numpy(says).to(device)
        self._states = 2 * n
        self._chunk = chunk
        work = torch.full((chunk + 1, 4 * n + 1), -torch.inf, dtype=frames.dtype, device=device)
        work[0, : 2 * n] = torch.from_numpy(start).to(device, frames.dtype)
        self._work = work
        self._emitted = torch.empty((chunk, 2 * n), dtype=frames.dtype, device=device)
        self._torch = torch
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

    def flags(self, frames: int) -> "torch.Tensor":
        return self._torch.empty((frames, self._states), dtype=self._torch.bool, device=self._work.device)

    def run(self, frames: "torch.Tensor", flags: "torch.Tensor | None") -> None:
        torch, work, states = self._torch, self._work, self._states
        for begin in range(0, len(frames), self._chunk):
            chunk = frames[begin : begin + self._chunk]
            size = len(chunk)
            torch.index_select(chunk, 1, self._says, out=self._emitted[:size])
            for gaps, tokens, best_gaps, gaps_before, best_tokens, best, emission, after in self._steps[:size]:
                torch.maximum(gaps, tokens, out=best_gaps)
                torch.maximum(tokens, gaps_before, out=best_tokens)
                torch.add(best, emission, out=after)
            if flags is not None:
                rivals, both = work[:size, states // 2 : states // 2 + states], work[:size, :states]
                torch.gt(rivals, both, out=flags[begin : begin + size])
            work[0, :states] = work[size, :states]

    def scores(self) -> npt.NDArray[Any]:
        found: npt.NDArray[Any] = self._work[0, : self._states].cpu().numpy().copy()
        return found
