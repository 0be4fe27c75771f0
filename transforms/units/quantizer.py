"""Features of any extractor to codes, on the device where the features lie; only ids leave it."""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from schemas.errors import UserError
from schemas.records import TokenIds, Waveform
from transforms.kmeans import Codebook
from transforms.units.codebook_files import read_codebook
from transforms.units.linear_files import SUFFIXES, Activation, LinearLayers, read_linear, take_left_neighbour
from transforms.units.protocol import FeatureExtractor

_BLOCK_FRAMES = 16_384  # bounds the memory of a matrix of scores


class NearestCentroid(nn.Module):
    """Codes of a k-means, the lower index on a tie. fp32 whatever the model ran in."""

    def __init__(self, codebook: Codebook) -> None:
        super().__init__()
        plain = np.array_equal(codebook.projection, np.eye(*codebook.projection.shape)) and not codebook.mean.any()
        centroids_KP = codebook.centroids.astype(np.float64)
        self.mean_D: Tensor
        self.projection_DP: Tensor | None
        self.centroids_PK: Tensor
        self.bias_K: Tensor
        self.register_buffer("mean_D", torch.from_numpy(codebook.mean))
        self.register_buffer("projection_DP", None if plain else torch.from_numpy(codebook.projection))
        self.register_buffer("centroids_PK", torch.from_numpy(np.ascontiguousarray(codebook.centroids.T)))
        self.register_buffer("bias_K", torch.from_numpy(-(centroids_KP**2).sum(1) / 2).float())

    def forward(self, features_ND: Tensor) -> Tensor:
        points_NP = features_ND
        if self.projection_DP is not None:
            points_NP = (features_ND - self.mean_D) @ self.projection_DP
        return torch.addmm(self.bias_K, points_NP, self.centroids_PK).argmax(1)


class LikeliestOutput(nn.Module):
    """The largest output of a chain of linear layers."""

    def __init__(self, linear: LinearLayers, activation: Activation) -> None:
        super().__init__()
        self.activation = getattr(functional, activation) if activation != "tanh" else torch.tanh
        self.layers = nn.ModuleList()
        for weight, bias in linear.layers:
            layer = nn.Linear(weight.shape[1], len(weight))
            layer.load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)})
            self.layers.append(layer)
        self.requires_grad_(False)

    def forward(self, features_ND: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            features_ND = self.activation(layer(features_ND))
        outputs_NK: Tensor = self.layers[-1](features_ND)
        return outputs_NK.argmax(1)


class UnitsEncoder:
    """An extractor and its quantizer.

    Args:
        activation: Between the layers of an MLP quantizer.
        blank: The output of a linear quantizer that stands for "as before"; None if it has none.

    Raises:
        UserError: The quantizer is for features of another width, or its file is none.
    """

    def __init__(
        self,
        extractor: FeatureExtractor,
        codebook_path: Path,
        *,
        activation: Activation = "relu",
        blank: int | None = None,
    ) -> None:
        source = read_linear(codebook_path) if codebook_path.suffix in SUFFIXES else read_codebook(codebook_path)
        if source.feature_dim != extractor.feature_dim:
            raise UserError(
                f"units.codebook: {codebook_path} is for {source.feature_dim} features a frame, "
                f"the model gives {extractor.feature_dim}; fit one with `plait fit units`"
            )
        if blank is not None and blank >= source.size:
            raise UserError(f"units.blank: {codebook_path} has {source.size} outputs, not {blank + 1}")
        self._extractor, self._blank = extractor, blank
        self._quantize: nn.Module = (
            LikeliestOutput(source, activation) if isinstance(source, LinearLayers) else NearestCentroid(source)
        )

    @torch.inference_mode()
    def encode(self, waveforms: Sequence[Waveform]) -> list[TokenIds]:
        hidden_TD = self._extractor.hidden(waveforms)
        if not hidden_TD:
            return []
        frames_ND = torch.cat(hidden_TD)
        quantize = self._quantize.to(frames_ND.device)
        ids_N = [quantize(frames_ND[at : at + _BLOCK_FRAMES]) for at in range(0, len(frames_ND), _BLOCK_FRAMES)]
        ids = torch.cat(ids_N).to(torch.int32).cpu().numpy() if ids_N else np.empty(0, np.int32)
        cuts = accumulate(len(states_TD) for states_TD in hidden_TD)
        codes = [ids[start:end] for start, end in pairwise([0, *cuts])]
        return codes if self._blank is None else [take_left_neighbour(each, self._blank) for each in codes]
