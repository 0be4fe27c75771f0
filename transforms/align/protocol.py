"""The contract of an aligner."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from schemas.records import AlignedWord, SpokenWord, Waveform

LOG_LIKELIHOOD = "log_likelihood"
"""Score of an alignment by which two readings of the same audio may be compared: nats a frame, higher is better."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """Words in order, each inside the audio, none overlapping, and named scores of the whole."""

    words: tuple[AlignedWord, ...]
    scores: dict[str, float] = field(default_factory=dict)


class Aligner(Protocol):
    """Places every word or raises; never returns fewer words than it was given."""

    def align(self, waveform: Waveform, words: Sequence[SpokenWord]) -> Alignment:
        """Align one utterance.

        Raises:
            RecordError: The words could not be placed (code ``alignment_failed``).
        """
        ...


class AlignerConfig(Protocol):
    @property
    def fingerprint(self) -> str: ...

    def load(self) -> Aligner: ...
