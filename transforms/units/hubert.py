"""Phonetic units from a layer of a HuBERT (Hsu et al. 2021, 2106.07447), by k-means or a linear quantizer."""

from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from schemas.errors import UserError
from schemas.records import StreamKind
from transforms.assets import BUNDLED, assets_dir, resolve_asset
from transforms.backend import BackendConfig, digest_json
from transforms.devices import Device
from transforms.digests import cached_digest
from transforms.encoder import SpeechEncoder
from transforms.kmeans import Features
from transforms.units.codebook_files import read_codebook
from transforms.units.hubert_source import HubertSource, find_source
from transforms.units.linear_files import SUFFIXES, Activation, read_linear
from transforms.units.precision import Precision
from transforms.units.protocol import FeatureExtractor

BUNDLED_HUBERT = "hubert-small-25hz"
_BUNDLED_LAYER = 3


class HubertUnitsConfig(BackendConfig):
    """Units of HuBERT: the small bundled one, or another, for instance ``slprl/mhubert-base-25hz`` at layer 11.

    Args:
        model: ``bundled``, a ``transformers`` HuBERT folder, a hub id that is in the local cache, or
            ``torchaudio:HUBERT_BASE`` (``_LARGE``, ``_XLARGE``).
        weights: For a ``torchaudio:`` model, the folder that holds its file.
        layer: Number of transformer layers that are run; 1 is the first. Must be said of another model than the
            bundled one.
        codebook: ``bundled``, which goes with the bundled model's layer 3; or k-means as ``.npz``, ``.npy`` or
            scikit-learn's ``.bin``, of which no code is run; or the linear layers of an MLP quantizer as
            ``.safetensors`` or a torch state dict; or a folder of ``plait fit units``.
        activation: Between the layers of an MLP quantizer.
        blank: Output of a linear quantizer that is CTC's blank. A blank takes its left neighbour, within its recording;
            one before the first code stays.
        allow_download: Fetch a hub id that is not in the cache.
        device: Where the model runs; ``auto`` takes a GPU if there is one.
        precision: ``auto`` is fp32 on a CPU and fp16 on a GPU. Like the device it is no part of the fingerprint.
        compile: Compile the model for the device; worth its minutes on a long run on a GPU.
    """

    kind: Literal["hubert"] = "hubert"
    model: str = BUNDLED
    weights: str | None = None
    layer: int = Field(default=_BUNDLED_LAYER, ge=1)
    codebook: str = BUNDLED
    activation: Activation | None = None
    blank: int | None = Field(default=None, ge=0)
    allow_download: bool = False
    device: Device = "auto"
    precision: Precision = "auto"
    compile: bool = False

    @model_validator(mode="after")
    def _is_one(self) -> "HubertUnitsConfig":
        unsaid = [key for key in ("layer", "codebook") if key not in self.model_fields_set]
        if self.model != BUNDLED and unsaid:
            raise ValueError(f"{self.model} needs {' and '.join(unsaid)}, whose defaults are the bundled model's")
        if self.codebook == BUNDLED and (self.model != BUNDLED or self.layer != _BUNDLED_LAYER):
            raise ValueError(f"codebook: bundled goes with the bundled model's layer {_BUNDLED_LAYER}")
        return self

    @property
    def stream_kind(self) -> StreamKind:
        return "units"

    @property
    def hop_samples(self) -> int:
        """Product of the convolutions' strides: 320 for the base model, 640 for a 25 Hz one."""
        return self.source.shape.hop_samples

    @property
    def codebook_size(self) -> int:
        return read_linear(self.codebook_path).size if self._is_linear else read_codebook(self.codebook_path).size

    @property
    def codebook_path(self) -> Path:
        return resolve_asset(self.codebook, bundled_name=f"{BUNDLED_HUBERT}/codebook.npz", key="units.codebook")

    @property
    def _is_linear(self) -> bool:
        linear = Path(self.codebook).suffix in SUFFIXES
        if not linear and (self.blank is not None or self.activation is not None):
            name = "units.blank" if self.blank is not None else "units.activation"
            raise UserError(f"{name}: {self.codebook} is a k-means; only a linear quantizer takes it")
        return linear

    @property
    def source(self) -> HubertSource:
        """Where the weights are.

        Raises:
            UserError: Nowhere, they are no HuBERT's, or its config has fewer layers.
        """
        model = str(assets_dir() / BUNDLED_HUBERT) if self.model == BUNDLED else self.model
        source = find_source(model, weights=self.weights, allow_download=self.allow_download)
        layers = source.config.get("num_hidden_layers", self.layer)
        if self.layer > layers:
            raise UserError(f"units.layer: {self.model} has {layers} layers, not {self.layer}")
        return source

    @property
    def features_fingerprint(self) -> str:
        digests = [cached_digest(path) for path in self.source.files]
        return digest_json({"kind": self.kind, "layer": self.layer, "files": digests})

    @property
    def fingerprint(self) -> str:
        parts: list[Any] = [self.features_fingerprint, cached_digest(self.codebook_path)]
        if self._is_linear:
            parts += [self.activation or "relu", self.blank]
        return digest_json(parts)

    def code_vectors(self) -> Features | None:
        """See ``UnitsConfig``: the centroids of a k-means; a linear quantizer has none."""
        return None if self._is_linear else read_codebook(self.codebook_path).centroids

    def load_features(self) -> FeatureExtractor:
        from transforms.units.hubert_model import HubertFeatures
        from transforms.units.overflow import load_guarded

        load = partial(HubertFeatures, self.source, layer=self.layer, device=self.device, compiled=self.compile)
        return load_guarded(lambda precision: load(precision=precision), self.precision, self.device)

    def load(self) -> SpeechEncoder:
        from transforms.units.quantizer import UnitsEncoder

        activation = (self.activation or "relu") if self._is_linear else "relu"
        return UnitsEncoder(self.load_features(), self.codebook_path, activation=activation, blank=self.blank)
