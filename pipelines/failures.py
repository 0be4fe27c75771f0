"""When so many records failed that going on is of no use: one rule for runs, segmenting and fits."""

from collections.abc import Mapping

from schemas.errors import EngineError

# Below this many failures a ratio says nothing: one bad file of ten is no sick run.
FEWEST_FAILURES_TO_STOP = 10


def stop_if_sick(
    failed: int,
    total: int,
    max_failed_ratio: float,
    *,
    dropped: Mapping[str, int],
    examples: Mapping[str, str] | None = None,
    what: str = "records",
) -> None:
    """Stop where going on is of no use.

    Args:
        dropped: How many went by which cause, those that failed among them.
        examples: One of each cause, where they are known.

    Raises:
        EngineError: More than the ratio of all failed.
    """
    if failed >= FEWEST_FAILURES_TO_STOP and failed > max_failed_ratio * total:
        raise EngineError(
            f"{failed} of {total} {what} failed, more than max_failed_ratio {max_failed_ratio}; "
            f"{worst_of(dropped, examples or {})}"
        )


def worst_of(dropped: Mapping[str, int], examples: Mapping[str, str]) -> str:
    """How much was dropped, by what most, and an example of that if there is one."""
    if not dropped:
        return ""
    cause, number = min(dropped.items(), key=lambda item: (-item[1], item[0]))
    told = f"{sum(dropped.values())} dropped, most by {cause} ({number})"
    return f"{told}, such as {examples[cause]}" if cause in examples else told
