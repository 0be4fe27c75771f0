"""Likelihoods compared: what a perfect, a random and an anti-perfect model get, ties, norms, voices."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.evaluate.pairs import Comparison, compare, credit
from pipelines.evaluate.statistics import bootstrap_interval, mean_figure, ratio_figure
from pipelines.infer.parts import Text
from tests.pipelines.evaluate.fake_models import anti_perfect, perfect, random_scorer, score_of, undecided

BOTH = {"T->T": ("continuation", "whole")}


def pairs(count: int) -> list[Comparison]:
    return [
        Comparison(str(n), "T->T", (Text(f"right {n}"),), (Text(f"wrong {n}"),), prompt=(Text(f"story {n}"),))
        for n in range(count)
    ]


def values(scorer, comparisons, scopes=BOTH):
    return {figure.measure: figure.value for figure in outcome(scorer, comparisons, scopes).figures}


def outcome(scorer, comparisons, scopes=BOTH):
    return compare(scorer, comparisons, scopes=scopes, seed=0, say=lambda _: None)


@pytest.mark.parametrize(("model", "wanted"), [(perfect, 1.0), (anti_perfect, 0.0), (undecided, 0.5)])
def test_every_measure_of_a_known_model_is_known(model, wanted):
    found = values(model(pairs(100)), pairs(100))
    assert set(found) == {
        f"accuracy, {scope}, {norm}" for scope in ("continuation", "whole") for norm in ("sum", "per token")
    }
    assert set(found.values()) == {wanted}


def test_a_random_model_gets_half():
    comparisons = pairs(2000)
    for figure in outcome(random_scorer(comparisons), comparisons).figures:
        assert figure.value == pytest.approx(0.5, abs=0.04)
        low, high = figure.interval
        assert low < figure.value < high
        assert high - low == pytest.approx(4 * 0.5 / 2000**0.5, rel=0.25)


class FakeLengths:
    """The better candidate is longer, and likelier a token but not as a sum."""

    def score_pairs(self, pairs):
        return [score_of(-1.0, 6) if "right" in c[0].text else score_of(-1.2, 4) for _, c in pairs]


def test_sum_and_mean_are_told_apart():
    found = values(FakeLengths(), pairs(3))
    assert found["accuracy, continuation, per token"] == 1.0
    assert found["accuracy, continuation, sum"] == 0.0


@given(st.floats(-1e4, -1e-3), st.floats(-1e4, -1e-3))
def test_credits_of_two_scores_add_up_to_one(first, second):
    assert credit(first, second) + credit(second, first) == 1.0


def test_the_same_tokens_tie_in_spite_of_rounding():
    assert credit(-123.456789, -123.456789 * (1 + 1e-8)) == 0.5
    assert credit(-123.4567, -123.4667) == 1.0


def test_voices_of_a_pair_count_as_one():
    right, wrong = (Text("right"),), (Text("wrong"),)
    comparisons = [Comparison("a", "t", right, wrong)] * 3 + [Comparison("b", "t", wrong, right)]
    scorer = perfect(comparisons[:1])
    (by_sum, by_token) = outcome(scorer, comparisons, {"t": ("continuation",)}).figures
    assert (by_sum.measure, by_sum.value, by_sum.items) == ("accuracy, sum", 0.5, 2)
    assert by_token.measure == "accuracy, per token"


@given(st.lists(st.floats(0, 1), min_size=2, max_size=30))
def test_the_interval_holds_the_mean_and_stays_within_the_items(items):
    low, high = bootstrap_interval(items, seed=1)
    assert min(items) - 1e-9 <= low <= high <= max(items) + 1e-9
    assert bootstrap_interval(items, seed=1) == (low, high)
    assert bootstrap_interval(items[:1], seed=1) is None


def test_a_rate_is_a_sum_over_a_sum():
    figure = ratio_figure("x", "WER", [(1, 10), (0, 0), (3, 10)], seed=0)
    assert figure.value == pytest.approx(0.2)
    assert ratio_figure("x", "WER", [], seed=0).value is None
    assert mean_figure("x", "m", {"a": [0.0, 1.0], "b": [1.0]}, seed=0).value == pytest.approx(0.75)
