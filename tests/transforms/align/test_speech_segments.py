"""Laws of segments of speech: probabilities in, spans out."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from transforms.align.speech_segments import LEAST_SPEECH_SAMPLES, speech_segments
from transforms.align.vad import FRAME_SAMPLES, SPEECH_PROBABILITY

MAX_SAMPLES = 4 * 16_000


@st.composite
def recordings(draw):
    """Probabilities of stretches of speech and of silence, and a length that ends within the last frame."""
    lengths = draw(st.lists(st.integers(1, 200), min_size=1, max_size=20))
    begins_quiet = draw(st.booleans())
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    parts = [
        rng.uniform(0, 0.49, length) if (place % 2 == 0) == begins_quiet else rng.uniform(0.5, 1, length)
        for place, length in enumerate(lengths)
    ]
    probabilities = np.concatenate(parts).astype(np.float32)
    return probabilities, len(probabilities) * FRAME_SAMPLES - draw(st.integers(0, FRAME_SAMPLES - 1))


def speech_frames(probabilities, start, end):
    """Frames of speech that begin within a span."""
    at = np.arange(len(probabilities)) * FRAME_SAMPLES
    return np.flatnonzero((probabilities >= SPEECH_PROBABILITY) & (at >= start) & (at < end))


@given(recordings())
def test_segments_are_ordered_bounded_and_hold_all_speech_but_islands(recording):
    probabilities, num_samples = recording
    spans = speech_segments(probabilities, num_samples=num_samples, max_samples=MAX_SAMPLES)
    for span in spans:
        assert 0 <= span.start < span.end <= num_samples
        assert len(span) <= MAX_SAMPLES
        assert len(speech_frames(probabilities, span.start, span.end)) > 0
    for left, right in pairwise(spans):
        assert left.end <= right.start
    edges = [0, *(edge for span in spans for edge in (span.start, span.end)), num_samples]
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        frames = speech_frames(probabilities, start, end)
        for island in np.split(frames, np.flatnonzero(np.diff(frames) * FRAME_SAMPLES >= 2 * 16_000) + 1):
            assert len(island) * FRAME_SAMPLES < LEAST_SPEECH_SAMPLES + FRAME_SAMPLES


@given(recordings(), st.integers(1, 400))
def test_silence_before_moves_them_and_no_more(recording, frames):
    probabilities, num_samples = recording
    lead = max(frames, -(-3 * 16_000 // FRAME_SAMPLES))
    later = np.concatenate([np.zeros(lead, np.float32), probabilities])
    spans = speech_segments(probabilities, num_samples=num_samples, max_samples=MAX_SAMPLES)
    moved = speech_segments(later, num_samples=num_samples + lead * FRAME_SAMPLES, max_samples=MAX_SAMPLES)
    assert [span.end for span in moved] == [span.end + lead * FRAME_SAMPLES for span in spans]


def frames_of(*parts: tuple[float, float]):
    """Seconds at a probability, one after the other; and the number of samples."""
    probabilities = np.concatenate([np.full(round(s * 16_000 / FRAME_SAMPLES), p, np.float32) for s, p in parts])
    return probabilities, len(probabilities) * FRAME_SAMPLES


def seconds(spans):
    return [(round(span.start / 16_000, 1), round(span.end / 16_000, 1)) for span in spans]


def test_the_widest_pause_of_the_second_half_is_cut():
    probabilities, num_samples = frames_of(
        (1, 0.1), (1, 0.9), (0.9, 0.1), (0.8, 0.9), (0.5, 0.1), (0.4, 0.9), (0.2, 0.1), (2, 0.9), (1, 0.1)
    )
    spans = speech_segments(probabilities, num_samples=num_samples, max_samples=MAX_SAMPLES)
    # 3.6 s of room from second 1: the pauses at 2, 3.7 and 4.6 s; the first one is widest, but in the first half
    assert seconds(spans) == [(0.8, 3.9), (4.0, 7.0)]


def test_two_seconds_of_silence_part_and_long_speech_is_cut_where_it_is_least_likely():
    probabilities, num_samples = frames_of((1, 0.9), (2.1, 0.1), (1, 0.9))
    assert len(speech_segments(probabilities, num_samples=num_samples, max_samples=MAX_SAMPLES)) == 2
    probabilities, num_samples = frames_of((3, 0.9), (0.1, 0.6), (3, 0.9))
    spans = speech_segments(probabilities, num_samples=num_samples, max_samples=MAX_SAMPLES)
    assert seconds(spans) == [(0.0, 3.0), (3.0, 6.1)]


def test_silence_has_none():
    assert speech_segments(np.zeros(0, np.float32), num_samples=0, max_samples=MAX_SAMPLES) == []
    assert speech_segments(np.zeros(90, np.float32), num_samples=90 * 512, max_samples=MAX_SAMPLES) == []
    probabilities, num_samples = frames_of((3, 0.1), (0.2, 0.9), (3, 0.1))
    assert speech_segments(probabilities, num_samples=num_samples, max_samples=MAX_SAMPLES) == []
