"""Recordings as the vocoder's fitting sees them: waveform, F0, log-mel, speaker, and their codes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from pipelines.fit.arrays import Arrays, load_arrays, save_arrays
from schemas.errors import UserError
from schemas.records import StreamKind, TokenIds, Utterance, Waveform
from transforms.encoder import SpeechEncoderConfig
from transforms.pitch.contour import F0Contour
from transforms.pitch.fcpe_f0 import FcpeF0
from transforms.vocoder._mel import LOG_FLOOR, MEL_HOP_SAMPLES, log_mel

Floats = npt.NDArray[np.float32]

#: Recordings are padded with silence to whole frames of this many samples, so that all streams line up.
FRAME_SAMPLES = 640

_F0_THRESHOLD = 0.05  # FCPE's confidence below which a frame is unvoiced, as the pitch encoder has it


@dataclass(frozen=True, slots=True)
class FittingRecording:
    """One recording. ``T`` is the number of 100 Hz frames, a multiple of 4.

    Args:
        waveform: Shape ``(160 * T,)``.
        f0_hz: 0 where unvoiced, shape ``(T,)``.
        mel: Natural-log mel amplitudes, shape ``(80, T)``, half precision.
        codes: Raw code ids by stream; empty where no encoder has run.
        index: Position among the recordings, as ids may be shared by the sources of a corpus; -1 of a shifted one.
    """

    index: int
    speaker: str
    licence: str
    audio_sha256: str
    num_samples: int
    waveform: Waveform
    f0_hz: Floats
    mel: npt.NDArray[np.float16]
    codes: dict[StreamKind, TokenIds] = field(default_factory=dict)


def to_100_hz(contour: F0Contour) -> Floats:
    """Hz at 100 frames a second, 0 where unvoiced; a frame is voiced if either of its two halves is.

    Args:
        contour: At 200 Hz, an even number of frames.
    """
    first, second = contour.f0_hz[0::2], contour.f0_hz[1::2]
    middle = np.where((first > 0) & (second > 0), (first + second) / 2, np.maximum(first, second))
    return np.asarray(middle, dtype=np.float32)


def read_recordings(
    recordings: Callable[[], Iterator[Utterance]], *, cache: Path | None, say: Callable[[str], None]
) -> list[FittingRecording]:
    """All recordings in their order, with F0 and log-mel. F0 is kept in ``cache`` by audio digest.

    Raises:
        UserError: There are no recordings.
    """
    known: dict[str, Floats] = _known(cache)
    estimator: FcpeF0 | None = None
    found: list[FittingRecording] = []
    for utterance in recordings():
        waveform = np.pad(utterance.waveform, (0, -utterance.num_samples % FRAME_SAMPLES)).astype(np.float32)
        if utterance.audio_sha256 not in known:
            estimator = estimator or FcpeF0(device=torch.device("cpu"), threshold=_F0_THRESHOLD)
            known[utterance.audio_sha256] = to_100_hz(estimator.contour(utterance.waveform))
            if len(known) % 100 == 0:
                say(f"F0 of {len(known)} recordings")
        with torch.inference_mode():
            mel_MT = log_mel(torch.from_numpy(waveform)[None])[0].numpy().astype(np.float16)
        found.append(
            FittingRecording(
                index=len(found),
                speaker=utterance.row.speaker,
                licence=utterance.row.licence,
                audio_sha256=utterance.audio_sha256,
                num_samples=utterance.num_samples,
                waveform=waveform,
                f0_hz=cut(known[utterance.audio_sha256], 0, mel_MT.shape[1]),
                mel=mel_MT,
            )
        )
    if not found:
        raise UserError("fit vocoder: the corpus has no recordings")
    if estimator is not None and cache is not None:
        save_arrays(cache, known)
    return found


def add_codes(
    recordings: list[FittingRecording],
    encoders: dict[StreamKind, SpeechEncoderConfig],
    *,
    work: Path | None,
    say: Callable[[str], None],
    batch: int = 16,
) -> list[FittingRecording]:
    """The same recordings with their codes, which are kept in ``work`` by encoder and audio digest."""
    for kind, config in encoders.items():
        cache = None if work is None else work / f"{kind}-{config.fingerprint}.npz"
        known: dict[str, TokenIds] = _known(cache)
        unknown = [recording for recording in recordings if recording.audio_sha256 not in known]
        if unknown:
            encoder = config.load()
        for start in range(0, len(unknown), batch):
            group = unknown[start : start + batch]
            encoded = encoder.encode([recording.waveform[: recording.num_samples] for recording in group])
            known |= {recording.audio_sha256: ids for recording, ids in zip(group, encoded, strict=True)}
            if start // batch % 20 == 0:
                say(f"{kind}: encoded {start + len(group)} of {len(unknown)} recordings")
        if unknown and cache is not None:
            save_arrays(cache, known)
        recordings = [replace(r, codes={**r.codes, kind: known[r.audio_sha256]}) for r in recordings]
    return recordings


def shifted(recording: FittingRecording, samples: int) -> FittingRecording:
    """The recording without its first samples, and without codes: encoded again it gives other tokens.

    Args:
        samples: A multiple of 160, less than the recording has.
    """
    frames = samples // MEL_HOP_SAMPLES
    padding = -(len(recording.f0_hz) - frames) % (FRAME_SAMPLES // MEL_HOP_SAMPLES)
    return replace(
        recording,
        index=-1,
        audio_sha256=f"{recording.audio_sha256}+{samples}",
        num_samples=recording.num_samples - samples,
        waveform=np.pad(recording.waveform[samples:], (0, padding * MEL_HOP_SAMPLES)),
        f0_hz=np.pad(recording.f0_hz[frames:], (0, padding)),
        mel=np.pad(recording.mel[:, frames:], ((0, 0), (0, padding)), constant_values=LOG_FLOOR),
        codes={},
    )


def _known(path: Path | None) -> Arrays:
    return load_arrays(path) if path is not None and path.exists() else {}


class CropSampler:
    """Draws fixed-length crops, a recording with a chance proportional to its length.

    Args:
        weights: Factor on a speaker's chance; 1 where absent.
    """

    def __init__(self, recordings: list[FittingRecording], *, frames: int, weights: dict[str, float]) -> None:
        self._recordings = recordings
        self.frames = frames
        mass = np.array([len(r.f0_hz) * weights.get(r.speaker, 1.0) for r in recordings], dtype=np.float64)
        self._chances = mass / mass.sum()

    def draw(self, rng: np.random.Generator, batch: int) -> list[tuple[FittingRecording, int]]:
        """Recordings and the first 100 Hz frame of each crop; a multiple of 4, 0 for those shorter than a crop."""
        chosen = rng.choice(len(self._recordings), size=batch, p=self._chances)
        crops = []
        for index in chosen:
            recording = self._recordings[int(index)]
            spare = max(len(recording.f0_hz) - self.frames, 0) // 4
            crops.append((recording, 4 * int(rng.integers(spare + 1))))
        return crops


def cut(values: npt.NDArray[np.generic], start: int, length: int, *, fill: float = 0.0) -> npt.NDArray[np.float32]:
    """``length`` values from ``start`` along the last axis, padded with ``fill`` where the recording ends."""
    part = values[..., start : start + length].astype(np.float32)
    padding = [(0, 0)] * (part.ndim - 1) + [(0, length - part.shape[-1])]
    return np.pad(part, padding, constant_values=fill)
