"""Prompts and answers: lists of text and speech parts, and their tokens under a layout."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from schemas.errors import UserError
from schemas.records import STREAM_KINDS, Modality, Stream, StreamKind, Waveform
from schemas.vocabulary import VocabularyLayout
from transforms.streams import expand_tokens, merge_streams
from transforms.text.protocol import TextTokenizer
from transforms.vocoder.protocol import Vocoder

Output = Literal["text", "speech", "any"]


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Speech:
    """Spoken part: audio (a file, or a waveform at 16 kHz), or the raw streams it was encoded to, or its tokens.

    A prompt's ``tokens`` are taken as they are, else its ``streams``, else its ``audio`` is encoded. A generated part
    has ``tokens``, its ids in the model's vocabulary; ``streams`` and ``audio`` (a waveform) too if a vocoder was there
    to say how long units last and to speak them.
    """

    audio: str | Path | Waveform | None = None
    streams: tuple[Stream, ...] = ()
    tokens: tuple[int, ...] = ()


Part = Text | Speech
EncodeAudio = Callable[[Speech], tuple[Stream, ...]]


def modality_of(part: Part) -> Modality:
    return "text" if isinstance(part, Text) else "speech"


def marker_of(modality: Modality, layout: VocabularyLayout) -> int:
    return layout.text_marker if modality == "text" else layout.speech_marker


def encode_parts(
    parts: Sequence[Part],
    *,
    layout: VocabularyLayout,
    tokenizer: TextTokenizer,
    encode_audio: EncodeAudio,
    after: Modality | None = None,
) -> list[int]:
    """Tokens of parts as in training: a marker where the modality changes (and at the start), no BOS.

    ``after`` is the modality in force before the first part.

    Raises:
        UserError: A spoken part's token is none of the layout's speech tokens.
    """
    tokens: list[int] = []
    for part in parts:
        modality = modality_of(part)
        if modality != after:
            tokens.append(marker_of(modality, layout))
            after = modality
        if isinstance(part, Text):
            tokens += tokenizer.encode(part.text.strip())
        elif part.tokens:
            strange = [token for token in part.tokens if layout.decode_id(token) is None]
            if strange:
                raise UserError(f"prompt: {strange[0]} is no speech token of the model's vocabulary")
            tokens += part.tokens
        else:
            tokens += merge_streams(encode_audio(part), layout=layout).tokens.tolist()
    return tokens


def decode_tokens(
    tokens: Sequence[int],
    *,
    first: Modality,
    layout: VocabularyLayout,
    tokenizer: TextTokenizer,
    speak: Callable[[Sequence[int]], Speech],
) -> list[Part]:
    """Generated tokens to parts; ``first`` is the modality in force at their start. Empty parts are left out."""
    parts: list[Part] = []
    modality, run = first, list[int]()
    for token in [*tokens, None]:
        if token is not None and token not in (layout.text_marker, layout.speech_marker):
            run.append(token)
            continue
        if run:
            parts.append(Text(tokenizer.decode(run)) if modality == "text" else speak(run))
        modality, run = ("text" if token == layout.text_marker else "speech"), []
    return parts


def speak_tokens(
    tokens: Sequence[int],
    *,
    layout: VocabularyLayout,
    hops: Mapping[StreamKind, int],
    fingerprints: Mapping[StreamKind, str],
    vocoder: Vocoder | None,
    speaker: str | None,
) -> Speech:
    """A generated speech part; the vocoder gives the durations of the units and the audio."""
    if vocoder is None:
        return Speech(tokens=tuple(tokens))
    streams = expand_tokens(
        tokens, layout=layout, hops=dict(hops), fingerprints=dict(fingerprints), durations=vocoder.durations
    )
    known = [stream for stream in streams if stream.kind in vocoder.stream_fingerprints]
    silent = len(streams[0].ids) == 0
    audio = np.zeros(0, dtype=np.float32) if silent else vocoder.synthesise(known, speaker=speaker)
    return Speech(audio=audio, streams=streams, tokens=tuple(tokens))


@dataclass(frozen=True, slots=True)
class Grammar:
    """What may be generated: depends on the modality in force, which a marker changes.

    Args:
        first: Modality in force before the first new token.
        allowed: By modality, the ids that may follow; bool, shape ``(rows,)``.
        markers: The modality that each marker opens.
        ends: Ids that end the answer.
    """

    first: Modality
    allowed: dict[Modality, npt.NDArray[np.bool_]]
    markers: dict[int, Modality]
    ends: frozenset[int]


def grammar_for(
    output: Output,
    *,
    last: Modality | None,
    layout: VocabularyLayout,
    rows: int,
    tokenizer: TextTokenizer,
    until_switch: bool = False,
) -> Grammar:
    """The modality's own tokens and EOS; for ``any``, the other modality's marker as well. Never padding or BOS.

    Args:
        last: Modality of the prompt's last part, which ``any`` goes on from.
        rows: Size of the model's vocabulary, padding included.
        until_switch: The other modality's marker may be drawn and ends the answer.
    """
    allowed: dict[Modality, npt.NDArray[np.bool_]] = {"text": np.zeros(rows, bool), "speech": np.zeros(rows, bool)}
    allowed["text"][: layout.text_size] = True
    allowed["text"][tokenizer.bos_id] = False
    allowed["speech"][layout.speech_ids()] = True
    for mask in allowed.values():
        mask[tokenizer.eos_id] = True
    if output == "any" or until_switch:
        allowed["text"][layout.speech_marker] = True
        allowed["speech"][layout.text_marker] = True
    first: Modality = (last or "text") if output == "any" else output
    markers: dict[int, Modality] = {layout.text_marker: "text", layout.speech_marker: "speech"}
    ends = {tokenizer.eos_id, *(markers if until_switch else ())}
    return Grammar(first, allowed, markers, frozenset(ends))


def stream_fingerprints(layout: VocabularyLayout) -> dict[StreamKind, str]:
    """Fingerprint of the encoder of each stream of a layout."""
    named = dict(item.split("=", 1) for item in layout.stream_fingerprints)
    return {kind: named[kind] for kind in STREAM_KINDS if kind in named}


def check_fingerprints(
    layout: VocabularyLayout, other: Mapping[StreamKind, str] | Mapping[str, str], *, what: str
) -> None:
    """Refuse an encoder or a vocoder of other codebooks.

    Raises:
        UserError: A stream that both know has two fingerprints.
    """
    others = {str(kind): fingerprint for kind, fingerprint in other.items()}
    for kind, own in stream_fingerprints(layout).items():
        if others.get(kind, own) != own:
            raise UserError(
                f"{what}: its {kind} tokens are {others[kind]}, the model was trained on {own}; "
                "use the one that the model's corpus was made with"
            )
