"""The stages that a corpus job asks for, in their order."""

from pipelines.config import RunConfig
from pipelines.stages import Align, Decode, Encode, Stage, Transcribe
from transforms.encoder import SpeechEncoderConfig


def encoder_configs(config: RunConfig) -> tuple[SpeechEncoderConfig, ...]:
    chosen = (config.units, config.pitch, config.style)
    return tuple(encoder for encoder in chosen if encoder is not None)  # type: ignore[misc]


def stages_of(config: RunConfig) -> tuple[Stage, ...]:
    transcriber = config.transcriber
    stages: list[Stage] = [Decode(config.max_duration_s, needs_text=config.needs_text)]
    if transcriber is not None:
        stages.append(Transcribe(transcriber))
    if config.align is not None:
        stages.append(Align(config.align, config.gate))  # type: ignore[arg-type]
    return (*stages, *(Encode(encoder) for encoder in encoder_configs(config)))
