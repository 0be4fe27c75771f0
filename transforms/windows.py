"""Cuts a long recording into overlapping windows, of which each keeps its middle."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Window:
    """Frames ``[start, end)`` are run, ``[keep_start, keep_end)`` of them are kept."""

    start: int
    end: int
    keep_start: int
    keep_end: int


def windows(total: int, *, size: int, overlap: int) -> list[Window]:
    """Windows whose kept parts partition ``range(total)``; all but a single one are ``size`` long.

    With an even ``size``, ``overlap // 2`` and ``total`` every cut is even.
    """
    if total <= size:
        return [Window(0, total, 0, total)] if total else []
    starts = [*range(0, total - size, size - overlap), total - size]
    cuts = [0, *(start + overlap // 2 for start in starts[1:]), total]
    return [Window(start, start + size, cuts[i], cuts[i + 1]) for i, start in enumerate(starts)]
