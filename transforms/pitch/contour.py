"""The F0 contour of a recording and the form in which the pitch VQ-VAE sees it.

Frames are 200 Hz; frame ``i`` covers the samples ``[80 i, 80 i + 80)``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

HOP_SAMPLES = 80
F0_MIN_HZ = 50.0
F0_MAX_HZ = 1100.0
CENTRE_HZ = 150.0  # taken for the mean of a recording with no voiced frame

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class F0Contour:
    """``f0_hz`` is 0 where ``voiced`` is False; both have shape ``(frames,)``."""

    f0_hz: Floats
    voiced: npt.NDArray[np.bool_]

    @property
    def mean_log_f0(self) -> float:
        """Mean of ln F0 over the voiced frames: the speaker's level, which the codes leave out."""
        return float(np.log(self.f0_hz[self.voiced]).mean()) if self.voiced.any() else float(np.log(CENTRE_HZ))


def to_200_hz(f0_hz: Floats) -> F0Contour:
    """A contour at 100 Hz, shape ``(n + 1,)``, brought to 200 Hz, ``2 n`` frames.

    Value ``k`` is F0 at sample ``160 k``; frame ``i`` asks for it at its middle, sample ``80 i + 40``. ln F0 is
    interpolated between two voiced values; a frame is voiced if the nearer value is.
    Values outside 50-1100 Hz count as unvoiced.
    """
    known = (f0_hz >= F0_MIN_HZ) & (f0_hz <= F0_MAX_HZ)
    at = np.arange(2 * (len(f0_hz) - 1))
    near = (at + 1) // 2
    far = np.where(at % 2 == 0, near + 1, near - 1)
    far = np.where(known[far], far, near)
    log_f0 = np.log(np.where(known, f0_hz, 1.0))
    voiced = known[near]
    f0 = np.where(voiced, np.exp(0.75 * log_f0[near] + 0.25 * log_f0[far]), 0.0)
    return F0Contour(f0.astype(np.float32), voiced)


def normalised(contour: F0Contour) -> Floats:
    """Input of the VQ-VAE, shape ``(2, frames)``: ln F0 minus its mean, interpolated over unvoiced frames; voicing."""
    log_f0 = np.zeros(len(contour.voiced), dtype=np.float64)
    known = np.flatnonzero(contour.voiced)
    if len(known):
        values = np.log(contour.f0_hz[known].astype(np.float64)) - contour.mean_log_f0
        log_f0 = np.interp(np.arange(len(log_f0)), known, values)
    return np.stack([log_f0, contour.voiced]).astype(np.float32)


def joined(contours: Sequence[F0Contour]) -> F0Contour:
    """One after the other, so that a figure counts every frame alike."""
    return F0Contour(np.concatenate([c.f0_hz for c in contours]), np.concatenate([c.voiced for c in contours]))


def voicing_error(true: F0Contour, other: F0Contour) -> float:
    """Share of frames with a wrong voicing decision. The contours have the same length, which is not 0."""
    return float((true.voiced != other.voiced).mean())


def f0_frame_error(true: F0Contour, other: F0Contour) -> float:
    """Share of frames with a wrong voicing decision or, where both are voiced, F0 off by more than 20 %.

    FFE of Chu and Alwan (ICASSP 2009). The contours have the same length, which is not 0.
    """
    both = true.voiced & other.voiced
    gross = both & (np.abs(other.f0_hz - true.f0_hz) > 0.2 * true.f0_hz)
    return float(((true.voiced != other.voiced) | gross).mean())
