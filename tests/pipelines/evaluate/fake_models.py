"""Models that are always right, always wrong, undecided or random: a trained one's answers are not known beforehand."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from pipelines.evaluate.pairs import Comparison
from pipelines.evaluate.suite import Request, Suite
from pipelines.infer.parts import Part, Speech, Text

BUNDLED = Path("examples/suites")


def name_of(part: Part) -> str:
    """What a part says: its text, or the path of its recording."""
    return part.text if isinstance(part, Text) else str(part.audio)


def names(parts: Iterable[Part]) -> tuple[str, ...]:
    return tuple(name_of(part) for part in parts)


def score_of(per_token: float, tokens: int):
    return SimpleNamespace(
        log_likelihood=per_token * tokens,
        tokens=tokens,
        whole_log_likelihood=per_token * (tokens + 5),
        whole_tokens=tokens + 5,
    )


class FakeScorer:
    """Scores by ``per_token(is it the better one)``; candidates have equally many tokens."""

    def __init__(self, comparisons: Sequence[Comparison], per_token: Callable[[bool], float]) -> None:
        self.better = {(names(c.prompt), names(c.better)) for c in comparisons}
        self.per_token = per_token

    def score_pairs(self, pairs):
        return [score_of(self.per_token((names(p), names(c)) in self.better), 4) for p, c in pairs]


def perfect(comparisons: Sequence[Comparison]) -> FakeScorer:
    return FakeScorer(comparisons, lambda better: -1.0 if better else -2.0)


def anti_perfect(comparisons: Sequence[Comparison]) -> FakeScorer:
    return FakeScorer(comparisons, lambda better: -2.0 if better else -1.0)


def undecided(comparisons: Sequence[Comparison]) -> FakeScorer:
    return FakeScorer(comparisons, lambda better: -1.5)


def random_scorer(comparisons: Sequence[Comparison], seed: int = 0) -> FakeScorer:
    rng = np.random.default_rng(seed)
    return FakeScorer(comparisons, lambda better: -float(rng.random()))


class FakeGenerator:
    """Answers each prompt by a function of its parts; remembers the prompts and how it was asked."""

    def __init__(self, answer: Callable[[Sequence[Part], str], list[Part]]) -> None:
        self.answer = answer
        self.prompts: list[list[Part]] = []
        self.asked: list[dict] = []

    def generate(self, prompts, *, output, **decoding):
        self.prompts += [list(prompt) for prompt in prompts]
        self.asked.append({"output": output, **decoding})
        return [self.answer(prompt, output) for prompt in prompts]


def said(number: int) -> Speech:
    """Speech that a fake ear tells apart: half a second of one value."""
    return Speech(audio=np.full(8000, number / 100, np.float32))


def number_of(waveform: np.ndarray) -> int:
    return round(float(waveform[0]) * 100)


def request_of(suite: Suite, *, data: Path | None = None, limit: int | None = None, seed: int = 0, **settings):
    place = BUNDLED / suite.data if data is None else data
    return Request(place, limit, seed, suite.settings(**settings), lambda _: None)
