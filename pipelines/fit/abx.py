"""How well a representation tells phones apart without a classifier: the ABX error.

A and X are two tokens of one phone, B is one of another, all of one speaker and, for triphones, between the same
neighbours; the error is the share of such triples in which X lies nearer to B, ties counting half (Schatz et al. 2013,
Interspeech; the within-speaker task of the Zero Resource challenges). Distances are those of dynamic time warping, the
mean over its path of the angle between frames over pi, or, between codes, 0 for the same and 1 for another.

The error is a mean over the triples of two phones, one speaker and one context, then over contexts, speakers and pairs
of phones in turn, so that frequent phones don't drown the others. 0.5 is chance, 0 is perfect.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import numpy.typing as npt

from schemas.records import TokenIds
from transforms.kmeans import Features

Distances = npt.NDArray[np.float32]
_PAIRS_AT_ONCE = 16_384  # bounds the memory of the warping


@dataclass(frozen=True, slots=True)
class Item:
    """A token of a phone: frames ``[start, end)``, at least one, of the recording with index ``recording``."""

    recording: int
    start: int
    end: int
    phone: str
    speaker: str
    context: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class AbxError:
    """``error`` is None where no speaker has two tokens of a phone and one of another in one context."""

    error: float | None
    triples: int
    pairs: int


def choose_items(items: Sequence[Item], *, max_items: int, rng: np.random.Generator) -> list[Item]:
    """At most ``max_items`` tokens of each phone, speaker and context, drawn without replacement; the order is kept."""
    groups: dict[tuple[str, tuple[str, str], str], list[int]] = defaultdict(list)
    for index, item in enumerate(items):
        groups[item.speaker, item.context, item.phone].append(index)
    kept: list[int] = []
    for key in sorted(groups):
        group = groups[key]
        kept += group if len(group) <= max_items else rng.choice(group, max_items, replace=False).tolist()
    return [items[index] for index in sorted(kept)]


def abx_error(frames: Sequence[Features] | Sequence[TokenIds], items: Sequence[Item]) -> AbxError:
    """The within-speaker error of features ``(T, D)`` or of codes ``(T,)``, one array a recording."""
    cells: dict[tuple[str, tuple[str, str]], list[Item]] = defaultdict(list)
    for item in items:
        cells[item.speaker, item.context].append(item)
    errors: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    triples = 0
    for (speaker, _), cell in sorted(cells.items()):
        of_phone: dict[str, list[int]] = defaultdict(list)
        for index, item in enumerate(cell):
            of_phone[item.phone].append(index)
        if len(of_phone) < 2 or len(cell) == len(of_phone):
            continue
        distance_NN = _distances([frames[item.recording][item.start : item.end] for item in cell])
        for first, other in permutations(sorted(of_phone), 2):
            same, different = of_phone[first], of_phone[other]
            if len(same) > 1:
                errors[first, other][speaker].append(_cell_error(distance_NN, same, different))
                triples += len(same) * (len(same) - 1) * len(different)
    if not errors:
        return AbxError(None, 0, 0)
    by_pair = [np.mean([np.mean(contexts) for contexts in speakers.values()]) for speakers in errors.values()]
    return AbxError(float(np.mean(by_pair)), triples, len(by_pair))


def _cell_error(distance_NN: Distances, same: list[int], different: list[int]) -> float:
    """Over all X and A among ``same`` and B among ``different``."""
    to_a_XA = distance_NN[np.ix_(same, same)]
    to_b_XB = distance_NN[np.ix_(same, different)]
    wrong_XAB = (to_a_XA[:, :, None] > to_b_XB[:, None]) + 0.5 * (to_a_XA[:, :, None] == to_b_XB[:, None])
    return float(wrong_XAB[~np.eye(len(same), dtype=bool)].mean())


def _distances(tokens: Sequence[Features | TokenIds]) -> Distances:
    """Symmetric, shape ``(N, N)``."""
    local_FF = _local(np.concatenate(list(tokens)))
    lengths = np.array([len(token) for token in tokens])
    starts = np.cumsum(lengths) - lengths
    left, right = np.triu_indices(len(tokens), 1)
    order = np.lexsort((lengths[right], lengths[left]))  # pairs of like lengths warp together
    found = np.zeros((len(tokens), len(tokens)), np.float32)
    for at in range(0, len(order), _PAIRS_AT_ONCE):
        i, j = left[order[at : at + _PAIRS_AT_ONCE]], right[order[at : at + _PAIRS_AT_ONCE]]
        found[i, j] = found[j, i] = _warped(local_FF, starts[i], lengths[i], starts[j], lengths[j])
    return found


def _local(frames: Features | TokenIds) -> Distances:
    """Between all frames, ``(F, F)``: angles over pi, or whether codes differ."""
    if frames.ndim == 1:
        return np.asarray(frames[:, None] != frames[None], dtype=np.float32)
    norms = np.linalg.norm(frames, axis=1, keepdims=True)
    units_FD = np.asarray(frames / np.maximum(norms, 1e-12), dtype=np.float32)
    cosines = np.clip(units_FD @ units_FD.T, -1.0, 1.0)
    np.fill_diagonal(cosines, 1.0)
    return np.asarray(np.arccos(cosines) / np.pi, dtype=np.float32)


def _warped(
    local_FF: Distances,
    start_P: npt.NDArray[np.int64],
    length_P: npt.NDArray[np.int64],
    other_start_P: npt.NDArray[np.int64],
    other_length_P: npt.NDArray[np.int64],
) -> Distances:
    """Mean local distance along the cheapest monotonic path of each of P pairs; a diagonal step wins a tie."""
    rows, columns = int(length_P.max()), int(other_length_P.max())
    last = len(local_FF) - 1
    at_PR = np.minimum(start_P[:, None] + np.arange(rows), last)
    at_PC = np.minimum(other_start_P[:, None] + np.arange(columns), last)
    cost_RCP = local_FF[at_PR.T[:, None], at_PC.T[None]].astype(np.float64)
    steps_RCP = np.ones(cost_RCP.shape, np.int32)
    for row in range(rows):
        for column in range(columns):
            before = [(row - 1, column - 1), (row - 1, column), (row, column - 1)]
            before = [(r, c) for r, c in before if r >= 0 and c >= 0]
            if not before:
                continue
            cost, steps = cost_RCP[before[0]], steps_RCP[before[0]]
            for place in before[1:]:
                better = cost_RCP[place] < cost
                cost = np.where(better, cost_RCP[place], cost)
                steps = np.where(better, steps_RCP[place], steps)
            cost_RCP[row, column] += cost
            steps_RCP[row, column] += steps
    ends = (length_P - 1, other_length_P - 1, np.arange(len(start_P)))
    return np.asarray(cost_RCP[ends] / steps_RCP[ends], dtype=np.float32)
