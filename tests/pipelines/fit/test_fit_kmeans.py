"""k-means: uniform sampling, determinism, revival, and that it finds clusters that are there."""

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.fit.kmeans import NumpyArithmetic, arithmetic_on, fit_codebook, sample_frames, standardisation, whitening
from pipelines.fit.kmeans_torch import TorchArithmetic
from schemas.errors import UserError


def blobs(seed: int, *, clusters: int = 6, each: int = 80):
    rng = np.random.default_rng(seed)
    centres = rng.permutation(np.linspace(-40, 40, clusters))[:, None] * np.array([1.0, -0.5, 0.25])
    points = centres.repeat(each, 0) + rng.normal(0, 0.3, (clusters * each, 3))
    return points.astype(np.float32), np.arange(clusters).repeat(each)


ON_TORCH = partial(TorchArithmetic, device=torch.device("cpu"))


def fit(points, clusters, seed=0, arithmetic=NumpyArithmetic):
    return fit_codebook(
        points,
        space=standardisation,
        clusters=clusters,
        iterations=50,
        rng=np.random.default_rng(seed),
        say=lambda _: None,
        arithmetic=arithmetic,
    )


@pytest.mark.parametrize("arithmetic", [NumpyArithmetic, ON_TORCH])
@pytest.mark.parametrize("seed", range(5))
def test_finds_separate_clusters(seed, arithmetic):
    points, truth = blobs(seed)
    codebook, figures = fit(points, 6, seed, arithmetic)
    ids = codebook.assign(points)
    assert {tuple(sorted(set(ids[truth == cluster]))) for cluster in range(6)} == {(code,) for code in range(6)}
    assert figures["code_perplexity"] == pytest.approx(6)
    assert figures["unexplained"] < 0.01


def test_is_deterministic_and_the_seed_counts():
    points = np.random.default_rng(0).normal(size=(2000, 4)).astype(np.float32)
    first, again, other = fit(points, 20)[0], fit(points, 20)[0], fit(points, 20, seed=1)[0]
    assert np.array_equal(first.centroids, again.centroids)
    assert not np.array_equal(first.centroids, other.centroids)


@pytest.mark.parametrize("arithmetic", [NumpyArithmetic, ON_TORCH])
def test_dead_clusters_take_the_worst_frames(arithmetic):
    points = arithmetic(np.array([[0.0], [0.2], [5.0], [9.0]], np.float32))
    assert points.nearest(np.array([[0.1], [50.0], [-50.0]], np.float32)) == pytest.approx((0.02 + 4.9**2 + 8.9**2) / 4)
    assert points.counts().tolist() == [4, 0, 0]
    assert np.allclose(points.means().ravel(), [3.55, 9.0, 5.0])


@given(st.integers(0, 1000), st.integers(1, 30))
@settings(max_examples=25, deadline=None)
def test_torch_takes_the_steps_that_numpy_takes(seed, clusters):
    points = np.random.default_rng(seed).normal(size=(300, 5)).astype(np.float32)
    ours, theirs = NumpyArithmetic(points), ON_TORCH(points)
    seeds = ours.plus_plus(clusters, np.random.default_rng(seed))
    assert np.array_equal(theirs.plus_plus(clusters, np.random.default_rng(seed)), seeds)
    assert theirs.nearest(seeds) == pytest.approx(ours.nearest(seeds), rel=1e-5)
    assert np.array_equal(theirs.counts(), ours.counts())
    assert np.allclose(theirs.means(), ours.means(), atol=1e-4)


def test_a_whole_fit_on_torch_gives_nearly_the_same_codebook():
    points = np.random.default_rng(0).normal(size=(3000, 4)).astype(np.float32)
    (ours, said), (theirs, heard) = fit(points, 20), fit(points, 20, arithmetic=ON_TORCH)
    assert np.allclose(theirs.centroids, ours.centroids, atol=2e-3)
    assert heard["unexplained"] == pytest.approx(said["unexplained"], rel=1e-4)
    assert (theirs.assign(points) == ours.assign(points)).mean() > 0.99


def test_the_cpu_computes_in_numpy():
    assert arithmetic_on("cpu") is NumpyArithmetic


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_nearly_the_codebook_of_the_cpu_and_its_own_twice():
    points = np.random.default_rng(0).normal(size=(3000, 4)).astype(np.float32)
    ours, first, again = (fit(points, 20, arithmetic=arithmetic_on(device))[0] for device in ("cpu", "cuda", "cuda"))
    assert np.array_equal(first.centroids, again.centroids)
    assert (first.assign(points) == ours.assign(points)).mean() > 0.95


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
