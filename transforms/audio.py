"""From an audio file of any rate and channel count to a 16 kHz mono waveform.

Memory is bounded by ``max_duration_s`` and not by what a header claims: samples are read in blocks, averaged to
mono at once, and reading stops where the limit is passed.
"""

from collections.abc import Iterator
from typing import IO

import numpy as np
import numpy.typing as npt
import soundfile as sf
import soxr

from schemas.errors import RecordError
from schemas.records import SAMPLE_RATE_HZ, Waveform
from transforms.audio_ends import missing_riff_bytes, mp3_counts_its_frames, ogg_is_whole

MIN_DURATION_S = 0.08  # Spirit LM cuts audio to between 80 ms ...
MAX_DURATION_S = 100.0  # ... and 100 s (Nguyen et al., TACL 2025)
RATES_HZ = (4_000, 384_000)
MAX_PEAK = 4.0  # above it, floating-point samples are not on the scale of [-1, 1]

_BLOCK_VALUES = 1 << 20
_EXACT_LENGTH_FORMATS = frozenset({"WAV", "WAVEX", "RF64", "W64", "FLAC", "AIFF", "AU", "CAF"})
_MP3_TOLERANCE_FRAMES = 2 * 1152  # encoders differ in whether they count the frame that holds the count
_LEAST_MEAN_ENERGY = 0.01


def resampled_length(frames: int, rate_hz: int) -> int:
    """Samples at 16 kHz of ``frames`` at ``rate_hz``: the nearest integer, halves rounded up."""
    return (2 * frames * SAMPLE_RATE_HZ + rate_hz) // (2 * rate_hz)


def resample(mono: Waveform, rate_hz: int) -> Waveform:
    """``mono`` at 16 kHz, ``resampled_length`` samples within [-1, 1] (soxr, very high quality).

    What is louder is scaled down to a peak of 1, as clipping would distort it.
    """
    length = resampled_length(len(mono), rate_hz)
    peak = np.abs(mono).max(initial=0.0)
    if peak > 1.0:
        mono = mono / peak
    if rate_hz != SAMPLE_RATE_HZ:
        # soxr stops within a sample of the exact length
        mono = np.asarray(soxr.resample(mono, rate_hz, SAMPLE_RATE_HZ, quality="VHQ"), dtype=np.float32)[:length]
        mono = np.pad(mono, (0, length - len(mono)))
    return np.clip(mono, -1.0, 1.0)


def decode_file(
    file: IO[bytes], *, min_duration_s: float = MIN_DURATION_S, max_duration_s: float = MAX_DURATION_S
) -> Waveform:
    """Decode a seekable binary file of a format that libsndfile reads (wav, flac, ogg, opus, mp3 ...).

    Channels are averaged; where they cancel out (less than 1 % of their mean energy is left), the loudest is taken.

    Raises:
        RecordError: ``unreadable_audio``, ``truncated_audio`` or ``invalid_samples``; filtered: ``empty_audio``,
            ``too_short``, ``too_long``.
    """
    try:
        mono, rate_hz, loudest = _read_mono(file, max_duration_s)
        if loudest is not None:
            mono, _, _ = _read_mono(file, max_duration_s, channel=loudest)
    except sf.LibsndfileError as error:
        raise RecordError("unreadable_audio", f"libsndfile cannot read it: {error.error_string.strip()}") from error
    if not len(mono):
        raise RecordError("empty_audio", "the file has no samples", outcome="filtered")
    if not np.isfinite(mono).all():
        raise RecordError("invalid_samples", "the file holds NaN or infinite samples")
    peak = float(np.abs(mono).max())
    if peak > MAX_PEAK:
        raise RecordError("invalid_samples", f"samples reach {peak:.6g}, far outside [-1, 1]")
    if len(mono) < min_duration_s * rate_hz:
        detail = f"{len(mono) / rate_hz * 1000:.1f} ms is below the minimum of {min_duration_s * 1000:g} ms"
        raise RecordError("too_short", detail, outcome="filtered")
    return resample(mono, rate_hz)


def _read_mono(
    file: IO[bytes], max_duration_s: float, *, channel: int | None = None
) -> tuple[Waveform, int, int | None]:
    """The mean of the channels, or one of them; the sample rate; the loudest channel if the mean is next to nothing."""
    counted = mp3_counts_its_frames(file)
    file.seek(0)
    with sf.SoundFile(file) as sound:
        rate_hz, claimed, container = int(sound.samplerate), int(sound.frames), sound.format
        blocks: list[Waveform] = []
        energy_C, mean_energy = np.zeros(sound.channels), 0.0
        for block in _blocks(sound, int(max_duration_s * rate_hz)):
            blocks.append(block.mean(axis=1, dtype=np.float32) if channel is None else block[:, channel].copy())
            if sound.channels > 1:
                energy_C += np.square(block, dtype=np.float64).sum(axis=0)
                mean_energy += float(np.square(blocks[-1], dtype=np.float64).sum())
        missing = missing_riff_bytes(sound.extra_info) if container in ("WAV", "WAVEX") else 0
    mono = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    if len(mono) > int(max_duration_s * rate_hz):
        raise RecordError("too_long", f"it lasts longer than the maximum of {max_duration_s:g} s", outcome="filtered")
    least = claimed if container in _EXACT_LENGTH_FORMATS else 0
    if container == "MP3" and counted:
        least = claimed - _MP3_TOLERANCE_FRAMES
    if missing or len(mono) < least:
        raise RecordError(
            "truncated_audio", f"the file ends after {len(mono) / rate_hz:.3f} s, its header promises more"
        )
    if container == "OGG" and not ogg_is_whole(file):
        raise RecordError("truncated_audio", f"the file ends after {len(mono) / rate_hz:.3f} s, its stream goes on")
    cancelled = channel is None and mean_energy < _LEAST_MEAN_ENERGY * float(energy_C.mean())
    return mono, rate_hz, int(energy_C.argmax()) if cancelled else None


def _blocks(sound: sf.SoundFile, limit: int) -> Iterator[npt.NDArray[np.float32]]:
    """Frames of all channels, shape ``(frames, channels)``, until there are more than ``limit``."""
    rate_hz, frames = sound.samplerate, 0
    if not RATES_HZ[0] <= rate_hz <= RATES_HZ[1]:
        raise RecordError(
            "unreadable_audio", f"a sample rate of {rate_hz} Hz is outside {RATES_HZ[0]} to {RATES_HZ[1]}"
        )
    while frames <= limit:
        try:
            block = sound.read(max(1, _BLOCK_VALUES // sound.channels), dtype="float32", always_2d=True)
        except sf.LibsndfileError as error:
            # The decoder lost its way in data that the header had promised.
            raise RecordError(
                "truncated_audio", f"damaged or cut after {frames / rate_hz:.3f} s: {error.error_string.strip()}"
            ) from error
        if not len(block):
            return
        yield block
        frames += len(block)
