"""Which of two candidates a model finds likelier: the accuracy of sWUGGY, sBLIMP and StoryCloze.

A comparison counts 1 where the better candidate has the higher score, 0.5 where the two tie. The score is the
log-likelihood, summed or per token, of the continuation alone or of prompt and continuation as a whole; all of them are
reported: dividing by the tokens moves Topic-StoryCloze by up to 17 points and sBLIMP by 5 (Nguyen et al., TACL 2025).
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from pipelines.evaluate.statistics import mean_figure
from pipelines.evaluate.suite import Figure, Outcome, Row, Say, Scored, Scorer, Settings
from pipelines.failures import stop_if_sick, worst_of
from pipelines.infer.parts import Part
from pipelines.infer.prompts import PairsError
from schemas.errors import EngineError, RecordError

Scope = Literal["continuation", "whole"]
Norm = Literal["sum", "per token"]
NORMS: tuple[Norm, ...] = ("sum", "per token")

# Two likelihoods nearer than this are the same number but for the rounding of float32: the same tokens, in other rows.
TIE = 1e-6
_AT_ONCE = 64
_NAMED = 5  # of each cause


class PairSettings(Settings):
    """What every suite of comparisons has.

    Args:
        max_failed_ratio: Comparisons that cannot be scored, as they are longer than the model's context, are left out
            and counted; when more than this share of all is, and at least ten are, the evaluation stops.
    """

    max_failed_ratio: float = Field(default=0.01, ge=0, le=1)


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
    scorer: Scorer,
    comparisons: Sequence[Comparison],
    *,
    scopes: Mapping[str, Sequence[Scope]],
    max_failed_ratio: float,
    seed: int,
    say: Say,
) -> Outcome:
    """Accuracy a task and a group, for every scope of the task and both norms, of what can be scored.

    A task of which something was left out has a figure that counts it, each such row the cause.

    Args:
        scopes: By task; where a prompt is empty, ``whole`` says the same as ``continuation``.
        max_failed_ratio: See ``PairSettings``.

    Raises:
        EngineError: More was left out than that, or all.
    """
    rows: list[Row] = []
    collected: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    left_out = _LeftOut(len(comparisons), max_failed_ratio, say)
    for comparison, scores in _scored(scorer, comparisons, left_out, say):
        row: Row = {"key": comparison.key, "task": comparison.task}
        rows.append(row)
        if isinstance(scores, RecordError):
            row["left_out"] = scores.detail
            continue
        better, worse = scores
        credits = _credits(better, worse, scopes[comparison.task])
        row |= {"better": _score_row(better), "worse": _score_row(worse), "credit": credits}
        for name in (comparison.task, *comparison.groups):
            for measure, value in credits.items():
                collected[name, measure][comparison.key].append(value)
    left_out.check_some_left()
    tasks = Counter(comparison.task for comparison in comparisons)
    figures: list[Figure] = []
    for name in [*tasks, *sorted({group for comparison in comparisons for group in comparison.groups})]:
        for (task, measure), by_key in collected.items():
            if task == name:
                figures.append(mean_figure(name, measure, by_key, seed=seed, chance=0.5))
        if name in left_out.by_task:
            figures.append(Figure(name, "comparisons left out", float(left_out.by_task[name]), tasks[name]))
    return Outcome(figures, rows)


class _LeftOut:
    """Comparisons that cannot be scored: counted, the first of each cause named, and bounded."""

    def __init__(self, total: int, max_failed_ratio: float, say: Say) -> None:
        self.by_task: Counter[str] = Counter()
        self._total, self._max_failed_ratio, self._say = total, max_failed_ratio, say
        self._causes: Counter[str] = Counter()
        self._examples: dict[str, str] = {}

    def add(self, comparison: Comparison, cause: RecordError) -> None:
        self.by_task[comparison.task] += 1
        self._causes[cause.code] += 1
        named = f"{comparison.task} {comparison.key}: {cause.detail}"
        self._examples.setdefault(cause.code, named)
        if self._causes[cause.code] <= _NAMED:
            self._say(f"left out {named}")
        failed = self._causes.total()
        stop_if_sick(
            failed,
            self._total,
            self._max_failed_ratio,
            dropped=self._causes,
            examples=self._examples,
            what="comparisons",
        )

    def check_some_left(self) -> None:
        """Raises: EngineError: All were left out."""
        if self._causes.total() == self._total:
            raise EngineError(f"no comparison can be scored: {worst_of(self._causes, self._examples)}")


def _scored(
    scorer: Scorer, comparisons: Sequence[Comparison], left_out: _LeftOut, say: Say
) -> Iterator[tuple[Comparison, tuple[Scored, Scored] | RecordError]]:
    """Each comparison with the scores of its better and its worse candidate, or with what keeps it from having them."""
    for first in range(0, len(comparisons), _AT_ONCE):
        batch = comparisons[first : first + _AT_ONCE]
        try:
            found: list[tuple[Scored, Scored] | RecordError] = [*_scores(scorer, batch)]
        except PairsError as error:
            causes = {number // 2: cause for number, cause in error.causes.items()}
            others = iter(_scores(scorer, [c for index, c in enumerate(batch) if index not in causes]))
            found = [causes[index] if index in causes else next(others) for index in range(len(batch))]
            for index, cause in causes.items():
                left_out.add(batch[index], cause)
        yield from zip(batch, found, strict=True)
        say(f"{first + len(batch)} of {len(comparisons)} comparisons")


def _scores(scorer: Scorer, batch: Sequence[Comparison]) -> list[tuple[Scored, Scored]]:
    scores = scorer.score_pairs([(c.prompt, candidate) for c in batch for candidate in (c.better, c.worse)])
    return list(zip(scores[::2], scores[1::2], strict=True))


def _credits(better: Scored, worse: Scored, scopes: Sequence[Scope]) -> dict[str, float]:
    of_better, of_worse = measures_of(better), measures_of(worse)
    return {
        name_of(scope, norm, of=scopes): credit(of_better[scope, norm], of_worse[scope, norm])
        for scope in scopes
        for norm in NORMS
    }


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
