"""`plait generate`: one prompt from the shell."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import soundfile as sf

from pipelines.backends import resolve_backends
from pipelines.files import check_target
from pipelines.infer.model import SpeechTextModel
from pipelines.infer.parts import Output, Part, Speech, Text
from pipelines.infer.spiritlm import is_spiritlm
from pipelines.train.export import PLAIT_FILE
from pipelines.yaml_config import read_yaml
from schemas.errors import UserError
from schemas.records import SAMPLE_RATE_HZ, STREAM_KINDS, Stream
from schemas.vocabulary import PREFIX
from transforms.assets import BUNDLED
from transforms.encoder import SpeechEncoderConfig
from transforms.vocoder.hifigan import HifiganConfig
from transforms.vocoder.protocol import Vocoder

NO_VOCODER = "none"
WAV_SUFFIXES = (".wav", ".flac")


def load_vocoder(path: str = BUNDLED) -> Vocoder:
    """The voice in a folder; the bundled one if none is named."""
    return HifiganConfig(path=path).load()


def load_model(folder: str, *, vocoder: Vocoder | None, job: str | None = None) -> SpeechTextModel:
    """A model with a voice and the encoders of a corpus job, by default the bundled ones.

    A Spirit LM checkpoint gets no encoders by default; those of a job that is named for it are taken to have its
    codebooks.

    Raises:
        UserError: No model there, or it was trained on tokens of other codebooks.
    """
    released = is_released(folder)
    if released and job is None:
        return SpeechTextModel.load_spiritlm(folder, vocoder=vocoder)
    resolved = resolve_backends(read_yaml(job) if job else {}, STREAM_KINDS, where=job or "the bundled encoders")
    encoders: list[SpeechEncoderConfig] = [resolved[kind] for kind in STREAM_KINDS if resolved[kind] is not None]
    if released:
        codebooks = {encoder.stream_kind: encoder.fingerprint for encoder in encoders}
        return SpeechTextModel.load_spiritlm(folder, codebooks=codebooks, vocoder=vocoder, encoders=encoders)
    return SpeechTextModel.load(folder, vocoder=vocoder, encoders=encoders)


def open_model(folder: str, *, vocoder: str | None, job: str | None) -> SpeechTextModel:
    """As ``load_model``. ``vocoder`` is a folder or ``none``; unset, the bundled one, and none for Spirit LM."""
    if vocoder is None:
        vocoder = NO_VOCODER if is_released(folder) else BUNDLED
    return load_model(folder, vocoder=None if vocoder == NO_VOCODER else load_vocoder(vocoder), job=job)


def is_released(folder: str) -> bool:
    """A Spirit LM checkpoint, and not an export of ``plait train``."""
    return not (Path(folder) / PLAIT_FILE).is_file() and is_spiritlm(Path(folder))


def parse_prompt(items: Sequence[str]) -> list[Part]:
    """``text:...`` and ``speech:FILE`` to parts.

    Raises:
        UserError: Neither of them.
    """
    parts: list[Part] = []
    for item in items:
        kind, separator, value = item.partition(":")
        if not separator or kind not in ("text", "speech"):
            raise UserError(f"prompt {item!r}: write text:WORDS or speech:FILE")
        parts.append(Text(value) if kind == "text" else Speech(audio=value))
    return parts


def spell_streams(streams: Sequence[Stream], *, limit: int = 24) -> str:
    """The first codes of generated streams, for a person."""
    spelled = []
    for stream in streams:
        codes = "".join(f"[{PREFIX[stream.kind]}{code}]" for code in stream.ids[:limit])
        spelled.append(f"{codes}{'...' if len(stream.ids) > limit else ''}")
    return " ".join(spelled)


def write_parts(parts: Sequence[Part], wav: Path) -> list[str]:
    """Answer's text as lines; its speech goes, joined, to ``wav``, if a vocoder spoke it."""
    lines = []
    spoken = [part for part in parts if isinstance(part, Speech) and part.audio is not None]
    for part in parts:
        if isinstance(part, Text):
            lines.append(part.text)
        elif part.streams:
            lines.append(f"[SPEECH]{spell_streams(part.streams)}")
        else:
            lines.append(f"[SPEECH] {len(part.tokens)} tokens: {' '.join(map(str, part.tokens))}")
    if spoken:
        wav.parent.mkdir(parents=True, exist_ok=True)
        with sf.SoundFile(wav, "w", SAMPLE_RATE_HZ, 1, subtype="PCM_16") as file:
            for part in spoken:
                file.write(part.audio)
        lines.append(str(wav))
    return lines


def generate(
    folder: str,
    prompt: Sequence[str],
    *,
    output: Output,
    wav: str,
    vocoder: str | None,
    job: str | None,
    **options: Any,
) -> list[str]:
    """Answer one prompt; returns the lines to print.

    Args:
        options: Arguments of ``SpeechTextModel.generate``.

    Raises:
        UserError: A spoken answer could not be written to ``wav``, or as ``load_model`` and ``generate`` say.
    """
    if output != "text" and vocoder != NO_VOCODER:
        check_target(Path(wav), option="--wav")
        if Path(wav).suffix.lower() not in WAV_SUFFIXES:
            raise UserError(f"--wav: {wav}: name a file that ends in {' or '.join(WAV_SUFFIXES)}")
    model = open_model(folder, vocoder=vocoder, job=job)
    (answer,) = model.generate([parse_prompt(prompt)], output=output, **options)
    return write_parts(answer, Path(wav))
