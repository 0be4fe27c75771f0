"""Crops of recordings as the acoustic half is fitted on them: codes at the unit rate, log-mel, F0."""

from typing import NamedTuple

import numpy as np
import torch

from pipelines.fit.vocoder_data import CropSampler, FittingRecording, cut
from schemas.records import StreamKind
from transforms.vocoder._acoustic import AcousticShape, repeat_to_units
from transforms.vocoder._mel import LOG_FLOOR

_UNIT_DROP = 0.05
_BOTH_DROP, _ONE_DROP = 0.3, 0.1

Hops = dict[StreamKind, int]


def codes_at_unit_rate(recording: FittingRecording, shape: AcousticShape, hops: Hops) -> np.ndarray:
    """Units, pitch and style, one column a unit, int64, shape ``(3, U)``; absent streams are "missing"."""
    units = len(recording.codes["units"])
    rows = [torch.from_numpy(recording.codes["units"].astype(np.int64))]
    kinds: tuple[tuple[StreamKind, int], ...] = (
        ("pitch", shape.pitch_codes),
        ("style", shape.style_codes),
    )
    for kind, missing in kinds:
        if kind in recording.codes:
            rows.append(repeat_to_units(recording.codes[kind], units, unit_hop=hops["units"], hop=hops[kind]))
        else:
            rows.append(torch.full((units,), missing))
    return torch.stack(rows).numpy()


def drop_streams(codes_B3U: np.ndarray, shape: AcousticShape, rng: np.random.Generator) -> np.ndarray:
    """Replaces pitch, style and single units by their "missing" entries at random; a new array."""
    dropped = codes_B3U.copy()
    draw_B = rng.random(len(dropped))
    dropped[draw_B < _BOTH_DROP + _ONE_DROP, 1] = shape.pitch_codes
    both_or_style_B = (draw_B < _BOTH_DROP) | (draw_B > 1.0 - _ONE_DROP)
    dropped[both_or_style_B, 2] = shape.style_codes
    dropped[:, 0][rng.random(dropped[:, 0].shape) < _UNIT_DROP] = shape.unit_codes
    return dropped


class AcousticBatch(NamedTuple):
    """Crops at 100 frames a second.

    Args:
        codes: Units, pitch and style at the unit rate, shape ``(B, 3, U)``.
        speakers: Shape ``(B,)``.
        mel: Log-mel, shape ``(B, 80, T)``.
        f0: Hz, 0 where unvoiced, shape ``(B, T)``.
        inside: 1.0 where the recording goes on, else 0.0; shape ``(B, T)``.
    """

    codes: torch.Tensor
    speakers: torch.Tensor
    mel: torch.Tensor
    f0: torch.Tensor
    inside: torch.Tensor


class AcousticCrops:
    """Draws batches of one length in units, streams and units dropped at random.

    Args:
        speakers: As the model counts them.
        weights: Factor on a speaker's chance; 1 where absent.
    """

    def __init__(
        self,
        recordings: list[FittingRecording],
        shape: AcousticShape,
        *,
        hops: Hops,
        speakers: tuple[str, ...],
        units: int,
        weights: dict[str, float],
        device: torch.device,
    ) -> None:
        self._shape, self._speakers, self._units, self._device = shape, speakers, units, device
        self._codes = {r.audio_sha256: codes_at_unit_rate(r, shape, hops) for r in recordings}
        self._sampler = CropSampler(recordings, frames=units * shape.frames_per_unit, weights=weights)

    def draw(self, rng: np.random.Generator, size: int) -> AcousticBatch:
        """``size`` crops; what they are follows from ``rng`` alone."""
        ratio = self._shape.frames_per_unit
        frames = self._units * ratio
        codes, mels, f0s, inside, speakers = [], [], [], [], []
        for recording, start in self._sampler.draw(rng, size):
            row = self._codes[recording.audio_sha256][:, start // ratio : start // ratio + self._units]
            lacking = self._units - row.shape[1]
            codes.append(np.pad(row, ((0, 0), (0, lacking)), mode="edge"))
            mels.append(cut(recording.mel, start, frames, fill=LOG_FLOOR))
            f0s.append(cut(recording.f0_hz, start, frames))
            inside.append((np.arange(frames) < frames - lacking * ratio).astype(np.float32))
            speakers.append(self._speakers.index(recording.speaker))
        dropped = drop_streams(np.stack(codes), self._shape, rng)
        arrays = (dropped, np.array(speakers), *(np.stack(part) for part in (mels, f0s, inside)))
        return AcousticBatch(*(torch.from_numpy(array).to(self._device) for array in arrays))
