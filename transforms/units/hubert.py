"""Phonetic units from a layer of a HuBERT (Hsu et al. 2021, arXiv 2106.07447), nearest centroid."""

import json
import math
from pathlib import Path
from typing import Literal

from pydantic import Field

from schemas.errors import UserError
from schemas.records import StreamKind
from transforms.backend import BackendConfig, digest_json
from transforms.devices import Device
from transforms.digests import cached_digest
from transforms.encoder import SpeechEncoder
from transforms.kmeans import codebook_size
from transforms.units.protocol import FeatureExtractor

_WEIGHTS = ("model.safetensors", "pytorch_model.bin")


class HubertUnitsConfig(BackendConfig):
    """Units of HuBERT, for instance ``slprl/mhubert-base-25hz`` at layer 11.

    Args:
        model: A ``transformers`` HuBERT folder, or a hub id that is in the local cache.
        layer: Number of transformer layers that are run; 1 is the first.
        codebook: npz file with an array ``centroids`` of shape (codes, hidden size).
        allow_download: Fetch a hub id that is not in the cache.
        device: Where the model runs; ``auto`` takes a GPU if there is one.
    """

    kind: Literal["hubert"] = "hubert"
    model: str
    layer: int = Field(ge=1)
    codebook: str
    allow_download: bool = False
    device: Device = "auto"

    @property
    def stream_kind(self) -> StreamKind:
        return "units"

    @property
    def hop_samples(self) -> int:
        """Product of the convolutions' strides: 320 for the base model, 640 for a 25 Hz one."""
        path = self.model_folder / "config.json"
        try:
            return math.prod(json.loads(path.read_text(encoding="utf-8"))["conv_stride"])
        except (KeyError, ValueError, TypeError) as error:
            raise UserError(f"units.model: {path} is no HuBERT config ({error!r})") from error

    @property
    def codebook_size(self) -> int:
        return codebook_size(self.codebook_path)

    @property
    def codebook_path(self) -> Path:
        path = Path(self.codebook)
        if not path.is_file():
            raise UserError(f"units.codebook: no such file: {path}; fit one with `plait fit units`")
        return path

    @property
    def model_folder(self) -> Path:
        """The folder named, or the hub's snapshot in the local cache.

        Raises:
            UserError: Neither is there, or the download failed.
        """
        folder = Path(self.model)
        if folder.is_dir():
            if not (folder / "config.json").is_file():
                raise UserError(f"units.model: no config.json in {folder}; name a folder written by transformers")
            return folder
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

        try:
            return Path(
                snapshot_download(
                    self.model,
                    local_files_only=not self.allow_download,
                    allow_patterns=["config.json", "preprocessor_config.json", *_WEIGHTS],
                )
            )
        except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError) as error:
            hint = "" if self.allow_download else "; set units.allow_download to fetch it"
            raise UserError(f"units.model: {self.model!r} is neither a folder nor in the hub's cache{hint}") from error

    @property
    def features_fingerprint(self) -> str:
        folder = self.model_folder
        weights = next((folder / name for name in _WEIGHTS if (folder / name).is_file()), None)
        if weights is None:
            raise UserError(f"units.model: no {' or '.join(_WEIGHTS)} in {folder}")
        files = [weights, *(folder / name for name in ("config.json", "preprocessor_config.json"))]
        digests = [cached_digest(path) for path in files if path.is_file()]
        return digest_json({"kind": self.kind, "layer": self.layer, "files": digests})

    @property
    def fingerprint(self) -> str:
        return digest_json([self.features_fingerprint, cached_digest(self.codebook_path)])

    def load_features(self) -> FeatureExtractor:
        from transforms.units.hubert_model import HubertFeatures

        return HubertFeatures(self.model_folder, layer=self.layer, hop_samples=self.hop_samples, device=self.device)

    def load(self) -> SpeechEncoder:
        from transforms.units.quantizer import UnitsEncoder

        return UnitsEncoder(self.load_features(), self.codebook_path)
