"""What a vocoder says of itself: its architecture, its speakers, and whose tokens it speaks."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from schemas.records import StreamKind


class SpokenStream(BaseModel):
    """A stream that a vocoder was fitted on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fingerprint: str
    hop_samples: int
    codebook_size: int


class Architecture(BaseModel):
    """Sizes of all models; the defaults are the bundled voice's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    channels: tuple[int, int, int] = Field(default=(256, 128, 80), description="of the generator at 100, 200, 400 Hz")
    kernels: tuple[int, ...] = (3, 7, 11)
    dilations: tuple[int, ...] = (1, 3, 5)
    width: int = Field(default=256, description="of the acoustic half at the unit rate")
    fine_width: int = Field(default=128, description="of the acoustic half at 100 Hz")
    blocks: int = 4
    fine_blocks: int = 3
    code_width: int = Field(default=64, description="of pitch, style and speaker embeddings")
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
