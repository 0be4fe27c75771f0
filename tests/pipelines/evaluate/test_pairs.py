"""Likelihoods compared: what a perfect, a random and an anti-perfect model get, ties, norms, voices."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.evaluate.pairs import Comparison, compare, credit
from pipelines.evaluate.statistics import bootstrap_interval, mean_figure, ratio_figure
from pipelines.evaluate.suite import Figure
from pipelines.infer.parts import Text
from pipelines.infer.prompts import PairsError
from schemas.errors import EngineError, RecordError
from tests.pipelines.evaluate.fake_models import FakeScorer, anti_perfect, perfect, random_scorer, score_of, undecided

BOTH = {"T->T": ("continuation", "whole")}


def pairs(count: int) -> list[Comparison]:
    return [
        Comparison(str(n), "T->T", (Text(f"right {n}"),), (Text(f"wrong {n}"),), prompt=(Text(f"story {n}"),))
        for n in range(count)
    ]


def values(scorer, comparisons, scopes=BOTH):
    return {figure.measure: figure.value for figure in outcome(scorer, comparisons, scopes).figures}


def outcome(scorer, comparisons, scopes=BOTH):
    return compare(scorer, comparisons, scopes=scopes, max_failed_ratio=0.01, seed=0, say=lambda _: None)


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


class FakeContext(FakeScorer):
    """Refuses what is said of ``refused``, as a model does whose context is too short; all of a list at once."""

    refused: frozenset[str] = frozenset()

    def score_pairs(self, pairs):
        causes = {
            number: RecordError("too_long", "has 99 tokens")
            for number, (_, candidate) in enumerate(pairs)
            if candidate[0].text in self.refused
        }
        if causes:
            raise PairsError(causes)
        return super().score_pairs(pairs)


def refusing(comparisons, *texts):
    scorer = FakeContext(comparisons, lambda better: -1.0 if better else -2.0)
    scorer.refused = frozenset(texts)
    return scorer


@given(st.sets(st.sampled_from([f"{which} {n}" for which in ("right", "wrong") for n in range(150)]), max_size=9))
def test_what_the_context_does_not_hold_is_left_out_counted_and_named_and_the_rest_scored_as_without_it(refused):
    comparisons, said = pairs(150), []
    found = compare(
        refusing(comparisons, *refused), comparisons, scopes=BOTH, max_failed_ratio=0, seed=0, say=said.append
    )
    out = {text.split()[1] for text in refused}
    rest = [c for c in comparisons if c.key not in out]
    alone = outcome(perfect(comparisons), rest)
    assert [figure for figure in found.figures if figure.measure != "comparisons left out"] == list(alone.figures)
    counted = [Figure("T->T", "comparisons left out", float(len(out)), 150)] if out else []
    assert [figure for figure in found.figures if figure.measure == "comparisons left out"] == counted
    assert [row["key"] for row in found.rows] == [c.key for c in comparisons]
    assert {row["key"]: row["left_out"] for row in found.rows if "left_out" in row} == dict.fromkeys(
        out, "has 99 tokens"
    )
    assert [row for row in found.rows if "left_out" not in row] == list(alone.rows)
    assert len([line for line in said if line.startswith("left out T->T ")]) == min(len(out), 5)


def test_the_share_that_is_left_out_is_bounded():
    comparisons = pairs(100)
    scorer = refusing(comparisons, *(f"wrong {n}" for n in range(0, 100, 10)))
    with pytest.raises(
        EngineError,
        match=r"10 of 100 comparisons failed, more than max_failed_ratio 0\.09; 10 dropped, most by too_long \(10\), "
        r"such as T->T 0: has 99 tokens",
    ):
        compare(scorer, comparisons, scopes=BOTH, max_failed_ratio=0.09, seed=0, say=lambda _: None)
    found = compare(scorer, comparisons, scopes=BOTH, max_failed_ratio=0.1, seed=0, say=lambda _: None)
    assert found.value("T->T", "comparisons left out") == 10


def test_an_evaluation_of_nothing_is_no_evaluation():
    comparisons = pairs(3)
    with pytest.raises(EngineError, match=r"no comparison can be scored: 3 dropped, most by too_long \(3\)"):
        outcome(refusing(comparisons, "right 0", "right 1", "wrong 2"), comparisons)


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
