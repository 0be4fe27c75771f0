"""What a report shows, as plain data: the run's figures, a few utterances with their audio, samples, provenance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from schemas.errors import Outcome
from schemas.records import Modality, StoredUtterance, Waveform


@dataclass(frozen=True, slots=True)
class DroppedCause:
    """All dead letters of one stage and code; ``examples`` are (utterance id, detail), the first few."""

    stage: str
    code: str
    outcome: Outcome
    count: int
    examples: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class StreamSegment:
    """A run of tokens of one modality as a person reads it.

    Args:
        marker: ``[TEXT]`` or ``[SPEECH]``.
        pieces: The text as one string, or the names of the speech tokens, such as ``[Hu28]``.
        num_tokens: Its tokens, the marker included.
        start_sample, end_sample: The audio that its words last.
    """

    modality: Modality
    marker: str
    pieces: tuple[str, ...]
    num_tokens: int
    start_sample: int
    end_sample: int


@dataclass(frozen=True, slots=True)
class SampleUtterance:
    """An utterance to look at and listen to.

    Args:
        waveform: None where the store keeps no audio.
        segments: Its interleaved stream (``stream.readable_segments``).
        f0_hz: Optional contour, shape ``(frames,)``, 0 where unvoiced.
        f0_hop_samples: Samples a frame of ``f0_hz``.
    """

    record: StoredUtterance
    waveform: Waveform | None
    segments: tuple[StreamSegment, ...] = ()
    f0_hz: npt.NDArray[np.floating] | None = None
    f0_hop_samples: int = 0


@dataclass(frozen=True, slots=True)
class Histogram:
    """Values of one score over utterances; those on the far side of ``threshold`` were filtered."""

    title: str
    unit: str
    values: Sequence[float]
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class LossCurve:
    """Loss at each logged step, in nats a token; ``series`` by name, such as ``all``, ``text``, ``speech``."""

    steps: Sequence[int]
    series: Mapping[str, Sequence[float]]


@dataclass(frozen=True, slots=True)
class GeneratedSample:
    """What the model made of a prompt. ``task`` is such as ``text to speech``."""

    task: str
    prompt_text: str = ""
    prompt_waveform: Waveform | None = None
    output_text: str = ""
    output_waveform: Waveform | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class ErrorRate:
    """Word error rate of one kind of audio. ``wer`` is a ratio; ``detail`` says what was recognised by what."""

    name: str
    wer: float
    utterances: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ReportData:
    """Everything on the page. What is empty or None is left out of it.

    Args:
        inputs: Utterances read; ``utterances`` of them are in the shards.
        speech_s: Seconds of speech in the shards.
        tokens: Tokens in the shards by kind (``text``, ``units``, ``pitch``, ``style``).
        tokens_per_s: Speech tokens a second of speech.
        without_a_switch: Share of the interleaved sequences of several words that are of one modality; None where none
            were baked.
        seconds_by_stage: Wall or processor seconds by stage, in the order of the stages.
        provenance: Tables of names and values: versions, fingerprints, machine.
        config: The resolved job, as YAML.
    """

    title: str
    inputs: int
    utterances: int
    speech_s: float
    words: int
    tokens: Mapping[str, int]
    tokens_per_s: float
    without_a_switch: float | None = None
    dropped: Sequence[DroppedCause] = ()
    samples: Sequence[SampleUtterance] = ()
    histograms: Sequence[Histogram] = ()
    loss: LossCurve | None = None
    generated: Sequence[GeneratedSample] = ()
    error_rates: Sequence[ErrorRate] = ()
    seconds_by_stage: Mapping[str, float] = field(default_factory=dict)
    provenance: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    config: str = ""
