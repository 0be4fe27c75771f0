"""The contract of a vocoder."""

from collections.abc import Sequence
from typing import Protocol

from schemas.records import Stream, TokenIds, Waveform


class Vocoder(Protocol):
    """Synthesises 16 kHz audio from raw (frame-rate) streams, or from deduplicated units with its own durations.

    Missing pitch or style streams take a default (BASE); tokens of another codebook are refused.
    """

    @property
    def stream_fingerprints(self) -> dict[str, str]:
        """Fingerprint of the encoder whose codes it speaks, by stream kind."""
        ...

    @property
    def lookahead(self) -> tuple[int, int]:
        """Units after one that can change its duration, and frames after one that can change its sound."""
        ...

    def durations(self, units: TokenIds) -> TokenIds:
        """Frames that each deduplicated unit lasts, at least 1; shape ``(n,)``."""
        ...

    def synthesise(self, streams: Sequence[Stream], *, speaker: str | None = None) -> Waveform:
        """Audio of ``len(units) * hop_samples`` samples.

        Raises:
            UserError: A stream's fingerprint is not the one that the vocoder was trained on, or the speaker is unknown.
        """
        ...


class VocoderConfig(Protocol):
    @property
    def fingerprint(self) -> str: ...

    def load(self) -> Vocoder: ...
