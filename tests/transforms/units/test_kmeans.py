"""A codebook chooses the nearest centroid and survives its file."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from transforms.kmeans import Codebook, load_codebook, round_to_half


def random_codebook(seed: int, codes: int = 9, dim: int = 5, components: int = 3) -> Codebook:
    rng = np.random.default_rng(seed)
    return Codebook(
        round_to_half(rng.normal(size=(codes, components))),
        rng.normal(size=dim).astype(np.float32),
        rng.normal(size=(dim, components)).astype(np.float32),
    )


@given(st.integers(0, 1000), st.integers(0, 50))
def test_assigns_the_nearest(seed, frames):
    codebook = random_codebook(seed)
    features = np.random.default_rng(seed + 1).normal(size=(frames, 5)).astype(np.float32)
    points = (features - codebook.mean) @ codebook.projection
    distance = ((points[:, None] - codebook.centroids[None]) ** 2).sum(-1)
    chosen = codebook.assign(features)
    assert chosen.shape == (frames,)
    assert np.allclose(distance[np.arange(frames), chosen], distance.min(1, initial=np.inf), atol=1e-4)


def test_survives_its_file_and_its_file_is_reproducible(tmp_path):
    codebook = random_codebook(3)
    for name in ("a.npz", "b.npz"):
        with (tmp_path / name).open("wb") as file:
            codebook.save(file)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    back = load_codebook(tmp_path / "a.npz")
    assert np.array_equal(back.centroids, codebook.centroids)
    assert np.array_equal(back.mean, codebook.mean)
    assert np.array_equal(back.projection, codebook.projection)
    with np.load(tmp_path / "a.npz") as file:
        assert file["centroids"].dtype == np.float16


def test_a_tie_goes_to_the_lower_code():
    codebook = Codebook(np.array([[1.0], [-1.0]], np.float32), np.zeros(1, np.float32), np.eye(1, dtype=np.float32))
    assert codebook.assign(np.zeros((3, 1), np.float32)).tolist() == [0, 0, 0]
