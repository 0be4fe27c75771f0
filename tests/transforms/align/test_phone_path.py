from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import RecordError
from transforms.align.phone_path import MIN_FRAMES, SILENCE, locate

LEAST = MIN_FRAMES[0]


def every_path(frames, words):
    """All state sequences of the model, as (phone a frame, start of each word, pause after each word or None)."""

    def segments(index):
        """Ways to say word ``index`` and what follows: lists of (phone, word that starts here or None)."""
        if index == len(words):
            yield []
            return
        for pronunciation, rest in product(words[index], list(segments(index + 1))):
            said = [(phone, index if place == 0 else None) for place, phone in enumerate(pronunciation)]
            yield [*said, *rest]
            yield [*said, (SILENCE, None), *rest]

    def lengths(count, total):
        if count == 1:
            if total >= LEAST:
                yield (total,)
            return
        for first in range(LEAST, total - LEAST * (count - 1) + 1):
            for rest in lengths(count - 1, total - first):
                yield (first, *rest)

    for tail in list(segments(0)):
        for path in (tail, [(SILENCE, None), *tail]):
            for sizes in lengths(len(path), frames):
                phones, starts, position = [], {}, 0
                for (phone, word), size in zip(path, sizes, strict=True):
                    if word is not None:
                        starts[word] = position
                    phones += [phone] * size
                    position += size
                yield phones, starts


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), frames=st.integers(14, 20))
def test_boundaries_are_medians_over_all_paths(seed, frames):
    rng = np.random.default_rng(seed)
    log_probs = np.log(rng.dirichlet(np.ones(4), size=frames)).astype(np.float32)
    words = [[[1], [2]], [[3, 1]]]
    scale = 0.7
    found = locate(log_probs, words, bands=[(0, frames)] * 2, scale=scale)
    weights = [np.zeros(frames), np.zeros(frames)]
    for phones, starts in every_path(frames, words):
        weight = np.exp(scale * log_probs[np.arange(frames), phones].astype(np.float64).sum())
        for word, start in starts.items():
            weights[word][start] += weight
    for word, weight in enumerate(weights):
        cumulated = np.cumsum(weight / weight.sum())
        frame = int(np.searchsorted(cumulated, 0.5))
        before = cumulated[frame - 1] if frame else 0.0
        assert found.starts[word] == pytest.approx(frame - 1 + (0.5 - before) / (cumulated[frame] - before), abs=1e-6)
    total = np.log(weights[0].sum()) / scale / frames
    assert found.log_likelihood == pytest.approx(total, abs=1e-6)


def sure_frames(phones):
    """Log probabilities that leave no doubt."""
    log_probs = np.full((len(phones), 6), -20.0, np.float32)
    log_probs[np.arange(len(phones)), phones] = 0.0
    return log_probs


@given(lengths=st.lists(st.integers(LEAST, 12), min_size=5, max_size=5), margin=st.integers(0, 40))
@settings(max_examples=30, deadline=None)
def test_clear_speech_is_found_in_any_band_that_holds_it(lengths, margin):
    silence, one, two, pause, three = lengths
    phones = [0] * silence + [1] * one + [2] * two + [0] * pause + [3] * three
    edges = np.cumsum([0, *lengths])
    bands = [(edges[1] - margin, edges[4] + margin), (edges[4] - margin, edges[5] + margin)]
    found = locate(sure_frames(phones), [[[1, 2]], [[5], [3]]], bands=bands, scale=1.0)
    assert found.starts == pytest.approx([edges[1] - 0.5, edges[4] - 0.5], abs=0.01)
    assert found.ends[0] == pytest.approx(edges[3] - 0.5, abs=0.01)
    assert found.pause == pytest.approx([1, 0], abs=1e-3)


def test_fast_speech_falls_back_on_shorter_phones():
    phones = [1] * 3 + [2] * 3
    found = locate(sure_frames(phones), [[[1]], [[2]]], bands=[(0, 6), (0, 6)], scale=1.0)
    assert found.starts[1] == pytest.approx(2.5, abs=0.01)


def test_too_many_phones_fail_with_a_reason():
    with pytest.raises(RecordError) as caught:
        locate(sure_frames([1] * 8), [[[1, 2]], [[3]]], bands=[(0, 8), (0, 8)], scale=1.0)
    assert caught.value.code == "alignment_failed"
