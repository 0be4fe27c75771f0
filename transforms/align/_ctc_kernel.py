"""The time loop of the CTC Viterbi and the way back on a CPU, compiled.

Each loop over columns does one thing, so that the compiler makes vector instructions of it; together they are three
times as fast as one loop that does all. Nothing is reordered: rounding is that of the formulas as written.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from transforms.align._compiled import compiled

Flags = npt.NDArray[np.bool_]
Entries = npt.NDArray[np.uint32]
Ints = npt.NDArray[np.int64]
Scores = npt.NDArray[np.floating[Any]]


@compiled
def run_frames(
    frames_TV: Scores, gap_says: Entries, token_says: Entries, gaps: Scores, tokens: Scores, flags: Flags
) -> None:
    """Go over frames; ``gaps`` and ``tokens``, the scores of the ``n`` columns, become those behind the last.

    Args:
        gap_says, token_says: Positions in a frame.
        flags: Shape ``(T, 2 n)``: whether a gap, then whether a token took its rival's score; not kept if ``(0, 2 n)``.
    """
    columns = len(gaps)
    best = np.empty(columns + 1, gaps.dtype)  # of the gap and the token of the column before
    best[0] = -np.inf
    gap_said = np.empty_like(gaps)
    token_said = np.empty_like(tokens)
    one_gap = gap_says.min() == gap_says.max()
    for frame in range(len(frames_TV)):
        said = frames_TV[frame]
        for k in range(columns):
            token_said[k] = said[token_says[k]]
        if one_gap:
            gap_said[:] = said[gap_says[0]]
        else:
            for k in range(columns):
                gap_said[k] = said[gap_says[k]]
        for k in range(columns):
            gap, token = gaps[k], tokens[k]
            best[k + 1] = token if token > gap else gap
        if len(flags) > 0:
            gap_flags, token_flags = flags[frame, :columns], flags[frame, columns:]
            for k in range(columns):
                gap_flags[k] = tokens[k] > gaps[k]
            for k in range(columns):
                token_flags[k] = best[k] > tokens[k]
        for k in range(columns):
            before, token = best[k], tokens[k]
            tokens[k] = (before if before > token else token) + token_said[k]
        for k in range(columns):
            gaps[k] = best[k + 1] + gap_said[k]


@compiled
def walk_back(flags: Flags, end: int, states: Ints) -> int:
    """Fill in the states of the path that ends in ``end``, one a row of ``flags``; returns the one before the first."""
    half = flags.shape[1] // 2
    state = end
    for frame in range(len(states) - 1, -1, -1):
        states[frame] = state
        if flags[frame, state]:
            if state < half:
                state += half
            else:
                state -= half + 1
                if flags[frame, state]:
                    state += half
    return state
