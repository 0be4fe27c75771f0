"""The steps of k-means on a GPU: the points go there once, and a few numbers a step come back."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from transforms.kmeans import Features

_BLOCK_POINTS = 32_768  # bounds the memory of a matrix of scores


class TorchArithmetic:
    """What ``NumpyArithmetic`` does, on any torch device, with the same draws.

    Sums are made by matrix products with a one-hot matrix, block by block: the order of additions is fixed, so a fit on
    one kind of GPU gives the same bytes twice, which atomic additions would not.
    """

    def __init__(self, points_NP: Features, *, device: torch.device) -> None:
        self._points_NP = torch.from_numpy(points_NP).to(device)
        self._norms_N = self._points_NP.double().square().sum(1)
        self._nearest_N = torch.zeros(len(points_NP), dtype=torch.int64, device=device)
        self._distance_N = torch.zeros(len(points_NP), dtype=torch.float64, device=device)
        self._clusters = 0

    @torch.inference_mode()
    def plus_plus(self, clusters: int, rng: np.random.Generator) -> Features:
        points_NP, last_place = self._points_NP, len(self._points_NP) - 1
        norms_N = self._norms_N.float()
        chosen = torch.tensor([int(rng.integers(len(points_NP)))], device=points_NP.device)
        seeds = [chosen]
        distance_N = torch.full_like(self._norms_N, torch.inf)
        for _ in range(clusters - 1):
            last_P = points_NP[chosen[0]]
            found_N = (norms_N - 2 * (points_NP @ last_P) + last_P @ last_P).clamp(min=0)
            distance_N = torch.minimum(distance_N, found_N.double())
            cumulative_N = distance_N.cumsum(0)
            chosen = torch.searchsorted(cumulative_N, rng.random() * cumulative_N[-1:]).clamp(max=last_place)
            seeds.append(chosen)
        return points_NP[torch.cat(seeds)].cpu().numpy()

    @torch.inference_mode()
    def nearest(self, centroids_KP: Features) -> float:
        on_device_KP = torch.from_numpy(centroids_KP).to(self._points_NP.device)
        half_norm_K = on_device_KP.double().square().sum(1) / 2
        for block in self._blocks():
            scores_NK = self._points_NP[block] @ on_device_KP.T - half_norm_K.float()
            self._nearest_N[block] = scores_NK.argmax(1)
            nearest_NP = on_device_KP[self._nearest_N[block]].double()
            self._distance_N[block] = (self._points_NP[block].double() - nearest_NP).square().sum(1)
        self._clusters = len(centroids_KP)
        return float(self._distance_N.mean())

    @torch.inference_mode()
    def means(self) -> Features:
        sums_KP = torch.zeros(
            self._clusters, self._points_NP.shape[1], dtype=torch.float64, device=self._points_NP.device
        )
        for block in self._blocks():
            chosen_NK = torch.nn.functional.one_hot(self._nearest_N[block], self._clusters)
            sums_KP += (chosen_NK.T.float() @ self._points_NP[block]).double()
        counts_K = self._counts()
        centroids_KP = sums_KP / counts_K.clamp(min=1)[:, None]
        dead = torch.nonzero(counts_K == 0)[:, 0]
        worst = torch.argsort(-self._distance_N, stable=True)[: len(dead)]
        centroids_KP[dead] = self._points_NP[worst].double()
        return centroids_KP.float().cpu().numpy()

    def counts(self) -> npt.NDArray[np.int64]:
        return self._counts().cpu().numpy()

    def _counts(self) -> Tensor:
        return torch.bincount(self._nearest_N, minlength=self._clusters)

    def _blocks(self) -> list[slice]:
        return [slice(at, at + _BLOCK_POINTS) for at in range(0, len(self._points_NP), _BLOCK_POINTS)]
