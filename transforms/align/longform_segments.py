"""Runs of aligned words to segments: cut at the widest gaps between written words, disjoint in audio and text.

::

    runs      [w w w w w w w w w w w]      [w w w w]          between two runs something is lost
    segments (w w w w w)(w w w w w w )    ( w w w w )         0.2 s around its words, or the middle of the gap
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from schemas.records import AlignedWord, Span
from transforms.written import written_starts

MARGIN_SAMPLES = 3200


@dataclass(frozen=True, slots=True)
class Segment:
    """Samples and characters of a long recording. ``words`` count from the segment's own first sample and character."""

    start_sample: int
    end_sample: int
    char_start: int
    char_end: int
    words: tuple[AlignedWord, ...]

    def __len__(self) -> int:
        return self.end_sample - self.start_sample


def segments_of(
    runs: Sequence[Sequence[AlignedWord]], text: str, *, num_samples: int, max_samples: int
) -> Iterator[Segment]:
    """Segments of runs that follow each other in audio and text, each as long as it may be or half that.

    A run begins and ends with a whole written word, of which one alone may be longer than ``max_samples``.
    """
    edges = [
        0,
        *((before[-1].end_sample + after[0].start_sample) // 2 for before, after in pairwise(runs)),
        num_samples,
    ]
    for run, room in zip(runs, pairwise(edges), strict=True):
        yield from _of_run(run, text, room, max_samples)


def parted(segment: Segment, text: str, *, least_words: int) -> tuple[Segment, Segment] | None:
    """A segment of ``text`` in two, at the widest gap with so many words on either side; None if it has none."""
    run = [word.moved(samples=segment.start_sample, chars=segment.char_start) for word in segment.words]
    borders = np.flatnonzero(written_starts(run, text)).tolist()
    cuts = [at for at in borders if least_words <= at <= len(run) - least_words]
    if not cuts:
        return None
    at = max(cuts, key=lambda at: _gap(run, at))
    room = (segment.start_sample, segment.end_sample)
    return _segment(run, 0, at, text, room), _segment(run, at, len(run), text, room)


def _of_run(run: Sequence[AlignedWord], text: str, room: tuple[int, int], max_samples: int) -> Iterator[Segment]:
    borders = np.flatnonzero(written_starts(run, text))[1:].tolist()
    first = 0
    while first < len(run):
        last = first + 1
        while last < len(run) and run[last].end_sample - run[first].start_sample <= max_samples - 2 * MARGIN_SAMPLES:
            last += 1
        ahead = [at for at in borders if at > first]
        if last < len(run):
            cuts = [at for at in ahead if at <= last] or ahead[:1]
            half = run[first].start_sample + max_samples // 2
            late = [at for at in cuts if run[at - 1].end_sample >= half] or cuts
            last = max(late, key=lambda at: _gap(run, at))
        yield _segment(run, first, last, text, room)
        first = last


def _gap(run: Sequence[AlignedWord], at: int) -> int:
    """Samples between a word and the one before it; none before the end."""
    return run[at].start_sample - run[at - 1].end_sample if at < len(run) else 0


def _segment(run: Sequence[AlignedWord], first: int, last: int, text: str, room: tuple[int, int]) -> Segment:
    floor = room[0] if first == 0 else (run[first - 1].end_sample + run[first].start_sample) // 2
    ceiling = room[1] if last == len(run) else (run[last - 1].end_sample + run[last].start_sample) // 2
    span = Span(
        max(floor, run[first].start_sample - MARGIN_SAMPLES), min(ceiling, run[last - 1].end_sample + MARGIN_SAMPLES)
    )
    char_start, char_end = run[first].char_start, run[last - 1].char_end
    while char_end < len(text) and not text[char_end].isspace():
        char_end += 1
    words = tuple(word.moved(samples=-span.start, chars=-char_start) for word in run[first:last])
    return Segment(span.start, span.end, char_start, char_end, words)
