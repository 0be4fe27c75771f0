"""Which of two candidates a model finds likelier: the accuracy of sWUGGY, sBLIMP and StoryCloze.

A comparison counts 1 where the better candidate has the higher score, 0.5 where the two tie. The score is the
log-likelihood, summed or per token, of the continuation alone or of prompt and continuation as a whole; all of them are
reported: dividing by the tokens moves Topic-StoryCloze by up to 17 points and sBLIMP by 5 (Nguyen et al., TACL 2025).
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pipelines.evaluate.statistics import mean_figure
from pipelines.evaluate.suite import Figure, Outcome, Row, Say, Scored, Scorer
from pipelines.infer.parts import Part
from pipelines.infer.prompts import PairError
from schemas.errors import UserError

Scope = Literal["continuation", "whole"]
Norm = Literal["sum", "per token"]
NORMS: tuple[Norm, ...] = ("sum", "per token")

# Two likelihoods nearer than this are the same number but for the rounding of float32: the same tokens, in other rows.
TIE = 1e-6
_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two candidates after one prompt.

    Args:
        key: Comparisons with one key are averaged first (the voices of a pair).
        task: What they belong to in the result.
        groups: Further results they count for: a frequency band, a phenomenon.
    """

    key: str
    task: str
    better: tuple[Part, ...]
    worse: tuple[Part, ...]
    prompt: tuple[Part, ...] = ()
    groups: tuple[str, ...] = ()


def credit(better: float, worse: float) -> float:
    """1, 0.5 for a tie, or 0."""
    if math.isclose(better, worse, rel_tol=TIE):
        return 0.5
    return float(better > worse)


def measures_of(score: Scored) -> dict[tuple[Scope, Norm], float]:
    return {
        ("continuation", "sum"): score.log_likelihood,
        ("continuation", "per token"): score.log_likelihood / score.tokens,
        ("whole", "sum"): score.whole_log_likelihood,
        ("whole", "per token"): score.whole_log_likelihood / score.whole_tokens,
    }


def compare(
    scorer: Scorer, comparisons: Sequence[Comparison], *, scopes: Mapping[str, Sequence[Scope]], seed: int, say: Say
) -> Outcome:
    """Accuracy a task and a group, for every scope of the task and both norms.

    Args:
        scopes: By task; where a prompt is empty, ``whole`` says the same as ``continuation``.
    """
    rows = list(_scored(scorer, comparisons, scopes, say))
    collected: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for comparison, (row, credits) in zip(comparisons, rows, strict=True):
        for name in (comparison.task, *comparison.groups):
            for measure, value in credits.items():
                collected[name, measure][comparison.key].append(value)
        row["credit"] = credits
    tasks = list(dict.fromkeys(comparison.task for comparison in comparisons))
    order = tasks + sorted({group for comparison in comparisons for group in comparison.groups})
    figures: list[Figure] = []
    for name in order:
        for (task, measure), by_key in collected.items():
            if task == name:
                figures.append(mean_figure(name, measure, by_key, seed=seed, chance=0.5))
    return Outcome(figures, [row for row, _ in rows])


def _scored(
    scorer: Scorer, comparisons: Sequence[Comparison], scopes: Mapping[str, Sequence[Scope]], say: Say
) -> Iterator[tuple[Row, dict[str, float]]]:
    for first in range(0, len(comparisons), _AT_ONCE):
        batch = comparisons[first : first + _AT_ONCE]
        pairs = [(c.prompt, candidate) for c in batch for candidate in (c.better, c.worse)]
        try:
            scores = scorer.score_pairs(pairs)
        except PairError as error:
            comparison = batch[error.number // 2]
            raise UserError(f"{comparison.task} {comparison.key}: {error.what}") from error
        for index, comparison in enumerate(batch):
            better, worse = scores[2 * index], scores[2 * index + 1]
            of_better, of_worse = measures_of(better), measures_of(worse)
            own = scopes[comparison.task]
            credits = {
                name_of(scope, norm, of=own): credit(of_better[scope, norm], of_worse[scope, norm])
                for scope in own
                for norm in NORMS
            }
            row: Row = {
                "key": comparison.key,
                "task": comparison.task,
                "better": _score_row(better),
                "worse": _score_row(worse),
            }
            yield row, credits
        say(f"{first + len(batch)} of {len(comparisons)} comparisons")


def name_of(scope: Scope, norm: Norm, *, of: Sequence[Scope]) -> str:
    """``accuracy, per token`` where items stand alone, ``accuracy, whole, per token`` where they have prompts."""
    return f"accuracy, {norm}" if tuple(of) == ("continuation",) else f"accuracy, {scope}, {norm}"


def _score_row(score: Scored) -> Row:
    return {
        "log_likelihood": score.log_likelihood,
        "tokens": score.tokens,
        "whole_log_likelihood": score.whole_log_likelihood,
        "whole_tokens": score.whole_tokens,
    }
