"""k-means for codebooks: PCA whitening, k-means++, Lloyd, over frames that need not fit into the memory.

The space and the seeds are found on the frames of a sample that are held, and Lloyd's iterations stream all of them
from the disk in blocks. That is Lloyd's algorithm itself, not an estimate as by mini-batches.

Deterministic: the frames and the seed decide the centroids, whatever blocks and order they came in; sums run on one
thread. One iteration costs ``2 * frames * clusters * components`` operations, about 1 s on a core for 200,000 x 500 x
128. The steps that cost run in numpy or, on a GPU, in torch, with the same draws.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from pipelines.fit.frames import BLOCK_FRAMES, FrameSample, on_disk
from schemas.errors import UserError
from transforms.devices import Device, pick_device
from transforms.kmeans import Codebook, Features, round_to_half

Projection = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]  # mean (D,), matrix (D, P)


class Arithmetic(Protocol):
    """The points of a fit where they lie, in memory or on the disk, and the steps over all of them."""

    def plus_plus(self, clusters: int, rng: np.random.Generator) -> Features:
        """Seeds ``(K, P)`` by k-means++ (Arthur and Vassilvitskii 2007), one draw of ``rng`` each. In memory only."""
        ...

    def nearest(self, centroids_KP: Features) -> float:
        """Mean squared distance to the nearest centroid, the lower on a tie; remembers the clusters' sums."""
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


def check_clusters(clusters: int, **limits: int) -> None:
    """Before anything is encoded.

    Args:
        limits: Settings that say how many frames the clusters are found on, by their names.

    Raises:
        UserError: One allows fewer frames than there are clusters.
    """
    name = min(limits, key=limits.__getitem__)
    if clusters > limits[name]:
        raise UserError(f"fit.clusters: {clusters} clusters need as many frames, fit.{name} allows {limits[name]}")


def fit_codebook(
    sample: FrameSample,
    *,
    space: Callable[[Features], Projection],
    clusters: int,
    iterations: int,
    seed: int,
    say: Callable[[str], None],
    arithmetic: Callable[[Features], Arithmetic] | None = None,
) -> tuple[Codebook, dict[str, float]]:
    """A codebook in the space that ``space`` finds for the frames, and how well it fits.

    ``unexplained`` is the mean squared distance to the nearest centroid over the variance, in that space.

    Raises:
        UserError: Fewer frames than clusters, or all are alike.
    """
    held_ND = sample.held()
    if len(held_ND) < clusters:
        raise UserError(f"clusters: {clusters} clusters need as many frames in memory, there are {len(held_ND)}")
    on = arithmetic or NumpyArithmetic
    rng = np.random.default_rng(seed)
    rng.bit_generator.advance(sample.seen)  # type: ignore[attr-defined]  # where the bundled codebooks' seeds are drawn
    with threadpool_limits(limits=1):
        mean, projection = space(held_ND)
        points_NP = np.asarray((held_ND - mean) @ projection, dtype=np.float32)
        if _variance(points_NP) <= 0:
            raise UserError(
                f"the frames are all alike: {len(points_NP)} of them make no clusters; is the audio silent?"
            )
        points = on(points_NP)
        centroids = points.plus_plus(clusters, rng)
        del held_ND
        if sample.is_larger:
            project = Codebook(centroids, mean, projection).project
            points_NP = on_disk((project(block) for block in sample.blocks()), columns=projection.shape[1], like=sample)
            points = on(points_NP)
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
    return codebook, {
        "frames": float(len(points_NP)),
        "unexplained": distance / _variance(points_NP),
        "code_perplexity": 2.0**entropy,
    }


def _variance(points_NP: Features) -> float:
    sums, squares = np.zeros(points_NP.shape[1]), np.zeros(points_NP.shape[1])
    for start in range(0, len(points_NP), BLOCK_FRAMES):
        block = points_NP[start : start + BLOCK_FRAMES].astype(np.float64)
        sums += block.sum(0)
        squares += (block**2).sum(0)
    return float((squares / len(points_NP) - (sums / len(points_NP)) ** 2).sum())


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
        self._distance_N = np.zeros(len(points_NP))
        self._sums_KP = np.zeros((0, points_NP.shape[1]))
        self._counts_K = np.zeros(0, dtype=np.int64)

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
        half_norm_K = (centroids_KP.astype(np.float64) ** 2).sum(1) / 2
        self._sums_KP = np.zeros(centroids_KP.shape)
        self._counts_K = np.zeros(len(centroids_KP), dtype=np.int64)
        for start in range(0, len(self._points_NP), BLOCK_FRAMES):
            points_NP = np.asarray(self._points_NP[start : start + BLOCK_FRAMES])
            scores_NK = points_NP @ centroids_KP.T - half_norm_K
            exact_NP = points_NP.astype(np.float64)
            self._distance_N[start : start + BLOCK_FRAMES] = (exact_NP**2).sum(1) - 2 * scores_NK.max(1)
            self._add(exact_NP, scores_NK.argmax(1))
        np.maximum(self._distance_N, 0.0, out=self._distance_N)
        return float(self._distance_N.mean())

    def _add(self, points_NP: npt.NDArray[np.float64], nearest_N: npt.NDArray[np.intp]) -> None:
        counts_K = np.bincount(nearest_N, minlength=len(self._counts_K))
        alive = np.flatnonzero(counts_K)
        starts = np.concatenate([[0], np.cumsum(counts_K[alive])[:-1]])
        self._sums_KP[alive] += np.add.reduceat(points_NP[np.argsort(nearest_N, kind="stable")], starts, axis=0)
        self._counts_K += counts_K

    def means(self) -> Features:
        centroids = self._sums_KP / np.maximum(self._counts_K, 1)[:, None]
        dead = np.flatnonzero(self._counts_K == 0)
        centroids[dead] = self._points_NP[np.argsort(-self._distance_N, kind="stable")[: len(dead)]]
        return centroids.astype(np.float32)

    def counts(self) -> npt.NDArray[np.int64]:
        return self._counts_K
