"""k-means for codebooks: a uniform sample of frames, PCA whitening, k-means++, Lloyd.

Deterministic: the order of the recordings and the seed decide the centroids; sums run on one thread. One iteration
costs ``2 * frames * clusters * components`` operations, about 1 s on a core for 200,000 x 500 x 128. The steps that
cost run in numpy or, on a GPU, in torch, with the same draws.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from schemas.errors import UserError
from transforms.devices import Device, pick_device
from transforms.kmeans import Codebook, Features, round_to_half

_BLOCK_POINTS = 16_384  # bounds the memory of a matrix of scores

Projection = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]  # mean (D,), matrix (D, P)


class Arithmetic(Protocol):
    """The points of a fit where they lie, and the steps over all of them."""

    def plus_plus(self, clusters: int, rng: np.random.Generator) -> Features:
        """Seeds ``(K, P)`` by k-means++ (Arthur and Vassilvitskii 2007), one draw of ``rng`` each."""
        ...

    def nearest(self, centroids_KP: Features) -> float:
        """Mean squared distance to the nearest centroid; which one it is, the lower on a tie, is remembered."""
        ...

    def means(self) -> Features:
        """Means of the remembered clusters; a dead one takes the point that lies worst, the next dead the next."""
        ...

    def counts(self) -> npt.NDArray[np.int64]:
        """Points of each remembered cluster."""
        ...


def arithmetic_on(device: Device) -> Callable[[Features], Arithmetic]:
    """Numpy on a CPU, torch on a GPU; their centroids differ by rounding, and a cluster may settle elsewhere for it."""
    if device == "cpu" or pick_device(device).type == "cpu":
        return NumpyArithmetic
    from functools import partial

    from pipelines.fit.kmeans_torch import TorchArithmetic

    return partial(TorchArithmetic, device=pick_device(device))


def sample_frames(features: Iterable[Features], *, max_frames: int, rng: np.random.Generator) -> Features:
    """A uniform sample without replacement of at most ``max_frames`` frames, in their order of arrival.

    Every frame draws a random key, the smallest keys stay: the memory is bounded whatever the corpus.
    """
    kept: list[Features] = []
    keys: list[npt.NDArray[np.float64]] = []
    waiting = 0
    for block in features:
        kept.append(block)
        keys.append(rng.random(len(block)))
        waiting += len(block)
        if waiting > 2 * max_frames:
            kept, keys = _keep_smallest(kept, keys, max_frames)
            waiting = max_frames
    if not waiting:
        raise UserError("nothing to fit on: the recordings hold no audio")
    return _keep_smallest(kept, keys, max_frames)[0][0]


def _keep_smallest(
    kept: list[Features], keys: list[npt.NDArray[np.float64]], count: int
) -> tuple[list[Features], list[npt.NDArray[np.float64]]]:
    frames, key = np.concatenate(kept), np.concatenate(keys)
    chosen = np.sort(np.argsort(key, kind="stable")[:count])
    return [frames[chosen]], [key[chosen]]


def fit_codebook(
    frames_ND: Features,
    *,
    space: Callable[[Features], Projection],
    clusters: int,
    iterations: int,
    rng: np.random.Generator,
    say: Callable[[str], None],
    arithmetic: Callable[[Features], Arithmetic] | None = None,
) -> tuple[Codebook, dict[str, float]]:
    """A codebook in the space that ``space`` finds for the frames, and how well it fits.

    ``unexplained`` is the mean squared distance to the nearest centroid over the variance, in that space.

    Raises:
        UserError: Fewer frames than clusters.
    """
    if len(frames_ND) < clusters:
        raise UserError(f"clusters: {clusters} clusters need as many frames, the recordings have {len(frames_ND)}")
    with threadpool_limits(limits=1):
        mean, projection = space(frames_ND)
        points_NP = np.asarray((frames_ND - mean) @ projection, dtype=np.float32)
        points = (arithmetic or NumpyArithmetic)(points_NP)
        centroids = points.plus_plus(clusters, rng)
        error = np.inf
        for iteration in range(1, iterations + 1):
            before, error = error, points.nearest(centroids)
            if iteration == 1 or iteration % 10 == 0:
                say(f"k-means iteration {iteration}: mean squared distance {error:.4f}")
            if before - error < 1e-5 * error:
                break
            centroids = points.means()
        codebook = Codebook(round_to_half(centroids), mean, projection)
        distance = points.nearest(codebook.centroids)
    share = points.counts() / len(points_NP)
    entropy = -float((share[share > 0] * np.log2(share[share > 0])).sum())
    variance = float(points_NP.var(0, dtype=np.float64).sum())
    return codebook, {
        "frames": float(len(frames_ND)),
        "unexplained": distance / variance,
        "code_perplexity": 2.0**entropy,
    }


def standardisation(frames_ND: Features) -> Projection:
    """Mean ``(D,)`` and the diagonal matrix ``(D, D)`` that make every feature unit variance."""
    deviation_D = frames_ND.std(0, dtype=np.float64)
    scale = np.diag(1 / np.maximum(deviation_D, 1e-6))
    return frames_ND.mean(0, dtype=np.float64).astype(np.float32), scale.astype(np.float32)


def whitening(frames_ND: Features, *, components: int) -> Projection:
    """Mean ``(D,)`` and matrix ``(D, P)`` that make the first P principal components unit variance.

    Each component's sign is fixed (its largest weight is positive), so that the result is unique.
    """
    mean_D = frames_ND.mean(0, dtype=np.float64)
    centred = frames_ND - mean_D
    variances, axes_DD = np.linalg.eigh(centred.T @ centred / len(frames_ND))
    leading = np.argsort(variances)[::-1][:components]
    axes_DP = axes_DD[:, leading]
    axes_DP = axes_DP * np.sign(axes_DP[np.abs(axes_DP).argmax(0), np.arange(axes_DP.shape[1])])
    scaled = axes_DP / np.sqrt(np.maximum(variances[leading], 1e-8))
    return mean_D.astype(np.float32), scaled.astype(np.float32)


class NumpyArithmetic:
    """On one core, bit for bit the same wherever BLAS is."""

    def __init__(self, points_NP: Features) -> None:
        self._points_NP = points_NP
        self._nearest = np.zeros(len(points_NP), dtype=np.intp)
        self._distance = np.zeros(len(points_NP))
        self._clusters = 0

    def plus_plus(self, clusters: int, rng: np.random.Generator) -> Features:
        points_NP = self._points_NP
        norms = (points_NP**2).sum(1)
        chosen = [int(rng.integers(len(points_NP)))]
        distance = np.full(len(points_NP), np.inf, dtype=np.float64)
        while len(chosen) < clusters:
            last = points_NP[chosen[-1]]
            distance = np.minimum(distance, np.maximum(norms - 2 * (points_NP @ last) + last @ last, 0.0))
            cumulative = np.cumsum(distance)
            chosen.append(min(int(np.searchsorted(cumulative, rng.random() * cumulative[-1])), len(points_NP) - 1))
        return points_NP[chosen]

    def nearest(self, centroids_KP: Features) -> float:
        points_NP = self._points_NP
        half_norm_K = (centroids_KP.astype(np.float64) ** 2).sum(1) / 2
        score = np.empty(len(points_NP), dtype=np.float64)
        for start in range(0, len(points_NP), _BLOCK_POINTS):
            block = slice(start, start + _BLOCK_POINTS)
            scores = points_NP[block] @ centroids_KP.T - half_norm_K
            self._nearest[block] = scores.argmax(1)
            score[block] = scores.max(1)
        self._distance = np.maximum((points_NP.astype(np.float64) ** 2).sum(1) - 2 * score, 0.0)
        self._clusters = len(centroids_KP)
        return float(self._distance.mean())

    def means(self) -> Features:
        order = np.argsort(self._nearest, kind="stable")
        counts = self.counts()
        alive = np.flatnonzero(counts)
        starts = np.concatenate([[0], np.cumsum(counts[alive])[:-1]])
        centroids = np.empty((self._clusters, self._points_NP.shape[1]), dtype=np.float64)
        sums = np.add.reduceat(self._points_NP[order].astype(np.float64), starts, axis=0)
        centroids[alive] = sums / counts[alive, None]
        dead = np.flatnonzero(counts == 0)
        centroids[dead] = self._points_NP[np.argsort(-self._distance, kind="stable")[: len(dead)]]
        return centroids.astype(np.float32)

    def counts(self) -> npt.NDArray[np.int64]:
        return np.bincount(self._nearest, minlength=self._clusters)
