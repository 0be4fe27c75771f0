"""The contract between a plan and an engine: shard numbers go in, small results come out.

A plan is either work on whole shards, or stages through which the batches of a shard pass. An engine that moves
batches between workers asks a staged plan for its pieces; one that doesn't calls ``open`` and works shard by shard.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from schemas.records import DeadLetter

R_co = TypeVar("R_co", covariant=True)
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class BatchDone:
    """What became of one batch of a shard: a sign of life between the shards' results.

    Args:
        records: Records that went in.
        samples: Audio that came out, in samples.
        dropped: Number of dead letters by ``stage/code``, of failures alone in ``failed``.
        examples: One of each, as ``id: sentence``.
        seconds: Spent by stage.
    """

    shard: int
    records: int
    samples: int
    failed: int
    dropped: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


Report = Callable[[BatchDone], None]
Work = Callable[[int, Report], R]


class ShardJob(Protocol, Generic[R_co]):
    """Picklable description of work on shards; ``open`` loads what it needs, once a worker."""

    def open(self) -> Callable[[int, Report], R_co]: ...

    def dead_letters(self, shard: int) -> Sequence[DeadLetter]:
        """Of a shard that is committed."""
        ...

    def name_of(self, shard: int) -> str:
        """What a person calls it."""
        ...


class StagedJob(ShardJob[R_co], Protocol):
    """Work on shards that can be taken apart into stages.

    A batch and a part are opaque to an engine: picklable, a part small. The parts of a shard, in order, make its
    result.
    """

    @property
    def stage_names(self) -> tuple[str, ...]: ...

    def batches(self, shard: int) -> Iterator[Any]:
        """The shard's batches, at least one."""
        ...

    def open_stages(self, names: Sequence[str]) -> Callable[[Any], Any]:
        """Load some stages, neighbours in order; a batch goes in and comes out."""
        ...

    def write_part(self, batch: Any) -> "Part":
        """Put what became of a batch where ``assemble`` finds it."""
        ...

    def assemble(self, shard: int, parts: Sequence[Any]) -> R_co:
        """Make a shard of its parts, given in order, and commit it."""
        ...


class Part(Protocol):
    """What a worker tells of a batch that it wrote."""

    @property
    def shard(self) -> int: ...

    @property
    def index(self) -> int: ...

    @property
    def count(self) -> int:
        """How many parts the shard has."""
        ...

    @property
    def done(self) -> BatchDone: ...


class Engine(Protocol):
    """Decides where shards are worked on. Results come in any order; each is small (no audio, no tokens).

    Raises:
        EngineError: Workers died more often than they may.
        UserError: The engine cannot be had, or cannot give what is asked of it.
    """

    def run(self, job: ShardJob[R], shards: Sequence[int], report: Report) -> Iterator[R]:
        """Each shard in one place."""
        ...

    def run_stages(self, job: StagedJob[R], shards: Sequence[int], report: Report) -> Iterator[R]:
        """Each shard through the stages, which may lie on different workers."""
        ...
