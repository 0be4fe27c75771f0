"""What a units backend offers beside its codes: the features that a codebook is fitted on."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from schemas.records import Waveform
from transforms.encoder import SpeechEncoderConfig
from transforms.kmeans import Features

if TYPE_CHECKING:
    from torch import Tensor


class FeatureExtractor(Protocol):
    """Frame features; a recording's features don't depend on its batch mates beyond float rounding."""

    @property
    def feature_dim(self) -> int: ...

    def features(self, waveforms: Sequence[Waveform]) -> list[Features]:
        """float32, shape ``(ceil(num_samples / hop_samples), feature_dim)`` each."""
        ...

    def hidden(self, waveforms: Sequence[Waveform]) -> "list[Tensor]":
        """The same as tensors on the model's device."""
        ...


class FeatureConfig(Protocol):
    @property
    def hop_samples(self) -> int: ...

    @property
    def features_fingerprint(self) -> str:
        """Digest of what decides the features: the model's weights and the layer, not the codebook."""
        ...

    def load_features(self) -> FeatureExtractor: ...


class UnitsConfig(SpeechEncoderConfig, Protocol):
    def code_vectors(self) -> Features | None:
        """A point for each code, shape ``(K, P)``, codes that sound alike near each other; None if there are none."""
        ...
