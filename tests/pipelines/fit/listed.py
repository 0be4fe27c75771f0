"""A fit's recordings that a test makes itself."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from schemas.records import Utterance


@dataclass(frozen=True)
class Listed:
    """What ``make`` yields, nothing left out; also a decorator of it."""

    make: Callable[[], Iterator[Utterance]]
    left_out: dict[str, int] = field(default_factory=dict)

    def __call__(self) -> Iterator[Utterance]:
        return self.make()
