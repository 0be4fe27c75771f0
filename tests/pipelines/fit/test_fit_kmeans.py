"""k-means: uniform sampling, determinism, revival, and that it finds clusters that are there."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.fit.kmeans import _means, fit_codebook, sample_frames, standardisation, whitening
from schemas.errors import UserError


def blobs(seed: int, *, clusters: int = 6, each: int = 80):
    rng = np.random.default_rng(seed)
    centres = rng.permutation(np.linspace(-40, 40, clusters))[:, None] * np.array([1.0, -0.5, 0.25])
    points = centres.repeat(each, 0) + rng.normal(0, 0.3, (clusters * each, 3))
    return points.astype(np.float32), np.arange(clusters).repeat(each)


def fit(points, clusters, seed=0):
    return fit_codebook(
        points,
        space=standardisation,
        clusters=clusters,
        iterations=50,
        rng=np.random.default_rng(seed),
        say=lambda _: None,
    )


@pytest.mark.parametrize("seed", range(5))
def test_finds_separate_clusters(seed):
    points, truth = blobs(seed)
    codebook, figures = fit(points, 6, seed)
    ids = codebook.assign(points)
    assert {tuple(sorted(set(ids[truth == cluster]))) for cluster in range(6)} == {(code,) for code in range(6)}
    assert figures["code_perplexity"] == pytest.approx(6)
    assert figures["unexplained"] < 0.01


def test_is_deterministic_and_the_seed_counts():
    points = np.random.default_rng(0).normal(size=(2000, 4)).astype(np.float32)
    first, again, other = fit(points, 20)[0], fit(points, 20)[0], fit(points, 20, seed=1)[0]
    assert np.array_equal(first.centroids, again.centroids)
    assert not np.array_equal(first.centroids, other.centroids)


def test_dead_clusters_take_the_worst_frames():
    points = np.array([[0.0], [0.2], [5.0], [9.0]], np.float32)
    distance = np.array([0.01, 0.01, 25.0, 81.0])
    centroids = _means(points, np.array([0, 0, 0, 0]), distance, 3)
    assert centroids[1:].ravel().tolist() == [9.0, 5.0]


def test_too_few_frames_are_the_users_mistake():
    with pytest.raises(UserError, match="need as many frames"):
        fit(np.zeros((3, 2), np.float32), 4)
    with pytest.raises(UserError, match="nothing to fit on"):
        sample_frames(iter([]), max_frames=3, rng=np.random.default_rng(0))


@given(st.lists(st.integers(0, 30), min_size=1, max_size=20), st.integers(1, 40))
def test_samples_without_repeats_in_order(lengths, max_frames):
    if not sum(lengths):
        return
    everything = np.arange(sum(lengths), dtype=np.float32)[:, None]
    blocks = np.split(everything, np.cumsum(lengths)[:-1])
    kept = sample_frames(iter(blocks), max_frames=max_frames, rng=np.random.default_rng(0))[:, 0]
    assert len(kept) == min(max_frames, sum(lengths))
    assert (np.diff(kept) > 0).all()


def test_the_sample_does_not_favour_any_part():
    blocks = [np.full((1000, 1), part, np.float32) for part in range(10)]
    kept = sample_frames(iter(blocks), max_frames=2000, rng=np.random.default_rng(0))
    counts = np.bincount(kept[:, 0].astype(int), minlength=10)
    assert counts.min() > 150
    assert counts.max() < 250


def test_whitened_components_have_unit_variance():
    rng = np.random.default_rng(0)
    frames = (rng.normal(size=(5000, 6)) @ rng.normal(size=(6, 6)) + 3).astype(np.float32)
    mean, projection = whitening(frames, components=4)
    assert np.allclose(np.cov(((frames - mean) @ projection).T), np.eye(4), atol=0.02)
