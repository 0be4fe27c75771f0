"""What a vocoder says of itself: its architecture, its speakers, and whose tokens it speaks."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, field_validator

from schemas.records import StreamKind


class SpokenStream(BaseModel):
    """A stream that a vocoder was fitted on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fingerprint: str
    hop_samples: int
    codebook_size: int


class Architecture(BaseModel):
    """Sizes of a vocoder's models; the defaults are the bundled voice's.

    Args:
        channels: Of the generator at 100, 200 and 400 Hz.
        kernels: Widths of the generator's residual blocks, which run side by side.
        dilations: Of the convolutions in each of these blocks.
        width: Of the acoustic half at the unit rate.
        fine_width: Of the acoustic half at 100 Hz.
        blocks: Of the acoustic half at the unit rate.
        fine_blocks: Of the acoustic half at 100 Hz.
        code_width: Of the embeddings of pitch, style and speaker.
        duration_width: Of the duration model.
        dropout: Of the acoustic half and the duration model, in training.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    channels: tuple[int, int, int] = (256, 128, 80)
    kernels: tuple[int, ...] = (3, 7, 11)
    dilations: tuple[int, ...] = (1, 3, 5)
    width: int = 256
    fine_width: int = 128
    blocks: int = 4
    fine_blocks: int = 3
    code_width: int = 64
    duration_width: int = 128
    dropout: float = 0.2


class VocoderDescription(BaseModel):
    """What lies beside the weights: architecture, speakers (the first is the default) and the streams it speaks."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["plait-vocoder-1"] = "plait-vocoder-1"
    architecture: Architecture
    speakers: tuple[str, ...]
    streams: dict[StreamKind, SpokenStream]

    @field_validator("streams")
    @classmethod
    def _units(cls, streams: dict[StreamKind, SpokenStream]) -> dict[StreamKind, SpokenStream]:
        if "units" not in streams:
            raise ValueError("a voice speaks units")
        return streams
