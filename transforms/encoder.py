"""The contract shared by the three speech tokenizers: waveforms in, one code a frame out."""

from collections.abc import Sequence
from typing import Protocol

from schemas.records import StreamKind, TokenIds, Waveform


class SpeechEncoder(Protocol):
    """Encodes batches of recordings.

    A recording's codes don't depend on its batch mates. ``len(ids) == ceil(num_samples / hop_samples)``.
    """

    def encode(self, waveforms: Sequence[Waveform]) -> list[TokenIds]: ...


class SpeechEncoderConfig(Protocol):
    """``fingerprint`` digests config and weights, without loading a model."""

    @property
    def stream_kind(self) -> StreamKind: ...

    @property
    def hop_samples(self) -> int: ...

    @property
    def codebook_size(self) -> int: ...

    @property
    def fingerprint(self) -> str: ...

    def load(self) -> SpeechEncoder: ...
