"""Style codes by a classifier: any ``Wav2Vec2ForSequenceClassification`` of ``transformers``, one class a second.

Spirit LM's style tokens are such a classifier's (100 classes, mean over the 50 frames of a second; Nguyen et al. 2025).
No such weights may be redistributed here, so this is for those who have some; a class is a code.
"""

import math
from typing import Literal

from schemas.errors import UserError
from schemas.records import SAMPLE_RATE_HZ, StreamKind
from transforms.backend import BackendConfig, digest_json
from transforms.devices import Device
from transforms.digests import cached_digest
from transforms.encoder import SpeechEncoder
from transforms.units.hubert_source import HubertSource, read_folder
from transforms.units.precision import Precision


class Wav2Vec2StyleConfig(BackendConfig):
    """A classifier of style, a class a second.

    Args:
        model: A ``transformers`` folder with a ``Wav2Vec2ForSequenceClassification``, or a hub id in the local cache.
        allow_download: Fetch a hub id that is not in the cache.
        device: Where the model runs; ``auto`` takes a GPU if there is one.
        precision: ``auto`` is fp32 on a CPU and fp16 on a GPU. Like the device it is no part of the fingerprint.
    """

    kind: Literal["wav2vec2"] = "wav2vec2"
    model: str
    allow_download: bool = False
    device: Device = "auto"
    precision: Precision = "auto"

    @property
    def stream_kind(self) -> StreamKind:
        return "style"

    @property
    def hop_samples(self) -> int:
        return SAMPLE_RATE_HZ

    @property
    def source(self) -> HubertSource:
        """Where the weights are.

        Raises:
            UserError: Nowhere, or they are no such classifier's.
        """
        source = read_folder(self.model, role="style", architecture="wav2vec2", allow_download=self.allow_download)
        architectures = source.config.get("architectures") or ["no architecture"]
        if "Wav2Vec2ForSequenceClassification" not in architectures:
            raise UserError(f"style.model: {self.model} is a {architectures[0]}, no Wav2Vec2ForSequenceClassification")
        if SAMPLE_RATE_HZ % math.prod(source.shape.strides):
            raise UserError(f"style.model: {self.model}: a second is no whole number of its frames")
        return source

    @property
    def codebook_size(self) -> int:
        """Number of classes."""
        return len(self.source.config.get("id2label") or {0: "", 1: ""})  # transformers' default is two

    @property
    def fingerprint(self) -> str:
        return digest_json({"kind": self.kind, "files": [cached_digest(path) for path in self.source.files]})

    def load(self) -> SpeechEncoder:
        from transforms.style.wav2vec2_model import Wav2Vec2StyleEncoder

        return Wav2Vec2StyleEncoder(self.source, device=self.device, precision=self.precision)
