"""ABX: its laws, its distances, and the triples that labels and item files give."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.fit.abx import Item, _distances, abx_error, choose_items
from pipelines.fit.abx_items import frames_inside, items_of_file, items_of_labels
from schemas.errors import UserError

PHONES = "abcd"


def tokens(seed: int, *, each: int = 6, speakers: int = 2):
    """A recording a speaker, of tokens of 1 to 5 frames, and the phone of every frame."""
    rng = np.random.default_rng(seed)
    items, frames = [], []
    for speaker in range(speakers):
        at, names = 0, []
        for phone in rng.permutation(list(PHONES * each)).tolist():
            length = int(rng.integers(1, 6))
            items.append(Item(speaker, at, at + length, phone, f"s{speaker}"))
            names += [PHONES.index(phone)] * length
            at += length
        frames.append(np.array(names, dtype=np.int32))
    return items, frames


@given(st.integers(0, 100))
@settings(max_examples=10, deadline=None)
def test_perfect_representations_make_no_error(seed):
    items, phones = tokens(seed)
    features = [np.eye(4, dtype=np.float32)[each] for each in phones]
    for representation in (phones, features):
        found = abx_error(representation, items)
        assert found.error == 0
        assert found.pairs == 12
        assert found.triples == 2 * 12 * 6 * 5 * 6


def test_noise_is_at_chance():
    items, phones = tokens(0, each=12)
    rng = np.random.default_rng(1)
    noise = [rng.normal(size=(len(each), 16)).astype(np.float32) for each in phones]
    codes = [rng.integers(0, 50, len(each)).astype(np.int32) for each in phones]
    assert abx_error(noise, items).error == pytest.approx(0.5, abs=0.03)
    assert abx_error(codes, items).error == pytest.approx(0.5, abs=0.03)
    assert abx_error([np.zeros_like(each) for each in codes], items).error == 0.5  # ties count half


def test_features_between_both_lie_between_both():
    items, phones = tokens(3, each=10)
    rng = np.random.default_rng(0)
    errors = []
    for noise in (0.1, 1.0, 10.0):
        blurred = [np.eye(4)[each] + rng.normal(0, noise, (len(each), 4)) for each in phones]
        errors.append(abx_error([each.astype(np.float32) for each in blurred], items).error)
    assert errors == sorted(errors)
    assert errors[0] < 0.01 < errors[1] < 0.45 < errors[2]


def plainly_warped(a, b):
    """The textbook recurrence, one pair at a time."""
    local = np.arccos(np.clip(a @ b.T, -1, 1)) / np.pi
    best: dict[tuple[int, int], tuple[float, int]] = {}
    for i in range(len(a)):
        for j in range(len(b)):
            before = [best[place] for place in ((i - 1, j - 1), (i - 1, j), (i, j - 1)) if place in best]
            cost, steps = min(before, key=lambda each: each[0]) if before else (0.0, 0)
            best[i, j] = (cost + local[i, j], steps + 1)
    cost, steps = best[len(a) - 1, len(b) - 1]
    return cost / steps


def test_distances_are_those_of_the_textbook():
    rng = np.random.default_rng(0)
    found = [rng.normal(size=(int(length), 6)) for length in rng.integers(1, 9, 12)]
    sequences = [(each / np.linalg.norm(each, axis=1, keepdims=True)).astype(np.float32) for each in found]
    distances = _distances(sequences)
    for i, first in enumerate(sequences):
        for j, second in enumerate(sequences):
            expected = 0.0 if i == j else plainly_warped(first, second)
            assert distances[i, j] == pytest.approx(expected, abs=1e-4)


def test_speakers_and_contexts_are_never_mixed():
    frames = [np.array([0, 0, 1, 1], np.int32), np.array([2, 2, 3], np.int32)]
    one_speaker = [Item(0, 0, 1, "a", "x"), Item(0, 1, 2, "a", "x"), Item(0, 2, 3, "b", "x")]
    assert abx_error(frames, one_speaker).triples == 2
    assert abx_error(frames, [*one_speaker[:2], Item(0, 2, 3, "b", "y")]).error is None
    assert abx_error(frames, [*one_speaker[:2], Item(0, 2, 3, "b", "x", ("p", "q"))]).error is None
    assert abx_error(frames, []).error is None


@given(st.integers(0, 50), st.integers(2, 5))
@settings(max_examples=15, deadline=None)
def test_the_draw_is_seeded_bounded_and_keeps_the_order(seed, most):
    items, _ = tokens(seed)
    drawn, again = (choose_items(items, max_items=most, rng=np.random.default_rng(seed)) for _ in range(2))
    assert drawn == again
    assert [item for item in items if item in set(drawn)] == drawn
    counts = {}
    for item in drawn:
        counts[item.speaker, item.phone] = counts.get((item.speaker, item.phone), 0) + 1
    assert set(counts.values()) == {most}


@given(st.lists(st.integers(1, 3000), min_size=1, max_size=12), st.sampled_from([320, 640]))
def test_the_frames_of_neighbours_partition_the_recording(lengths, hop):
    ends = np.cumsum(lengths)
    frames = -(-int(ends[-1]) // hop)
    found = [
        frame
        for start, end in zip(ends - lengths, ends, strict=True)
        for frame in range(*frames_inside(int(start), int(end), hop_samples=hop, frames=frames))
    ]
    assert found == [frame for frame in range(frames) if frame * hop + hop / 2 < ends[-1]]


def test_labels_become_items():
    labels = [[(0, 640, "h#"), (640, 1920, "ix"), (1920, 1950, "t"), (1950, 3200, "ih"), (3200, 3840, "h#")]]
    folded = items_of_labels(labels, ["x"], [6], hop_samples=640, context="triphone", fold=True)
    assert folded == [Item(0, 1, 3, "ih", "x", ("sil", "t")), Item(0, 3, 5, "ih", "x", ("t", "sil"))]
    plain = items_of_labels(labels, ["x"], [6], hop_samples=640, context="phone", fold=False)
    assert [item.phone for item in plain] == ["ix", "ih"]
    assert {item.context for item in plain} == {("", "")}


def test_item_files_of_the_challenges(tmp_path):
    path = tmp_path / "dev.item"
    path.write_text("#file onset offset #phone prev-phone next-phone speaker\nu1 0.08 0.2 AA B K 1034\n")
    read = {"hop_samples": 640, "context": "triphone"}
    assert items_of_file(path, {"u1": 0}, [9], **read) == [Item(0, 2, 5, "AA", "1034", ("B", "K"))]
    with pytest.raises(UserError, match=r"dev\.item:2: no recording 'u1'"):
        items_of_file(path, {}, [], **read)
    path.write_text("#header\nu1 0.08 zwei AA B K 1034\n")
    with pytest.raises(UserError, match=r"dev\.item:2: expected"):
        items_of_file(path, {"u1": 0}, [9], **read)
