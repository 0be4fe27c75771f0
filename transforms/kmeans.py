"""A codebook: an optional affine projection of the features, then the nearest centroid."""

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from schemas.errors import UserError
from schemas.records import TokenIds

Features = npt.NDArray[np.float32]  # (frames, dim)

_BLOCK_FRAMES = 16_384  # bounds the memory of a distance matrix
_DAMAGE = (OSError, EOFError, BadZipFile, zlib.error, ValueError, LookupError, TypeError, AttributeError)


@dataclass(frozen=True, slots=True)
class Codebook:
    """K codes in the space that the projection leads to.

    Args:
        centroids: float32, shape ``(K, P)``.
        mean: Subtracted from the features before the projection, shape ``(D,)``.
        projection: Shape ``(D, P)``; the identity where a file has none.
    """

    centroids: Features
    mean: npt.NDArray[np.float32]
    projection: npt.NDArray[np.float32]

    @property
    def size(self) -> int:
        return len(self.centroids)

    @property
    def feature_dim(self) -> int:
        return len(self.mean)

    def project(self, features_TD: Features) -> Features:
        return np.asarray((features_TD - self.mean) @ self.projection, dtype=np.float32)

    def assign(self, features_TD: Features) -> TokenIds:
        """Nearest centroid of every frame, the lower index on a tie; shape ``(T,)``."""
        half_norm_K = (self.centroids.astype(np.float64) ** 2).sum(1) / 2
        ids = np.empty(len(features_TD), dtype=np.int32)
        for start in range(0, len(features_TD), _BLOCK_FRAMES):
            block_TP = self.project(features_TD[start : start + _BLOCK_FRAMES])
            ids[start : start + len(block_TP)] = (block_TP @ self.centroids.T - half_norm_K).argmax(1)
        return ids

    def save(self, file: IO[bytes]) -> None:
        """Write an npz; float16 where the centroids survive it unchanged (fitting rounds them)."""
        narrow = self.centroids.astype(np.float16)
        keep_narrow = bool((narrow.astype(np.float32) == self.centroids).all())
        np.savez(file, centroids=narrow if keep_narrow else self.centroids, mean=self.mean, projection=self.projection)


def round_to_half(values: npt.NDArray[np.floating]) -> Features:
    """float32 values that float16 can hold, so that a codebook is the same before and after it is stored."""
    return np.asarray(values, dtype=np.float16).astype(np.float32)


def load_codebook(path: Path) -> Codebook:
    """Read an npz with ``centroids`` (K, D), and optionally ``mean`` (D,) and ``projection`` (D, P).

    Raises:
        UserError: Not such a file.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name].astype(np.float32) for name in file.files}
        centroids = arrays["centroids"]
        identity = np.eye(centroids.shape[1], dtype=np.float32)
        projection = arrays.get("projection", identity)
        mean = arrays.get("mean", np.zeros(projection.shape[0], dtype=np.float32))
    except _DAMAGE as error:
        why = str(error) or type(error).__name__
        raise UserError(f"not a codebook: {path} ({why}); expected an npz with an array `centroids`") from error
    if centroids.ndim != 2 or not centroids.size:
        raise UserError(f"not a codebook: {path}: centroids are an array (codes, features), not {centroids.shape}")
    shapes_agree = mean.ndim == 1 and projection.shape == (len(mean), centroids.shape[1])
    if not shapes_agree or not all(np.isfinite(array).all() for array in (centroids, mean, projection)):
        raise UserError(f"not a codebook: {path}: shapes of centroids, mean and projection disagree, or NaN")
    return Codebook(centroids, mean, projection)


def codebook_size(path: Path) -> int:
    """Number of codes.

    Raises:
        UserError: Not a codebook.
    """
    return load_codebook(path).size
