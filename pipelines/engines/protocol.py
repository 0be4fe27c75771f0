"""The contract between a plan and an engine: a shard number goes in, a small result comes out."""

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, Protocol, TypeVar

R_co = TypeVar("R_co", covariant=True)
R = TypeVar("R")


class ShardJob(Protocol, Generic[R_co]):
    """Picklable description of work on shards; ``open`` loads what it needs, once a worker."""

    def open(self) -> Callable[[int], R_co]: ...


class Engine(Protocol):
    """Decides where shards are worked on. Results come in any order; each is small (no audio, no tokens)."""

    def run(self, job: ShardJob[R], shards: Sequence[int]) -> Iterator[R]: ...
