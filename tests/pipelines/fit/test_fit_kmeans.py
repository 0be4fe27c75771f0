"""k-means: uniform sampling, determinism, streaming, revival, and that it finds clusters that are there."""

import tracemalloc
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.fit.frames import BLOCK_FRAMES, on_disk, sample_frames
from pipelines.fit.kmeans import NumpyArithmetic, arithmetic_on, fit_codebook, standardisation, whitening
from pipelines.fit.kmeans_torch import TorchArithmetic
from schemas.errors import UserError


def blobs(seed: int, *, clusters: int = 6, each: int = 80):
    rng = np.random.default_rng(seed)
    centres = rng.permutation(np.linspace(-40, 40, clusters))[:, None] * np.array([1.0, -0.5, 0.25])
    points = centres.repeat(each, 0) + rng.normal(0, 0.3, (clusters * each, 3))
    return points.astype(np.float32), np.arange(clusters).repeat(each)


ON_TORCH = partial(TorchArithmetic, device=torch.device("cpu"))


def utterances_of(points, *, each=100):
    return [(f"u{at:09d}", points[at : at + each]) for at in range(0, len(points), each)]


def fit(points, clusters, seed=0, arithmetic=NumpyArithmetic, memory_frames=None, folder=None):
    return fit_codebook(
        sample_frames(utterances_of(points), max_frames=10**6, seed=seed, memory_frames=memory_frames, folder=folder),
        space=standardisation,
        clusters=clusters,
        iterations=50,
        seed=seed,
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


@pytest.mark.parametrize("space", [standardisation, partial(whitening, components=2)])
def test_frames_that_are_all_alike_are_the_users_mistake(space):
    points = np.full((300, 3), 0.1, np.float32) * np.array([1, 3, -7], np.float32)
    sample = sample_frames(utterances_of(points), max_frames=10**6, seed=0)
    with pytest.raises(UserError, match="the frames are all alike: 300"):
        fit_codebook(sample, space=space, clusters=4, iterations=5, seed=0, say=lambda _: None)


def test_too_few_frames_are_the_users_mistake():
    with pytest.raises(UserError, match="need as many frames"):
        fit(np.zeros((3, 2), np.float32), 4)
    with pytest.raises(UserError, match="nothing to fit on"):
        sample_frames(iter([]), max_frames=3, seed=0)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=20), st.integers(1, 40), st.integers(1, 40))
def test_samples_without_repeats_in_order(lengths, max_frames, memory_frames):
    if not sum(lengths):
        return
    everything = np.arange(sum(lengths), dtype=np.float32)[:, None]
    blocks = np.split(everything, np.cumsum(lengths)[:-1])
    named = [(f"u{place:03d}", block) for place, block in enumerate(blocks)]
    sample = sample_frames(named, max_frames=max_frames, seed=0, memory_frames=memory_frames)
    kept, held = np.concatenate(list(sample.blocks()))[:, 0], sample.held()[:, 0]
    assert len(kept) == len(sample) == min(max_frames, sum(lengths))
    assert len(held) == min(memory_frames, len(kept))
    assert sample.is_larger == (len(held) < len(kept))
    assert (np.diff(kept) > 0).all()
    assert (np.diff(held) > 0).all()
    assert set(held) <= set(kept)
    assert sample.seen == sum(lengths)


@settings(max_examples=15, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(30, 700), st.integers(20, 300))
def test_the_order_of_the_recordings_does_not_decide_the_codebook(random, max_frames, memory_frames):
    points = np.random.default_rng(1).normal(size=(600, 3)).astype(np.float32)
    lengths = [random.randint(1, 60) for _ in range(12)]
    named = [(f"u{place}", block) for place, block in enumerate(np.split(points, np.cumsum(lengths)[:-1]))]
    fits = []
    for _ in range(2):
        sample = sample_frames(iter(named), max_frames=max_frames, seed=4, memory_frames=memory_frames)
        fits.append(fit_codebook(sample, space=standardisation, clusters=10, iterations=8, seed=4, say=lambda _: None))
        random.shuffle(named)
    (first, said), (second, heard) = fits
    assert said == heard
    for name in ("centroids", "mean", "projection"):
        assert getattr(first, name).tobytes() == getattr(second, name).tobytes()


def test_a_frame_is_drawn_or_not_whatever_else_is_in_the_corpus():
    rng = np.random.default_rng(0)
    few = [(f"u{place}", rng.random((50, 1)).astype(np.float32)) for place in range(20)]
    more = [*few, *((f"v{place}", rng.random((50, 1)).astype(np.float32)) for place in range(20))]
    of_few, of_all = (
        np.concatenate(list(sample_frames(each, max_frames=300, seed=0).blocks())) for each in (few, more)
    )
    belongs = set(np.concatenate([block for _, block in few])[:, 0].tolist())
    assert {value for value in of_all[:, 0].tolist() if value in belongs} <= set(of_few[:, 0].tolist())


@pytest.mark.parametrize("arithmetic", [NumpyArithmetic, ON_TORCH])
def test_points_on_the_disk_take_the_steps_of_points_in_memory(arithmetic, tmp_path):
    points = np.random.default_rng(0).normal(size=(2 * BLOCK_FRAMES + 17, 6)).astype(np.float32)
    sample = sample_frames(utterances_of(points, each=1000), max_frames=10**6, seed=0, folder=tmp_path)
    on_file = on_disk(sample.blocks(), columns=6, like=sample)
    assert isinstance(on_file, np.memmap)
    in_memory, streamed = arithmetic(points), arithmetic(on_file)
    centroids = np.concatenate([points[:20], np.full((2, 6), 99, np.float32)])  # two that die
    for _ in range(3):
        assert streamed.nearest(centroids) == in_memory.nearest(centroids)
        assert np.array_equal(streamed.counts(), in_memory.counts())
        centroids = in_memory.means()
        assert np.array_equal(streamed.means(), centroids)
    assert (in_memory.counts() > 0).all(), "revived"
    assert list(tmp_path.iterdir()) == [], "files without a name"


@pytest.mark.parametrize("arithmetic", [NumpyArithmetic, ON_TORCH])
def test_a_streamed_fit_is_as_good_as_one_in_memory(arithmetic, tmp_path):
    points = np.random.default_rng(0).normal(size=(6000, 4)).astype(np.float32)
    (_, whole), (_, part) = fit(points, 30), fit(points[::10], 30)
    codebook, streamed = fit(points, 30, 0, arithmetic, memory_frames=600, folder=tmp_path)
    assert streamed["frames"] == 6000
    assert streamed["unexplained"] == pytest.approx(whole["unexplained"], rel=0.02)
    again, _ = fit(points, 30, 0, arithmetic, memory_frames=600)
    assert np.array_equal(codebook.centroids, again.centroids)
    assert part["unexplained"] < streamed["unexplained"], "a small sample flatters itself"


def test_the_memory_grows_by_a_fraction_of_the_frames(tmp_path):
    def corpus(count):
        for place in range(count):
            yield f"u{place}", np.random.default_rng(place).random((500, 128), dtype=np.float32)

    peaks = []
    for count in (50, 100):
        tracemalloc.start()
        try:
            sample = sample_frames(corpus(count), max_frames=375 * count, seed=0, memory_frames=2000, folder=tmp_path)
            fit_codebook(sample, space=standardisation, clusters=4, iterations=2, seed=0, say=lambda _: None)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert len(sample) == 375 * 100
    assert peaks[1] - peaks[0] < 375 * 50 * 128, "a quarter of the frames themselves"


def test_the_sample_does_not_favour_any_part():
    named = [(f"u{part}", np.full((1000, 1), part, np.float32)) for part in range(10)]
    kept = np.concatenate(list(sample_frames(named, max_frames=2000, seed=0).blocks()))
    counts = np.bincount(kept[:, 0].astype(int), minlength=10)
    assert counts.min() > 150
    assert counts.max() < 250


def test_whitened_components_have_unit_variance():
    rng = np.random.default_rng(0)
    frames = (rng.normal(size=(5000, 6)) @ rng.normal(size=(6, 6)) + 3).astype(np.float32)
    mean, projection = whitening(frames, components=4)
    assert np.allclose(np.cov(((frames - mean) @ projection).T), np.eye(4), atol=0.02)
