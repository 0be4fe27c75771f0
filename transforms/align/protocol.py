"""The contract of an aligner."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from schemas.errors import RecordError
from schemas.records import AlignedWord, SourceRow, SpokenWord, Waveform

LOG_LIKELIHOOD = "log_likelihood"
"""Score of an alignment by which two readings of the same audio may be compared: nats a frame, higher is better."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """Words in order, each inside the audio, none overlapping, and named scores of the whole.

    An aligner that gives ``log_likelihood`` gives its words' scores in the same unit: both are means over frames of how
    far what is said there lies below the best that could be, at most 0. The gate judges by them.
    """

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


@runtime_checkable
class LanguageBound(Protocol):
    """An aligner that speaks these languages (base codes) only; any other is refused before it is asked."""

    languages: frozenset[str]


@runtime_checkable
class RowAligner(Protocol):
    """An aligner that needs more than audio and words: the utterance's id, or another model a language."""

    def align_row(self, row: SourceRow, waveform: Waveform) -> Alignment:
        """Align a row's text, in a reading of the aligner's choice.

        Raises:
            RecordError: The words could not be placed.
        """
        ...


@runtime_checkable
class BatchAligner(Aligner, Protocol):
    """An aligner that is faster on several recordings at once; none depends on its batch mates."""

    def align_batch(
        self, waveforms: Sequence[Waveform], words: Sequence[Sequence[SpokenWord]]
    ) -> list[Alignment | RecordError]:
        """Align each; the error of one that fails stands in its place."""
        ...


@runtime_checkable
class RefiningAligner(Aligner, Protocol):
    """An aligner of two steps, of which the first is enough to compare texts; ``align`` is one after the other."""

    def place(self, waveform: Waveform, words: Sequence[SpokenWord]) -> Alignment:
        """Every word's rough place, and the ``log_likelihood`` that ``align`` has.

        Raises:
            RecordError: The words could not be placed.
        """
        ...

    def refine(self, waveform: Waveform, placed: Alignment) -> Alignment:
        """The alignment that starts from an outcome of ``place``.

        Raises:
            RecordError: There is none.
        """
        ...


@runtime_checkable
class Pronouncing(Protocol):
    """An aligner that refuses a whole text for a word whose sound it does not know."""

    def pronounces(self, word: str) -> bool: ...


class AlignerConfig(Protocol):
    @property
    def fingerprint(self) -> str: ...

    def load(self) -> Aligner | RowAligner: ...
