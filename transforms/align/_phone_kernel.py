"""The two time loops of ``phone_path``, compiled. All numbers are logarithms.

Shapes: as in ``phone_path``.
"""

import math
from typing import TYPE_CHECKING

import numpy as np

from transforms.align._compiled import compiled

if TYPE_CHECKING:
    from transforms.align.phone_path import Floats, Lattice


@compiled
def _add(one: float, other: float) -> float:
    """Logarithm of the sum of two numbers."""
    more, less = (one, other) if one > other else (other, one)
    if less == -math.inf:
        return more
    return more + math.log1p(math.exp(less - more))


@compiled
def forward(lattice: "Lattice", into_word_C: "Floats", into_silence_C: "Floats") -> float:
    """Fills in how likely it is to enter a word or its silence in a frame, by what lies before; returns that of all."""
    never = -math.inf
    paused = lattice.paused
    states, words = len(lattice.phones), len(lattice.silences)
    alpha_S, after_S = np.full(states, never), np.full(states, never)
    into_word_W, into_silence_W = np.full(words, never), np.full(words, never)
    alpha_S[0] = lattice.log_probs[0, lattice.phones[0]]
    for variant in range(lattice.variants[1]):
        first = lattice.firsts[variant]
        alpha_S[first] = lattice.log_probs[0, lattice.phones[first]]
    for frame in range(1, len(lattice.log_probs)):
        low, high = lattice.lows[frame - 1], lattice.highs[frame]
        said_P = lattice.log_probs[frame]
        for word in range(low, high):
            if word > low:
                into_word_W[word] = _add(alpha_S[lattice.silences[word - 1] + paused], into_silence_W[word - 1])
            else:
                into_word_W[word] = alpha_S[paused] if word == 0 else never
            ended = never
            for variant in range(lattice.variants[word], lattice.variants[word + 1]):
                ended = _add(ended, alpha_S[lattice.lasts[variant]])
            into_silence_W[word] = ended
        for state in range(lattice.offsets[low], lattice.offsets[high]):
            after_S[state] = alpha_S[state - 1] if lattice.follows[state] else never
        for word in range(low, high):
            for variant in range(lattice.variants[word], lattice.variants[word + 1]):
                after_S[lattice.firsts[variant]] = into_word_W[word]
            after_S[lattice.silences[word]] = into_silence_W[word]
        begin = lattice.offsets[lattice.lows[frame]]
        for state in range(lattice.offsets[low], lattice.offsets[high]):
            entered = after_S[state]
            if lattice.stays[state]:
                entered = _add(alpha_S[state], entered)
            after_S[state] = never if state < begin else entered + said_P[lattice.phones[state]]
        for state in range(lattice.offsets[low], lattice.offsets[high]):
            alpha_S[state] = after_S[state]
        for word in range(lattice.lows[frame], high):
            into_word_C[lattice.cells[word] + frame] = into_word_W[word]
            into_silence_C[lattice.cells[word] + frame] = into_silence_W[word]
    total: float = alpha_S[states - 1]
    for variant in range(lattice.variants[words - 1], lattice.variants[words]):
        total = _add(total, alpha_S[lattice.lasts[variant]])
    return total


@compiled
def backward(lattice: "Lattice", total: float, into_word_C: "Floats", into_silence_C: "Floats") -> None:
    """Turns what ``forward`` filled in into logarithms of posterior probabilities."""
    never = -math.inf
    paused = lattice.paused
    states, words = len(lattice.phones), len(lattice.silences)
    beta_S, later_S, left_S = np.full(states, never), np.full(states, never), np.full(states, never)
    word_W = np.full(words + 1, never)
    beta_S[states - 1] = 0.0
    for variant in range(lattice.variants[words - 1], lattice.variants[words]):
        beta_S[lattice.lasts[variant]] = 0.0
    for frame in range(len(lattice.log_probs) - 1, 0, -1):
        low, high = lattice.lows[frame - 1], lattice.highs[frame]
        said_P = lattice.log_probs[frame]
        begin, end = lattice.offsets[low], lattice.offsets[high]
        for state in range(begin, end):
            later_S[state] = beta_S[state] + said_P[lattice.phones[state]]
        word_W[high] = never
        for word in range(low, high):
            begun = never
            for variant in range(lattice.variants[word], lattice.variants[word + 1]):
                begun = _add(begun, later_S[lattice.firsts[variant]])
            word_W[word] = begun
        for word in range(lattice.lows[frame], high):
            into_word_C[lattice.cells[word] + frame] += word_W[word] - total
            into_silence_C[lattice.cells[word] + frame] += later_S[lattice.silences[word]] - total
        for state in range(begin, end):
            left_S[state] = later_S[state + 1] if state + 1 < end and lattice.follows[state + 1] else never
        for word in range(low, high):
            following = _add(later_S[lattice.silences[word]], word_W[word + 1])
            for variant in range(lattice.variants[word], lattice.variants[word + 1]):
                left_S[lattice.lasts[variant]] = following
            left_S[lattice.silences[word] + paused] = word_W[word + 1]
        if low == 0:
            left_S[paused] = word_W[0]
        still = lattice.offsets[lattice.highs[frame - 1]]
        for state in range(begin, end):
            left = left_S[state]
            if lattice.stays[state]:
                left = _add(later_S[state], left)
            beta_S[state] = left if state < still else never
    begun = never
    for variant in range(lattice.variants[1]):
        first = lattice.firsts[variant]
        begun = _add(begun, beta_S[first] + lattice.log_probs[0, lattice.phones[first]])
    into_word_C[0] = begun - total
