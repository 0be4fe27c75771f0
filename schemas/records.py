"""The records that travel between stages.

Time is an integer count of 16 kHz samples; spans are half-open. ``num_samples`` is the length of the
resampled mono audio, whatever the file's own rate was.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from schemas.errors import Outcome

SAMPLE_RATE_HZ = 16_000

StreamKind = Literal["units", "pitch", "style"]
STREAM_KINDS: tuple[StreamKind, ...] = ("units", "pitch", "style")

Waveform = npt.NDArray[np.float32]  # (num_samples,), mono, 16 kHz, within [-1, 1]
TokenIds = npt.NDArray[np.int32]  # (frames,)


@dataclass(frozen=True, slots=True)
class Span:
    """Half-open range of samples."""

    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start


@dataclass(frozen=True, slots=True, order=True)
class SourceRow:
    """One row of a corpus manifest: metadata only, no audio.

    ``audio`` is an fsspec URL or path; ``audio_row`` is set where the audio is a row of a Parquet file.
    """

    utterance_id: str
    audio: str
    text: str
    audio_row: int = -1
    speaker: str = ""
    language: str = "en"
    licence: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A word as it is spoken, and the characters of the text as written that it stands for.

    Several spoken words may share one range (``"21"`` -> ``twenty one``); ranges are ordered and
    two of them are either equal or disjoint.
    """

    text: str
    char_start: int
    char_end: int


@dataclass(frozen=True, slots=True)
class AlignedWord:
    """A spoken word with its place in the audio.

    ``score`` is higher for a better fit: mean nats a frame below the best sounds where the alignment has a
    ``log_likelihood``; else on a scale of its source, such as the confidence in a file, and nothing is made of it.
    """

    text: str
    start_sample: int
    end_sample: int
    score: float
    char_start: int
    char_end: int

    def moved(self, *, samples: int, chars: int = 0) -> "AlignedWord":
        """The word as it stands in a recording and a text that begin so much earlier."""
        return AlignedWord(
            self.text,
            self.start_sample + samples,
            self.end_sample + samples,
            self.score,
            self.char_start + chars,
            self.char_end + chars,
        )


@dataclass(frozen=True, slots=True)
class Stream:
    """Raw (not deduplicated) token ids of one kind, one id a frame.

    Frame ``i`` covers the samples ``[i * hop_samples, (i + 1) * hop_samples)``;
    ``len(ids) == ceil(num_samples / hop_samples)``.
    ``fingerprint`` names encoder and codebook: tokens of another fingerprint mean something else.
    """

    kind: StreamKind
    hop_samples: int
    codebook_size: int
    ids: TokenIds
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Utterance:
    """A decoded recording on its way through the stages; later stages fill the later fields."""

    row: SourceRow
    waveform: Waveform
    audio_sha256: str
    words: tuple[AlignedWord, ...] = ()
    alignment: dict[str, float] = field(default_factory=dict)
    streams: tuple[Stream, ...] = ()

    @property
    def num_samples(self) -> int:
        return len(self.waveform)


@dataclass(frozen=True, slots=True, order=True)
class DeadLetter:
    """A record that reached no shard, and why."""

    utterance_id: str
    stage: str
    code: str
    detail: str
    outcome: Outcome
    audio: str


@dataclass(frozen=True, slots=True)
class StoredUtterance:
    """An utterance as it lies in a token store: everything but the audio.

    ``words`` are in order and do not overlap; ``streams`` cover all ``num_samples``.
    """

    utterance_id: str
    text: str
    num_samples: int
    words: tuple[AlignedWord, ...]
    streams: tuple[Stream, ...]
    speaker: str = ""
    language: str = "en"
    licence: str = ""
    source: str = ""
    audio_sha256: str = ""
    alignment: dict[str, float] = field(default_factory=dict)


Modality = Literal["text", "speech"]


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of tokens of one modality within a sequence, its marker included.

    Tokens ``[token_start, token_end)`` say words ``[word_start, word_end)``, which last ``[start_sample, end_sample)``.
    """

    modality: Modality
    token_start: int
    token_end: int
    word_start: int
    word_end: int
    start_sample: int
    end_sample: int


@dataclass(frozen=True, slots=True)
class TokenSequence:
    """One training sequence made of one utterance. ``tokens``: int32, shape ``(n,)``, no BOS."""

    utterance_id: str
    tokens: TokenIds
    segments: tuple[Segment, ...]
