"""k-means for codebooks: a uniform sample of frames, PCA whitening, k-means++, Lloyd.

Deterministic: the order of the recordings and the seed decide the centroids; sums run on one thread. One iteration
costs ``2 * frames * clusters * components`` operations, about 1 s on a core for 200,000 x 500 x 128.
"""

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from schemas.errors import UserError
from transforms.kmeans import Codebook, Features, round_to_half

Projection = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]  # mean (D,), matrix (D, P)


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
        centroids = _plus_plus(points_NP, clusters, rng)
        error = np.inf
        for iteration in range(1, iterations + 1):
            nearest, distance = _nearest(points_NP, centroids)
            before, error = error, float(distance.mean())
            if iteration == 1 or iteration % 10 == 0:
                say(f"k-means iteration {iteration}: mean squared distance {error:.4f}")
            if before - error < 1e-5 * error:
                break
            centroids = _means(points_NP, nearest, distance, clusters)
        codebook = Codebook(round_to_half(centroids), mean, projection)
        nearest, distance = _nearest(points_NP, codebook.centroids)
    share = np.bincount(nearest, minlength=clusters) / len(nearest)
    entropy = -float((share[share > 0] * np.log2(share[share > 0])).sum())
    variance = float(points_NP.var(0, dtype=np.float64).sum())
    return codebook, {
        "frames": float(len(frames_ND)),
        "unexplained": float(distance.mean()) / variance,
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


def _plus_plus(points_NP: Features, clusters: int, rng: np.random.Generator) -> Features:
    """k-means++ seeding (Arthur and Vassilvitskii 2007)."""
    norms = (points_NP**2).sum(1)
    chosen = [int(rng.integers(len(points_NP)))]
    distance = np.full(len(points_NP), np.inf, dtype=np.float64)
    while len(chosen) < clusters:
        last = points_NP[chosen[-1]]
        distance = np.minimum(distance, np.maximum(norms - 2 * (points_NP @ last) + last @ last, 0.0))
        cumulative = np.cumsum(distance)
        chosen.append(min(int(np.searchsorted(cumulative, rng.random() * cumulative[-1])), len(points_NP) - 1))
    return points_NP[chosen]


def _nearest(points_NP: Features, centroids_KP: Features) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]:
    half_norm_K = (centroids_KP.astype(np.float64) ** 2).sum(1) / 2
    nearest = np.empty(len(points_NP), dtype=np.intp)
    score = np.empty(len(points_NP), dtype=np.float64)
    for start in range(0, len(points_NP), 16_384):
        block = slice(start, start + 16_384)
        scores = points_NP[block] @ centroids_KP.T - half_norm_K
        nearest[block] = scores.argmax(1)
        score[block] = scores.max(1)
    return nearest, np.maximum((points_NP.astype(np.float64) ** 2).sum(1) - 2 * score, 0.0)


def _means(
    points_NP: Features, nearest: npt.NDArray[np.intp], distance: npt.NDArray[np.float64], clusters: int
) -> Features:
    """Cluster means; a dead cluster takes the frame that lies worst, the next dead one the next worst."""
    order = np.argsort(nearest, kind="stable")
    counts = np.bincount(nearest, minlength=clusters)
    alive = np.flatnonzero(counts)
    starts = np.concatenate([[0], np.cumsum(counts[alive])[:-1]])
    centroids = np.empty((clusters, points_NP.shape[1]), dtype=np.float64)
    centroids[alive] = np.add.reduceat(points_NP[order].astype(np.float64), starts, axis=0) / counts[alive, None]
    dead = np.flatnonzero(counts == 0)
    centroids[dead] = points_NP[np.argsort(-distance, kind="stable")[: len(dead)]]
    return centroids.astype(np.float32)
