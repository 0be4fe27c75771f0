"""Options of ``plait fit vocoder``."""

from typing import Any

from pydantic import Field, PositiveFloat, SerializeAsAny, field_validator

from pipelines.yaml_config import Section
from schemas.records import StreamKind
from transforms.backend import BackendConfig
from transforms.devices import Device
from transforms.encoder import SpeechEncoderConfig
from transforms.vocoder._mel import MEL_HOP_SAMPLES
from transforms.vocoder.description import Architecture


class VocoderFitConfig(Section):
    """Settings of ``plait fit vocoder``; ``jobs/fit/vocoder.yaml`` has those of the bundled voice.

    Args:
        units: Encoder of the units that it speaks.
        pitch: Encoder of the pitch codes; null for none.
        style: Encoder of the style codes; null for none.
        architecture: Sizes of all models.
        default_speaker: Who speaks when none is named; the one with most speech unless said.
        speaker_weights: Factors on the speakers' shares of the training examples.
        wave_steps: Steps of the generator, which makes the wave from log-mels.
        adversarial_from: Wave step at which the discriminators join.
        wave_batch: Training examples a wave step.
        wave_crop_frames: Length of such an example in frames of 10 ms.
        wave_learning_rate: Of the generator, at its peak.
        wave_decay_steps: Steps in which that rate falls tenfold.
        acoustic_steps: Steps of the acoustic half, which makes log-mels from tokens.
        acoustic_batch: Training examples an acoustic step.
        acoustic_crop_units: Length of such an example in units.
        acoustic_shifts_samples: Recordings are also encoded from these samples on, for more variety of tokens.
        acoustic_learning_rate: Of the acoustic half, at its peak.
        reader_steps: Steps of the net that reads units from log-mels, whose view of them the acoustic half is to match;
            0 for none.
        reader_width: Channels of that net.
        reader_learning_rate: Of that net.
        reading_weight: Of the difference in that net's view, beside the distance of the log-mels.
        sharpen_steps: Steps of the acoustic half against a discriminator of log-mels; 0 for none.
        sharpen_learning_rate: In these steps.
        mel_judge_channels: Of the layers of that discriminator.
        duration_steps: Steps of the duration model.
        refine_steps: More wave steps, on the log-mels that the acoustic half predicts.
        period_judge_channels: Of the layers of the multi-period discriminator.
        spectrogram_judge_channels: Of the spectrogram discriminator.
        scale_judge_channels: Of HiFi-GAN's multi-scale discriminator, for a GPU: ``[64, 128, 256, 256]``; an empty list
            for none.
        device: ``auto`` takes a GPU if there is one.
        threads: CPU threads of torch.
        bf16: Multiply in bfloat16: for GPUs, and CPUs with AVX-512 bf16 or AMX; slower on others.
    """

    units: SerializeAsAny[BackendConfig]
    pitch: SerializeAsAny[BackendConfig] | None
    style: SerializeAsAny[BackendConfig] | None
    architecture: Architecture = Field(default_factory=Architecture)
    default_speaker: str | None = None
    speaker_weights: dict[str, PositiveFloat] = Field(default_factory=dict)
    wave_steps: int = Field(default=2800, ge=1)
    adversarial_from: int = Field(default=2000, ge=0)
    wave_batch: int = Field(default=8, ge=1)
    wave_crop_frames: int = Field(default=64, ge=16)
    wave_learning_rate: float = Field(default=8e-4, gt=0)
    wave_decay_steps: int = Field(default=8000, ge=1)
    acoustic_steps: int = Field(default=5000, ge=1)
    acoustic_batch: int = Field(default=8, ge=1)
    acoustic_crop_units: int = Field(default=100, ge=8)
    acoustic_shifts_samples: tuple[int, ...] = (160, 320, 480)
    acoustic_learning_rate: float = Field(default=1e-3, gt=0)
    reader_steps: int = Field(default=1500, ge=0)
    reader_width: int = Field(default=192, ge=1)
    reader_learning_rate: float = Field(default=1e-3, gt=0)
    reading_weight: float = Field(default=15.0, gt=0)
    sharpen_steps: int = Field(default=2500, ge=0)
    sharpen_learning_rate: float = Field(default=5e-4, gt=0)
    mel_judge_channels: tuple[int, ...] = Field(default=(24, 48, 64, 64), min_length=1)
    duration_steps: int = Field(default=1000, ge=1)
    refine_steps: int = Field(default=0, ge=0)
    period_judge_channels: tuple[int, ...] = (16, 32, 64, 64)
    spectrogram_judge_channels: int = Field(default=12, ge=1)
    scale_judge_channels: tuple[int, ...] = ()
    device: Device = "auto"
    threads: int = Field(default=1, ge=1)
    bf16: bool = False

    @field_validator("acoustic_shifts_samples")
    @classmethod
    def _whole_frames(cls, shifts: tuple[int, ...]) -> tuple[int, ...]:
        if any(shift <= 0 or shift % MEL_HOP_SAMPLES for shift in shifts):
            raise ValueError(f"shifts are multiples of {MEL_HOP_SAMPLES} samples above 0")
        return shifts

    def encoders(self) -> dict[StreamKind, SpeechEncoderConfig]:
        found: dict[StreamKind, Any] = {"units": self.units, "pitch": self.pitch, "style": self.style}
        return {kind: config for kind, config in found.items() if config is not None}
