"""What a suite is: data in a public layout, a model that is asked, figures that come out.

A further suite is one file with a ``SUITE`` and one line in ``registry.SUITES``. Models are asked through the Protocols
here, so a test can put a perfect one, a random one and one that is always wrong in a real one's place.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pipelines.infer.parts import Output, Part
from pipelines.yaml_config import Section

Say = Callable[[str], None]
Row = dict[str, Any]


class Scored(Protocol):
    """Log-likelihood of a candidate after its prompt, and of the two together; summed, with counts of tokens."""

    @property
    def log_likelihood(self) -> float: ...

    @property
    def tokens(self) -> int: ...

    @property
    def whole_log_likelihood(self) -> float: ...

    @property
    def whole_tokens(self) -> int: ...


class Scorer(Protocol):
    def score_pairs(self, pairs: Sequence[tuple[Sequence[Part], Sequence[Part]]]) -> Sequence[Scored]:
        """One score a (prompt, candidate), in their order; a prompt may be empty."""
        ...


class Generator(Protocol):
    def generate(
        self,
        prompts: Sequence[Sequence[Part]],
        *,
        output: Output,
        max_new_tokens: int = 256,
        temperature: float = 0.8,
        top_p: float = 0.95,
        seed: int = 0,
        stop: str | None = None,
        until_switch: bool = False,
    ) -> list[list[Part]]:
        """One answer a prompt, in their order."""
        ...


class Settings(Section):
    """What ``--set`` may say of a suite; a suite with settings derives its own."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of a suite.

    Args:
        task: What is measured: a direction (``S->T``), a group of items, or the suite itself.
        measure: In which unit, and how it is scored; ``accuracy``, ``continuation, per token``.
        items: How many things the mean is over.
        interval: Between which the value lies for 95 % of bootstrap samples of the items, where that says something.
        chance: What guessing gives, where that is known.
    """

    task: str
    measure: str
    value: float | None
    items: int
    interval: tuple[float, float] | None = None
    chance: float | None = None

    def to_json(self) -> Row:
        row: Row = {"task": self.task, "measure": self.measure, "value": self.value, "items": self.items}
        if self.interval is not None:
            row["interval_95"] = list(self.interval)
        if self.chance is not None:
            row["chance"] = self.chance
        return row


@dataclass(frozen=True, slots=True)
class Outcome:
    """Figures in the order of the table; ``rows`` holds what each item gave, ``files`` text to write beside the JSON.

    ``about`` says what else one needs to repeat the figures: classifiers, templates, encoders.
    """

    figures: Sequence[Figure]
    rows: Sequence[Row] = ()
    about: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)

    def value(self, task: str, measure: str) -> float | None:
        """Raises: KeyError: There is no such figure."""
        for figure in self.figures:
            if (figure.task, figure.measure) == (task, measure):
                return figure.value
        raise KeyError((task, measure))


@dataclass(frozen=True, slots=True)
class Request:
    """One evaluation: the data's folder, the first ``limit`` items (all if None), the seed, the suite's settings."""

    data: Path
    limit: int | None
    seed: int
    settings: Any
    say: Say


@dataclass(frozen=True, slots=True)
class Suite:
    """One line of the registry.

    Args:
        title: What it measures, in one line.
        data: Bundled small set, a folder below ``examples/suites`` (or ``..`` out of it).
        public: Names of the public sets (``public_sets``) that have its layout.
        layout: The data's files, in one line.
        run: Reads the data, then opens the model by calling the first argument, then measures.
        uses_model: False where tokenizers alone are measured; the model is never opened then.
        settings: What ``--set`` may say.
    """

    title: str
    data: str
    public: tuple[str, ...]
    layout: str
    run: Callable[[Callable[[], Any], Request], Outcome]
    uses_model: bool = True
    settings: type[Settings] = Settings
