"""The best CTC path through given tokens, for many recordings at once, exact.

CTC (Graves et al. 2006) puts a gap (blank) before, between and after the tokens; from a token the path goes on to the
gap behind it, or straight to the next token if that is another one. Column ``k`` holds token ``k`` and the gap behind
it, column 0 the first gap alone::

    column   0   1   2
    token    -   h   i       token_k' = max(token_k, gap_k-1, token_k-1) + log p(token k)
    gap      _   _   _       gap_k'   = max(gap_k, token_k)              + log p(blank)

A frame is two maxima, two comparisons that leave a byte a state for the way back, and an addition for each state. A
token that repeats its neighbour needs a gap in between; it is written as a token that says blank, which changes no
score by a bit and spares the recurrence its exception. The additions are those of
``torchaudio.functional.forced_align`` in the same order, so both find the same path. Among equals, staying is preferred
to a gap and a gap to a leap; ``forced_align`` stays where gap and leap are equal and better, and so can miss the best
path.

On a CPU recordings follow each other through a compiled loop (``_ctc_kernel``); on a GPU the columns of all recordings
lie end to end in one row, and a frame is three vector operations (``_ctc_sweep``).

A long recording is cut in time: the scores at the cuts are kept, and on the way back each piece is run again with only
those columns that it can still reach. That costs one forward pass and a little, in memory linear in the length.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from transforms.align._ctc_kernel import Ints, walk_back
from transforms.align._ctc_sweep import Array, CpuSweep, Sweep, TorchSweep

if TYPE_CHECKING:
    import torch

Floats = npt.NDArray[np.floating[Any]]
Scores = npt.NDArray[Any]  # of the gaps of all columns, then of their tokens; a state is a position in this

POINTER_BYTES = 2**26
DOUBLE_FRAMES = 8192
"""Longer paths are summed in double precision; in single precision, rounding would decide there."""
_PIECES = 32


@dataclass(frozen=True, slots=True)
class Path:
    """One recording's best path.

    Args:
        places: Index of the token that a frame says, -1 in a gap; shape ``(T,)``.
        log_probs: Log-probability of what a frame says; shape ``(T,)``.
    """

    places: Ints
    log_probs: Floats


@dataclass(frozen=True, slots=True)
class _Columns:
    """The columns of the recordings one behind the other, ``N`` in all; recording ``b`` has those from
    ``edges[b]`` to ``edges[b + 1]``.

    Args:
        says: Entries of an emission that the gaps, then the tokens say; shape ``(2, N)``. A recording's first column
            has no token: its score is -inf from the start.
        places: Index of a column's token, -1 where it has none or says blank; shape ``(N,)``.
    """

    edges: Ints
    says: Ints
    places: Ints

    def of(self, row: int) -> "_Columns":
        first, last = self.edges[row], self.edges[row + 1]
        return _Columns(np.array([0, last - first]), self.says[:, first:last], self.places[first:last])

    def start(self, dtype: npt.DTypeLike) -> Scores:
        """Scores of all states before the first frame."""
        scores = np.full(2 * len(self.places), -np.inf, dtype)
        scores[self.edges[:-1]] = 0.0
        return scores

    def path(self, states: Ints | None, log_probs_TV: Floats) -> Path | None:
        """What the states of one recording's path say, and with what probability."""
        if states is None:
            return None
        places = np.concatenate([np.full(len(self.places), -1), self.places])
        return Path(places[states], log_probs_TV[np.arange(len(states)), self.says.ravel()[states]])


def best_paths(
    log_probs: "Floats | torch.Tensor",
    lengths: Sequence[int],
    tokens: Sequence[Sequence[int]],
    *,
    blank: int,
    gaps: Sequence[Sequence[int]] | None = None,
    pointer_bytes: int = POINTER_BYTES,
) -> list[Path | None]:
    """Best path of every recording; None where its frames cannot hold its tokens.

    Args:
        log_probs: Shape ``(B, T, V)``, padded; an array, or a tensor on any device.
        lengths: Frames of each recording, from 1 to ``T``.
        tokens: At least one for each recording, below ``V``.
        gaps: What the gap before each token and the one behind the last say, ``len(tokens[b]) + 1`` for recording
            ``b``; ``blank`` everywhere if not given.
        pointer_bytes: Memory for the way back. A recording that needs more is run in pieces.

    Raises:
        ValueError: A recording has no tokens, or the numbers of recordings differ.
    """
    rows = len(tokens)
    if rows != len(log_probs) or rows != len(lengths) or any(len(row) == 0 for row in tokens):
        raise ValueError("every recording needs emissions, a length and at least one token")
    columns = _columns(tokens, gaps, blank=blank)
    if not isinstance(log_probs, np.ndarray) and log_probs.device.type != "cpu":
        return _on_device(log_probs, lengths, columns, pointer_bytes)
    values = np.ascontiguousarray(log_probs)
    paths = []
    for row, length in enumerate(lengths):
        mine, frames = columns.of(row), values[row, :length]
        start = mine.start(np.float64 if length > DOUBLE_FRAMES else values.dtype)
        states, _ = _trace(frames, mine.says.ravel(), start, None, pointer_bytes)
        paths.append(mine.path(states, frames))
    return paths


def _columns(tokens: Sequence[Sequence[int]], gaps: Sequence[Sequence[int]] | None, *, blank: int) -> _Columns:
    """Lay out the columns."""
    sizes = np.array([len(row) for row in tokens])
    token = np.concatenate([np.asarray(row, dtype=np.int64) for row in tokens])
    row = np.repeat(np.arange(len(sizes)), sizes)
    first = np.cumsum(sizes) - sizes
    place = np.arange(len(token)) - first[row]
    repeats = np.zeros(len(token), dtype=np.int64)
    repeats[1:] = (token[1:] == token[:-1]) & (place[1:] > 0)
    at = np.arange(len(token)) + np.cumsum(repeats) + row + 1  # each recording has a column before its first token
    edges = np.append(at[first] - 1, at[-1] + 1)
    twins = np.flatnonzero(repeats)

    says = np.full((2, edges[-1]), blank)
    places = np.full(edges[-1], -1)
    if gaps is not None:
        behind = np.concatenate([np.asarray(row_gaps[1:], dtype=np.int64) for row_gaps in gaps])
        says[0, edges[:-1]] = [row_gaps[0] for row_gaps in gaps]
        says[0, at] = behind
        says[0, at[twins] - 1] = behind[twins - 1]
    says[1, at] = token
    says[1, at[twins] - 1] = says[0, at[twins] - 1]
    places[at] = place
    return _Columns(edges, says, places)


def _on_device(
    log_probs: "torch.Tensor", lengths: Sequence[int], columns: _Columns, pointer_bytes: int
) -> list[Path | None]:
    """Best paths from emissions on a GPU: in one sweep, or one recording at a time where that would not fit."""
    rows, longest = len(lengths), max(lengths)
    if rows > 1 and (2 * longest * len(columns.places) > pointer_bytes or longest > DOUBLE_FRAMES):
        return [
            path
            for row, length in enumerate(lengths)
            for path in _on_device(log_probs[row : row + 1], [length], columns.of(row), pointer_bytes)
        ]
    frames = _time_major(log_probs, longest)
    says = columns.says + np.repeat(np.arange(rows) * (log_probs.shape[2] + 1), np.diff(columns.edges))
    says[1, columns.edges[:-1]] = log_probs.shape[2]  # the first token that is none
    says = says.ravel()
    start = columns.start(np.float64)
    if rows == 1:
        states = [_trace(frames, says, start, None, pointer_bytes)[0]]
    else:
        states = _trace_batch(TorchSweep(frames, says, start), frames, columns, lengths)
    host = log_probs[:, :longest].cpu().numpy()
    return [columns.of(row).path(found, host[row]) for row, found in enumerate(states)]


def _time_major(log_probs: "torch.Tensor", longest: int) -> "torch.Tensor":
    """The emissions as ``(longest, B * (V + 1))`` with -inf in each last entry."""
    batch, _, vocabulary = log_probs.shape
    dtype = log_probs[:0].double().dtype if longest > DOUBLE_FRAMES else log_probs.dtype
    frames = log_probs.new_full((longest, batch, vocabulary + 1), -np.inf, dtype=dtype)
    frames[:, :, :vocabulary] = log_probs[:, :longest].transpose(0, 1)
    return frames.view(longest, -1)


def _trace_batch(
    sweep: TorchSweep, frames: "torch.Tensor", columns: _Columns, lengths: Sequence[int]
) -> list[Ints | None]:
    """States of each recording, counted from its own first; all recordings in one sweep."""
    total = len(columns.places)
    flags = sweep.flags(len(frames))
    ends: dict[int, int | None] = {}
    done = 0
    for length in sorted(set(lengths)):
        sweep.run(frames[done:length], flags[done:length])
        done = length
        scores = sweep.scores()
        for row, other in enumerate(lengths):
            if other == length:
                ends[row] = _best_end(scores, int(columns.edges[row + 1]) - 1)
    steps = flags.cpu().numpy()
    states: list[Ints | None] = []
    for row, length in enumerate(lengths):
        end = ends[row]
        if end is None:
            states.append(None)
            continue
        found = np.empty(length, dtype=np.int64)
        walk_back(steps, end, found)
        first, size = int(columns.edges[row]), int(columns.edges[row + 1] - columns.edges[row])
        states.append(np.where(found < total, found - first, found - total - first + size))
    return states


def _trace(frames: Array, says: Ints, start: Scores, end: int | None, pointer_bytes: int) -> tuple[Ints | None, int]:
    """States of one recording (or a piece of one) and the state before its first frame, in bounded memory.

    Args:
        start: Scores of all states before the first frame.
        end: The state in the last frame; None where the better one of the two last is meant.
    """
    total, width = len(frames), len(says) // 2
    sweep: Sweep = CpuSweep(says, start) if isinstance(frames, np.ndarray) else TorchSweep(frames, says, start)
    if total * len(says) <= pointer_bytes or total == 1:
        flags = sweep.flags(total)
        sweep.run(frames, flags)
        last = _best_end(sweep.scores(), width - 1) if end is None else end
        if last is None:
            return None, 0
        states = np.empty(total, dtype=np.int64)
        return states, walk_back(flags if isinstance(flags, np.ndarray) else flags.cpu().numpy(), last, states)
    step = -(-total // _PIECES)
    cuts = []
    for begin in range(0, total, step):
        cuts.append((begin, sweep.scores()))
        sweep.run(frames[begin : begin + step], None)
    last = _best_end(sweep.scores(), width - 1) if end is None else end
    if last is None:
        return None, 0
    pieces: list[Ints] = []
    for begin, scores in reversed(cuts):
        piece = frames[begin : begin + step]
        high = last % width + 1
        low = max(0, high - 1 - len(piece))
        reached = np.r_[low:high, width + low : width + high]
        found, last = _trace(piece, says[reached], scores[reached], int(np.searchsorted(reached, last)), pointer_bytes)
        assert found is not None
        last = int(reached[last])
        pieces.append(reached[found])
    return np.concatenate(pieces[::-1]), last


def _best_end(scores: Scores, column: int) -> int | None:
    """The better of a recording's last token and the gap behind it; None where neither can be reached."""
    token = len(scores) // 2 + column
    best = column if scores[column] > scores[token] else token
    return best if scores[best] > -np.inf else None
