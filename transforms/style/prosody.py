"""Style codes, one a second: prosody and timbre statistics, z-scored, nearest centroid.

They tell loud from soft, high from low, flat from lively, voices and channels apart. They are no emotion classifier:
nothing was learnt from emotion labels, and a code mixes speaker with style.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from schemas.errors import UserError
from schemas.records import StreamKind, TokenIds, Waveform
from transforms.assets import resolve_asset
from transforms.backend import BackendConfig, digest_json
from transforms.digests import cached_digest
from transforms.encoder import SpeechEncoder
from transforms.kmeans import codebook_size, load_codebook
from transforms.style.features import HOP_SAMPLES, NAMES, style_features

STYLE_NAME = "style-prosody-100/style.npz"
_FEATURES_VERSION = 1  # a change of what the features are makes another encoder


class ProsodyStyleConfig(BackendConfig):
    """Statistics of prosody and timbre, a code a second.

    Args:
        codebook: npz file of ``plait fit style``, or ``bundled``.
    """

    kind: Literal["prosody"] = "prosody"
    codebook: str = "bundled"

    @property
    def stream_kind(self) -> StreamKind:
        return "style"

    @property
    def hop_samples(self) -> int:
        return HOP_SAMPLES

    @property
    def codebook_path(self) -> Path:
        return resolve_asset(self.codebook, bundled_name=STYLE_NAME, key="style.codebook")

    @property
    def codebook_size(self) -> int:
        return codebook_size(self.codebook_path)

    @property
    def fingerprint(self) -> str:
        return digest_json(
            {
                "kind": self.kind,
                "features": list(NAMES),
                "version": _FEATURES_VERSION,
                "codebook": cached_digest(self.codebook_path),
            }
        )

    def load(self) -> SpeechEncoder:
        return ProsodyStyleEncoder(self.codebook_path)


class ProsodyStyleEncoder:
    """Raises ``UserError`` when it is made of another encoder's codebook."""

    def __init__(self, codebook_path: Path) -> None:
        self._codebook = load_codebook(codebook_path)
        if self._codebook.feature_dim != len(NAMES):
            raise UserError(
                f"style.codebook: {codebook_path} is for {self._codebook.feature_dim} features, "
                f"style has {len(NAMES)}; fit one with `plait fit style`"
            )

    def encode(self, waveforms: Sequence[Waveform]) -> list[TokenIds]:
        return [self._codebook.assign(style_features(waveform)) for waveform in waveforms]
