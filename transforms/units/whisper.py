"""Phonetic units from a middle layer of Whisper's encoder: 50 Hz features, averaged to 25 Hz, nearest centroid."""

from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import Field

from schemas.errors import UserError
from schemas.records import StreamKind
from transforms.assets import resolve_asset
from transforms.backend import BackendConfig, digest_json
from transforms.devices import Device
from transforms.digests import cached_digest
from transforms.encoder import SpeechEncoder
from transforms.kmeans import Features, codebook_size, load_codebook
from transforms.units.precision import Precision
from transforms.units.protocol import FeatureExtractor
from transforms.units.whisper_weights import MODEL_SHA256, tiny_en_folder

HOP_SAMPLES = 640
CODEBOOK_NAME = "units-whisper-500/codebook.npz"


class WhisperUnitsConfig(BackendConfig):
    """An early layer of Whisper's encoder, its frames clustered.

    Args:
        model: ``tiny.en`` of the pinned package, or a CTranslate2 Whisper folder.
        layer: Number of encoder blocks that are run; 1 is the first.
        codebook: npz file of ``plait fit units``, or ``bundled``.
        device: Where the model runs; ``auto`` takes a GPU if there is one.
        precision: ``auto`` is fp32 on a CPU and fp16 on a GPU. Like the device it is no part of the fingerprint.
        compile: Compile the model for the device; worth its minutes on a long run on a GPU.
    """

    kind: Literal["whisper"] = "whisper"
    model: str = "tiny.en"
    layer: int = Field(default=2, ge=1)
    codebook: str = "bundled"
    device: Device = "auto"
    precision: Precision = "auto"
    compile: bool = False

    @property
    def stream_kind(self) -> StreamKind:
        return "units"

    @property
    def hop_samples(self) -> int:
        return HOP_SAMPLES

    @property
    def codebook_size(self) -> int:
        return codebook_size(self.codebook_path)

    @property
    def codebook_path(self) -> Path:
        return resolve_asset(self.codebook, bundled_name=CODEBOOK_NAME, key="units.codebook")

    @property
    def model_path(self) -> Path:
        """The verified ``model.bin``.

        Raises:
            UserError: Missing, or not what the pinned package should hold.
        """
        folder = tiny_en_folder() if self.model == "tiny.en" else Path(self.model)
        path = folder / "model.bin"
        if not path.is_file():
            raise UserError(f"units.model: no model.bin in {folder}; name a CTranslate2 Whisper folder or tiny.en")
        return path

    @property
    def features_fingerprint(self) -> str:
        weights = MODEL_SHA256 if self.model == "tiny.en" else cached_digest(self.model_path)
        return digest_json({"kind": self.kind, "weights": weights, "layer": self.layer})

    @property
    def fingerprint(self) -> str:
        return digest_json([self.features_fingerprint, cached_digest(self.codebook_path)])

    def code_vectors(self) -> Features:
        """See ``UnitsConfig``: the centroids."""
        return load_codebook(self.codebook_path).centroids

    def load_features(self) -> FeatureExtractor:
        from transforms.units.overflow import load_guarded
        from transforms.units.whisper_model import WhisperFeatures

        load = partial(WhisperFeatures, self.model_path, layer=self.layer, device=self.device, compiled=self.compile)
        return load_guarded(lambda precision: load(precision=precision), self.precision, self.device)

    def load(self) -> SpeechEncoder:
        from transforms.units.quantizer import UnitsEncoder

        return UnitsEncoder(self.load_features(), self.codebook_path)
