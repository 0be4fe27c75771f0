"""The best CTC path through given tokens, for many recordings at once, exact.

CTC (Graves et al. 2006) puts a gap (blank) before, between and after the tokens; from a token the path goes on to the
gap behind it, or straight to the next token if that is another one. Column ``k`` holds token ``k`` and the gap behind
it, column 0 the first gap alone::

    column   0   1   2
    token    -   h   i       token_k' = max(token_k, gap_k-1, token_k-1) + log p(token k)
    gap      _   _   _       gap_k'   = max(gap_k, token_k)              + log p(blank)

With all recordings laid end to end in one flat row, a frame is four vector operations: two maxima, one comparison
that leaves a byte a state for the way back, and one addition. A token that repeats its neighbour needs a gap in
between; it is written as a token that says blank, which changes no score by a bit and spares the recurrence its
exception. The additions are those of ``torchaudio.functional.forced_align`` in the same order, so both find the same
path. Among equals, staying is preferred to a gap and a gap to a leap; ``forced_align`` stays where gap and leap are
equal and better, and so can miss the best path.

A long recording is cut in time: the scores at the cuts are kept, and on the way back each piece is run again with only
those columns that it can still reach. That costs one forward pass and a little, in memory linear in the length.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from transforms.align._ctc_sweep import Array, Machine, Numpy, Sweep, Torch

if TYPE_CHECKING:
    import torch

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]
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
    """The states of the recordings, ``width`` columns each.

    Args:
        says: Positions, in a frame's flat row of emissions, of what gaps and then tokens say; ``(2 * rows * width,)``.
        places: Index of a column's token, -1 where it has none or says blank; shape ``(rows * width,)``.
        last: Each recording's last column.
    """

    width: int
    says: Ints
    places: Ints
    last: Ints


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
        pointer_bytes: Memory for the way back. A batch that needs more is run one recording at a time, a recording
            that needs more is run in pieces.

    Raises:
        ValueError: A recording has no tokens, or the numbers of recordings differ.
    """
    rows, longest = len(tokens), max(lengths)
    if rows != len(log_probs) or rows != len(lengths) or any(len(row) == 0 for row in tokens):
        raise ValueError("every recording needs emissions, a length and at least one token")
    columns = _columns(tokens, gaps, blank=blank, vocabulary=log_probs.shape[2] + 1)
    too_much = longest * len(columns.says) > pointer_bytes
    if rows > 1 and (too_much or longest > DOUBLE_FRAMES):
        single: list[Path | None] = []
        for row in range(rows):
            one = slice(row, row + 1)
            row_gaps = None if gaps is None else gaps[one]
            single += best_paths(
                log_probs[one], lengths[one], tokens[one], blank=blank, gaps=row_gaps, pointer_bytes=pointer_bytes
            )
        return single
    machine, frames = _time_major(log_probs, longest)
    start = np.full(len(columns.says), -np.inf)
    start[: rows * columns.width : columns.width] = 0.0
    if too_much:
        states = [_trace(machine, frames, columns.says, start, None, pointer_bytes)[0]]
    else:
        states = _trace_batch(machine, frames, columns, start, lengths)
    return _paths(states, columns, machine.host(frames))


def _columns(
    tokens: Sequence[Sequence[int]], gaps: Sequence[Sequence[int]] | None, *, blank: int, vocabulary: int
) -> _Columns:
    """Lay out the states. The last of the ``vocabulary`` entries of an emission is that which is never said."""
    rows = len(tokens)
    sizes = np.array([len(row) for row in tokens])
    token = np.concatenate([np.asarray(row, dtype=np.int64) for row in tokens])
    row = np.repeat(np.arange(rows), sizes)
    first = np.cumsum(sizes) - sizes
    place = np.arange(len(token)) - first[row]
    repeats = np.zeros(len(token), dtype=np.int64)
    repeats[1:] = (token[1:] == token[:-1]) & (place[1:] > 0)
    added = np.cumsum(repeats)
    column = 1 + place + added - added[first][row]
    last = column[first + sizes - 1]
    width = int(last.max()) + 1
    at = row * width + column
    twins = np.flatnonzero(repeats)

    in_token = np.full(rows * width, vocabulary - 1)
    in_gap = np.full(rows * width, blank)
    places = np.full(rows * width, -1)
    if gaps is not None:
        behind = np.concatenate([np.asarray(row_gaps[1:], dtype=np.int64) for row_gaps in gaps])
        in_gap[::width] = [row_gaps[0] for row_gaps in gaps]
        in_gap[at] = behind
        in_gap[at[twins] - 1] = behind[twins - 1]
    in_token[at] = token
    in_token[at[twins] - 1] = in_gap[at[twins] - 1]
    places[at] = place
    base = np.repeat(np.arange(rows) * vocabulary, width)
    return _Columns(width, np.concatenate([in_gap + base, in_token + base]), places, last)


def _time_major(log_probs: "Floats | torch.Tensor", longest: int) -> tuple[Machine, Array]:
    """The machine for these emissions, and the emissions as ``(longest, B * (V + 1))`` with -inf in each last entry."""
    batch, _, vocabulary = log_probs.shape
    machine: Machine
    values: Array
    double: Any
    if isinstance(log_probs, np.ndarray) or log_probs.device.type == "cpu":
        machine, values, double = Numpy(), np.asarray(log_probs), np.dtype(np.float64)
    else:
        machine, values, double = Torch(log_probs.device), log_probs, log_probs[:0].double().dtype
    dtype = double if longest > DOUBLE_FRAMES else values.dtype
    frames = machine.full((longest, batch, vocabulary + 1), -np.inf, dtype)
    frames[:, :, :vocabulary] = values[:, :longest].swapaxes(0, 1)
    return machine, frames.reshape(longest, -1)


def _trace_batch(
    machine: Machine, frames: Array, columns: _Columns, start: Scores, lengths: Sequence[int]
) -> list[list[int] | None]:
    """States of each recording, all recordings in one sweep."""
    sweep = Sweep(machine, frames, columns.says, start)
    flags = machine.flags(len(frames), len(columns.says))
    ends: dict[int, int | None] = {}
    done = 0
    for length in sorted(set(lengths)):
        sweep.run(frames[done:length], flags[done:length])
        done = length
        scores = sweep.scores()
        for row, other in enumerate(lengths):
            if other == length:
                ends[row] = _best_end(scores, row * columns.width + int(columns.last[row]))
    steps = machine.host(flags).tobytes()
    states: list[list[int] | None] = []
    for row, length in enumerate(lengths):
        end = ends[row]
        states.append(None if end is None else _walk(steps, len(columns.says), length, end)[0])
    return states


def _trace(
    machine: Machine, frames: Array, says: Ints, start: Scores, end: int | None, pointer_bytes: int
) -> tuple[list[int] | None, int]:
    """States of one recording (or a piece of one) and the state before its first frame, in bounded memory.

    Args:
        start: Scores of all states before the first frame.
        end: The state in the last frame; None where the better one of the two last is meant.
    """
    total, width = len(frames), len(says) // 2
    sweep = Sweep(machine, frames, says, start)
    if total * len(says) <= pointer_bytes or total == 1:
        flags = machine.flags(total, len(says))
        sweep.run(frames, flags)
        last = _best_end(sweep.scores(), width - 1) if end is None else end
        return (None, 0) if last is None else _walk(machine.host(flags).tobytes(), len(says), total, last)
    step = -(-total // _PIECES)
    cuts = []
    for begin in range(0, total, step):
        cuts.append((begin, sweep.scores()))
        sweep.run(frames[begin : begin + step], None)
    last = _best_end(sweep.scores(), width - 1) if end is None else end
    if last is None:
        return None, 0
    pieces: list[list[int]] = []
    for begin, scores in reversed(cuts):
        piece = frames[begin : begin + step]
        high = last % width + 1
        low = max(0, high - 1 - len(piece))
        reached = np.r_[low:high, width + low : width + high]
        found, last = _trace(
            machine, piece, says[reached], scores[reached], int(np.searchsorted(reached, last)), pointer_bytes
        )
        last = int(reached[last])
        pieces.append(reached[np.array(found)].tolist())
    return [state for piece_states in reversed(pieces) for state in piece_states], last


def _best_end(scores: Scores, column: int) -> int | None:
    """The better of a recording's last token and the gap behind it; None where neither can be reached."""
    token = len(scores) // 2 + column
    best = column if scores[column] > scores[token] else token
    return best if scores[best] > -np.inf else None


def _walk(flags: bytes, size: int, length: int, end: int) -> tuple[list[int], int]:
    """The way back from a state in the last of ``length`` frames: a state a frame, and the one before the first."""
    half, state = size // 2, end
    states = []
    for frame in range((length - 1) * size, -1, -size):
        states.append(state)
        if flags[frame + state]:
            if state < half:
                state += half
            else:
                state -= half + 1
                if flags[frame + state]:
                    state += half
    states.reverse()
    return states, state


def _paths(found: list[list[int] | None], columns: _Columns, frames: npt.NDArray[Any]) -> list[Path | None]:
    """What the states say, and with what probability."""
    placed = np.concatenate([np.full(len(columns.places), -1), columns.places])
    state = np.array([state for states in found for state in states or ()], dtype=np.int64)
    frame = np.concatenate([np.arange(len(states or ())) for states in found])
    places, log_probs = placed[state], frames[frame, columns.says[state]]
    paths: list[Path | None] = []
    begin = 0
    for states in found:
        end = begin + len(states or ())
        paths.append(None if states is None else Path(places[begin:end], log_probs[begin:end]))
        begin = end
    return paths
