"""Exactness: against every path that there is, and against torchaudio's forced_align."""

import itertools
import warnings

import numpy as np
import pytest
import torch
import torchaudio
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.align import viterbi
from transforms.align._ctc_sweep import CpuSweep, TorchSweep
from transforms.align.viterbi import DOUBLE_FRAMES, best_paths


def forced_align(log_probs_TV, tokens):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path, scores = torchaudio.functional.forced_align(log_probs_TV[None], torch.tensor([tokens]))
    return path[0].numpy(), scores[0].numpy()


def random_case(rng, rows, *, most_frames=120):
    """Padded emissions, lengths, and tokens (repeats among them) that fit."""
    lengths = [int(length) for length in rng.integers(1, most_frames, rows)]
    vocabulary = int(rng.integers(2, 33))
    logits = torch.from_numpy(rng.normal(0, rng.uniform(0.5, 4), (rows, max(lengths), vocabulary)))
    tokens = []
    for length in lengths:
        row = rng.integers(1, vocabulary, int(rng.integers(1, length // 2 + 2))).tolist()
        while len(row) > 1 and len(row) + sum(a == b for a, b in itertools.pairwise(row)) > length:
            row.pop()
        tokens.append(row)
    return logits, lengths, tokens


def spoken(path, tokens):
    return np.where(path.places >= 0, np.array(tokens)[path.places], 0)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32), dtype=st.sampled_from([torch.float32, torch.float64]))
def test_the_path_is_that_of_forced_align(seed, dtype):
    logits, lengths, tokens = random_case(np.random.default_rng(seed), rows=4)
    log_probs = logits.to(dtype).log_softmax(-1)
    batch = best_paths(log_probs, lengths, tokens, blank=0)
    in_pieces = best_paths(log_probs, lengths, tokens, blank=0, pointer_bytes=1500)
    for row, (path, pieced) in enumerate(zip(batch, in_pieces, strict=True)):
        expected, scores = forced_align(log_probs[row, : lengths[row]], tokens[row])
        assert spoken(path, tokens[row]).tolist() == expected.tolist()
        assert np.array_equal(path.log_probs, scores)
        assert np.array_equal(path.places, pieced.places)


def collapses_to(says, tokens, gaps):
    """Whether a sequence of states (2k: gap k, 2k + 1: token k) is a CTC path through all tokens."""
    last = 2 * len(tokens)
    if says[0] > 1 or says[-1] < last - 1:
        return False
    for before, now in itertools.pairwise(says):
        leap = now - before == 2 and now % 2 == 1 and tokens[now // 2] != tokens[before // 2]
        if not (now - before in (0, 1) or leap):
            return False
    return True


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_no_path_scores_higher_also_among_ties(data):
    frames = data.draw(st.integers(1, 5))
    tokens = data.draw(st.lists(st.integers(1, 2), min_size=1, max_size=3))
    gaps = data.draw(st.lists(st.sampled_from([0, 3]), min_size=len(tokens) + 1, max_size=len(tokens) + 1))
    # few whole numbers: sums are exact, and ties are everywhere
    values = data.draw(st.lists(st.integers(-2, 0), min_size=frames * 4, max_size=frames * 4))
    log_probs = np.array(values, dtype=np.float32).reshape(1, frames, 4)
    states = range(2 * len(tokens) + 1)
    says = [gaps[state // 2] if state % 2 == 0 else tokens[state // 2] for state in states]
    paths = [path for path in itertools.product(states, repeat=frames) if collapses_to(path, tokens, gaps)]
    (found,) = best_paths(log_probs, [frames], [tokens], blank=0, gaps=[gaps])
    if not paths:
        assert found is None
        return
    best = max(sum(log_probs[0, t, says[state]] for t, state in enumerate(path)) for path in paths)
    assert found.log_probs.sum() == best
    assert sorted(set(found.places) - {-1}) == list(range(len(tokens)))
    assert (np.diff(found.places[found.places >= 0]) >= 0).all()


def test_tokens_that_do_not_fit_have_no_path_and_harm_no_mate():
    log_probs = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0)).log_softmax(-1)
    too_many, fits = best_paths(log_probs, [3, 6], [[1, 1, 2], [1, 2]], blank=0)
    assert too_many is None
    assert fits.places.tolist() == best_paths(log_probs[1:], [6], [[1, 2]], blank=0)[0].places.tolist()


def test_a_recording_without_tokens_is_refused():
    with pytest.raises(ValueError, match="at least one token"):
        best_paths(np.zeros((1, 3, 2), np.float32), [3], [[]], blank=0)


def test_a_long_recording_in_bounded_memory_is_aligned_as_a_whole():
    rng = np.random.default_rng(3)
    frames = DOUBLE_FRAMES + 500
    log_probs = torch.from_numpy(rng.normal(0, 2, (1, frames, 12))).log_softmax(-1)
    tokens = rng.integers(1, 12, 600).tolist()
    (path,) = best_paths(log_probs, [frames], [tokens], blank=0, pointer_bytes=2**18)
    expected, _ = forced_align(log_probs[0], tokens)
    assert spoken(path, tokens).tolist() == expected.tolist()


def test_torch_runs_the_same_sweep_as_the_compiled_loop():
    """What a GPU runs, run by torch on the CPU."""
    rng = np.random.default_rng(5)
    frames = rng.normal(0, 1, (40, 8)).astype(np.float32)
    frames[:, 7] = -np.inf
    says = np.array([0, 0, 0, 0, 7, 3, 1, 1])
    start = np.full(8, -np.inf, np.float32)
    start[0] = 0.0
    flags, scores = [], []
    for sweep, values in (
        (CpuSweep(says, start), frames),
        (TorchSweep(torch.from_numpy(frames), says, start), torch.from_numpy(frames)),
    ):
        flag = sweep.flags(40)
        sweep.run(values, flag)
        flags.append(np.asarray(flag))
        scores.append(sweep.scores())
    assert np.array_equal(*flags)
    assert np.array_equal(*scores)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32))
def test_a_batch_on_a_device_is_aligned_as_on_the_cpu(seed):
    """The GPU's batch path, on torch's CPU: the columns of all recordings in one row."""
    logits, lengths, tokens = random_case(np.random.default_rng(seed), rows=4)
    log_probs = logits.float().log_softmax(-1)
    gaps = [[0] * (len(row) + 1) for row in tokens]
    expected = best_paths(log_probs, lengths, tokens, blank=0)
    columns = viterbi._columns(tokens, gaps, blank=0)
    for pointer_bytes in (2**26, 1500):
        found = viterbi._on_device(log_probs, lengths, columns, pointer_bytes)
        for path, other in zip(expected, found, strict=True):
            assert np.array_equal(path.places, other.places)
            assert np.array_equal(path.log_probs, other.log_probs)
