"""Contours: resampling to 200 Hz, the normalised form, the error measure."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.pitch.contour import F0Contour, f0_frame_error, normalised, to_200_hz, voicing_error

HZ = st.one_of(st.just(0.0), st.floats(20, 2000))


def contour(*hz: float) -> F0Contour:
    f0 = np.array(hz, dtype=np.float32)
    return F0Contour(f0, f0 > 0)


@given(st.lists(HZ, min_size=1, max_size=60))
def test_200_hz_has_two_frames_a_step_and_stays_in_range(hz):
    found = to_200_hz(np.array(hz, dtype=np.float32))
    assert len(found.f0_hz) == len(found.voiced) == 2 * (len(hz) - 1)
    assert (found.f0_hz[~found.voiced] == 0).all()
    assert ((found.f0_hz[found.voiced] >= 49.9) & (found.f0_hz[found.voiced] <= 1101)).all()


def test_a_glide_stays_a_glide():
    hundred = np.exp(np.linspace(np.log(100), np.log(300), 41)).astype(np.float32)
    middles = (np.arange(80) + 0.5) / 2  # in steps of 10 ms
    expected = np.exp(np.interp(middles, np.arange(41), np.log(hundred)))
    assert np.allclose(to_200_hz(hundred).f0_hz, expected, rtol=1e-4)


@given(st.lists(HZ, min_size=1, max_size=60), st.floats(-0.5, 0.5))
def test_the_level_of_a_speaker_drops_out(hz, shift):
    f0 = to_200_hz(np.array(hz, dtype=np.float32))
    moved = F0Contour((f0.f0_hz * np.exp(shift)).astype(np.float32), f0.voiced)
    assert np.allclose(normalised(moved), normalised(f0), atol=1e-4)
    assert np.isfinite(normalised(f0)).all()


def test_unvoiced_frames_are_interpolated():
    log_f0, voiced = normalised(contour(0, 100, 0, 400, 0))
    assert np.allclose(log_f0, [-np.log(2), -np.log(2), 0, np.log(2), np.log(2)], atol=1e-6)
    assert voiced.tolist() == [0, 1, 0, 1, 0]


def test_frame_error_counts_voicing_and_gross_errors():
    true = contour(100, 100, 100, 0, 0)
    assert f0_frame_error(true, true) == 0
    assert f0_frame_error(true, contour(119, 121, 0, 0, 100)) == pytest.approx(3 / 5)


@given(st.lists(st.tuples(HZ, HZ), min_size=1, max_size=60))
def test_voicing_errors_are_the_frame_errors_that_no_f0_can_mend(pairs):
    true, other = (contour(*hz) for hz in zip(*pairs, strict=True))
    mended = F0Contour(np.where(other.voiced & true.voiced, true.f0_hz, other.f0_hz), other.voiced)
    assert voicing_error(true, other) == f0_frame_error(true, mended) <= f0_frame_error(true, other)
    assert voicing_error(true, true) == 0
