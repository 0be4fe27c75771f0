"""Codebooks as others write them: ``.npz`` and ``.npy`` arrays, scikit-learn's pickled k-means (``.bin``)."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from schemas.errors import UserError
from transforms.kmeans import Codebook, load_codebook
from transforms.units.sklearn_pickle import read_attribute

_PICKLES = (".bin", ".pkl", ".joblib")


def read_codebook(path: Path) -> Codebook:
    """Centroids of a k-means, by the file's suffix.

    ``.npz`` holds ``centroids`` (K, D) and perhaps ``mean`` and ``projection``; ``.npy`` the centroids alone; ``.bin``,
    ``.pkl`` and ``.joblib`` a scikit-learn k-means, of which the arrays are read and no code is run.

    Raises:
        UserError: Not such a file.
    """
    if path.suffix == ".npy":
        try:
            centroids = np.load(path, allow_pickle=False)
        except (OSError, EOFError, ValueError) as error:
            raise UserError(f"not a codebook: {path} ({str(error) or type(error).__name__})") from error
        return _plain(path, centroids)
    if path.suffix in _PICKLES:
        return _plain(path, read_attribute(path, "cluster_centers_"))
    return load_codebook(path)


def _plain(path: Path, centroids: npt.NDArray[np.generic]) -> Codebook:
    try:
        values = np.ascontiguousarray(centroids, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise UserError(f"not a codebook: {path} ({error})") from error
    if values.ndim != 2 or not values.size or not np.isfinite(values).all():
        raise UserError(f"not a codebook: {path}: centroids are a finite array (codes, features), not {values.shape}")
    dim = values.shape[1]
    return Codebook(values, np.zeros(dim, np.float32), np.eye(dim, dtype=np.float32))
