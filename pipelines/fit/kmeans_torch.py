"""The steps of k-means on a GPU: the points go there once, or from the disk at each step; a few numbers come back."""

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
        on_disk = isinstance(points_NP, np.memmap)
        self._points_NP: Features | Tensor = points_NP if on_disk else torch.from_numpy(points_NP).to(device)
        self._device = device
        self._distance_N = torch.zeros(len(points_NP), dtype=torch.float64, device=device)
        self._sums_KP = torch.zeros(0)
        self._counts_K = torch.zeros(0)

    @torch.inference_mode()
    def plus_plus(self, clusters: int, rng: np.random.Generator) -> Features:
        points_NP, last_place = self._at(slice(None)), len(self._points_NP) - 1
        exact_norms_N = points_NP.double().square().sum(1)
        norms_N = exact_norms_N.float()
        chosen = torch.tensor([int(rng.integers(len(points_NP)))], device=points_NP.device)
        seeds = [chosen]
        distance_N = torch.full_like(exact_norms_N, torch.inf)
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
        on_device_KP = torch.from_numpy(centroids_KP).to(self._device)
        half_norm_K = (on_device_KP.double().square().sum(1) / 2).float()
        self._sums_KP = torch.zeros(centroids_KP.shape, dtype=torch.float64, device=self._device)
        self._counts_K = torch.zeros(len(centroids_KP), dtype=torch.int64, device=self._device)
        for start in range(0, len(self._points_NP), _BLOCK_POINTS):
            block = slice(start, start + _BLOCK_POINTS)
            points_NP = self._at(block)
            nearest_N = (points_NP @ on_device_KP.T - half_norm_K).argmax(1)
            self._distance_N[block] = (points_NP.double() - on_device_KP[nearest_N].double()).square().sum(1)
            chosen_NK = torch.nn.functional.one_hot(nearest_N, len(centroids_KP))
            self._sums_KP += (chosen_NK.T.float() @ points_NP).double()
            self._counts_K += chosen_NK.sum(0)
        return float(self._distance_N.mean())

    @torch.inference_mode()
    def means(self) -> Features:
        centroids_KP = self._sums_KP / self._counts_K.clamp(min=1)[:, None]
        dead = torch.nonzero(self._counts_K == 0)[:, 0]
        worst = torch.argsort(-self._distance_N, stable=True)[: len(dead)]
        centroids_KP[dead] = self._at(worst.cpu().numpy()).double()
        return centroids_KP.float().cpu().numpy()

    def counts(self) -> npt.NDArray[np.int64]:
        return self._counts_K.cpu().numpy()

    def _at(self, places: slice | npt.NDArray[np.int64]) -> Tensor:
        if isinstance(self._points_NP, Tensor):
            return self._points_NP[places]
        return torch.from_numpy(np.array(self._points_NP[places])).to(self._device)
