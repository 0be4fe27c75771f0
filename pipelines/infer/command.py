"""`plait generate`: one prompt from the shell."""

from collections.abc import Sequence
from pathlib import Path

import soundfile as sf

from pipelines.config import resolve_backends
from pipelines.infer.model import SpeechTextModel
from pipelines.infer.parts import Output, Part, Speech, Text
from schemas.errors import UserError
from schemas.records import SAMPLE_RATE_HZ, Stream
from schemas.vocabulary import PREFIX
from transforms.encoder import SpeechEncoderConfig
from transforms.registry import config_class
from transforms.vocoder.protocol import Vocoder, VocoderConfig


def load_vocoder() -> Vocoder:
    """The bundled voice."""
    config: VocoderConfig = config_class("vocoder", "hifigan")()  # type: ignore[assignment]
    return config.load()


def load_model(folder: str, *, vocoder: Vocoder) -> SpeechTextModel:
    """An exported model with a voice and the default encoders.

    Raises:
        UserError: No model there, or it was trained on tokens of other codebooks.
    """
    resolved = resolve_backends({}, ("units", "pitch", "style"), where="generate")
    encoders: list[SpeechEncoderConfig] = [resolved[kind] for kind in ("units", "pitch", "style")]
    return SpeechTextModel.load(folder, vocoder=vocoder, encoders=encoders)


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
    """Answer's text as lines; its speech goes, joined, to ``wav``."""
    lines = []
    spoken = [part for part in parts if isinstance(part, Speech)]
    for part in parts:
        lines.append(part.text if isinstance(part, Text) else f"[SPEECH]{spell_streams(part.streams)}")
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
    max_new_tokens: int,
    temperature: float,
    top_p: float,
    seed: int,
) -> list[str]:
    """Answer one prompt; returns the lines to print."""
    model = load_model(folder, vocoder=load_vocoder())
    (answer,) = model.generate(
        [parse_prompt(prompt)],
        output=output,
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        top_p=top_p,
        seed=seed,
    )
    return write_parts(answer, Path(wav))
