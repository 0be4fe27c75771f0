"""Means of items with their uncertainty."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from pipelines.evaluate.suite import Figure
from transforms.seeds import rng_for

RESAMPLES = 1000
_LEVEL = 0.95
_DRAWS_AT_ONCE = 1_000_000


def resampled_means(values_NK: npt.NDArray[np.float64], *, seed: int) -> npt.NDArray[np.float64]:
    """Means of ``RESAMPLES`` bootstrap samples of the rows, shape ``(RESAMPLES, K)``."""
    items = len(values_NK)
    rng = rng_for("bootstrap", stage="evaluate", run_seed=seed)
    at_once = max(1, _DRAWS_AT_ONCE // items)
    found = []
    for first in range(0, RESAMPLES, at_once):
        draws = rng.integers(0, items, (min(at_once, RESAMPLES - first), items))
        found.append(values_NK[draws].mean(1))
    return np.concatenate(found)


def bootstrap_interval(values: Sequence[float], *, seed: int) -> tuple[float, float] | None:
    """Percentile interval (95 %) of the mean over resampled items; None for fewer than two."""
    if len(values) < 2:
        return None
    return _interval(resampled_means(np.asarray(values, dtype=np.float64)[:, None], seed=seed)[:, 0])


def mean_figure(
    task: str, measure: str, by_key: Mapping[str, Sequence[float]], *, seed: int, chance: float | None = None
) -> Figure:
    """Mean over keys of the mean of each key's values: a pair said by four voices counts once."""
    means = [float(np.mean(values)) for values in by_key.values()]
    value = float(np.mean(means)) if means else None
    return Figure(task, measure, value, len(means), bootstrap_interval(means, seed=seed), chance)


def ratio_figure(task: str, measure: str, pairs: Sequence[tuple[float, float]], *, seed: int) -> Figure:
    """Sum over sum, as an error rate of a corpus is; the interval resamples the pairs together."""
    values_N2 = np.asarray(pairs, dtype=np.float64).reshape(-1, 2)
    part, whole = values_N2.sum(0)
    if whole == 0:
        return Figure(task, measure, None, len(pairs))
    interval = None
    if len(pairs) > 1:
        means = resampled_means(values_N2, seed=seed)
        kept = means[means[:, 1] > 0]
        interval = _interval(kept[:, 0] / kept[:, 1])
    return Figure(task, measure, float(part / whole), len(pairs), interval)


def _interval(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return float(low), float(high)
