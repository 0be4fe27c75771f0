"""Cuts an utterance down to its longest run of words that stand, rather than losing it whole.

text      you have | twenty one | new messages. Press seven      "21" is one written word, never cut
verdict    ok  ok      ok   ok     ok    ok       no    ok
kept      [--------------------------------]
audio     [............................... ]~~~~~                cut in the middle of the gap, 0.1 s at most
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from schemas.records import Waveform
from transforms.align.protocol import LOG_LIKELIHOOD, Alignment
from transforms.written import written_starts

MARGIN_SAMPLES = 1600
"""Most that is kept beyond an edge word: in a wider gap may lie speech that the text lacks."""


@dataclass(frozen=True, slots=True)
class Trimmed:
    """Words ``[first_word, last_word)`` of an utterance, as an utterance of their own.

    ``alignment``'s words count from ``start_sample`` and ``char_start``.
    """

    first_word: int
    last_word: int
    start_sample: int
    end_sample: int
    char_start: int
    char_end: int
    alignment: Alignment

    def waveform(self, whole: Waveform) -> Waveform:
        return whole[self.start_sample : self.end_sample]

    def text(self, whole: str) -> str:
        return whole[self.char_start : self.char_end]


def longest_run(alignment: Alignment, good: Sequence[bool], text: str) -> tuple[int, int] | None:
    """The run of good words with the most of them, the first of equals, cut between written words only.

    Returns:
        Word range ``[first, last)``; None if no run holds a whole written word.
    """
    words = alignment.words
    borders = np.flatnonzero(written_starts(words, text)).tolist()
    best: tuple[int, int] | None = None
    first = 0
    for left, right in pairwise(borders):
        if not all(good[left:right]):
            first = right
        elif best is None or right - first > best[1] - best[0]:
            best = (first, right)
    return best


def trim(alignment: Alignment, run: tuple[int, int], *, text: str, num_samples: int) -> Trimmed:
    """The utterance of the words of a run that :func:`longest_run` gave.

    The text kept reaches to the blanks around the run, so punctuation stays with its word. ``log_likelihood`` becomes
    the mean of the kept words' scores, weighted by their length.
    """
    first, last = run
    words = alignment.words
    start = 0 if first == 0 else _cut(words[first - 1].end_sample, words[first].start_sample, before=True)
    end = (
        num_samples if last == len(words) else _cut(words[last - 1].end_sample, words[last].start_sample, before=False)
    )
    char_start = 0 if first == 0 else words[first].char_start
    char_end = len(text) if last == len(words) else words[last - 1].char_end
    while char_start > 0 and not text[char_start - 1].isspace():
        char_start -= 1
    while char_end < len(text) and not text[char_end].isspace():
        char_end += 1
    kept = tuple(word.moved(samples=-start, chars=-char_start) for word in words[first:last])
    scores = dict(alignment.scores)
    if LOG_LIKELIHOOD in scores:
        lengths = [word.end_sample - word.start_sample for word in kept]
        weighted = sum(word.score * length for word, length in zip(kept, lengths, strict=True))
        scores[LOG_LIKELIHOOD] = weighted / sum(lengths)
    return Trimmed(first, last, start, end, char_start, char_end, Alignment(kept, scores))


def _cut(end_sample: int, start_sample: int, *, before: bool) -> int:
    """A sample of the gap between two words, near the one that is kept: the later if ``before``."""
    middle = (end_sample + start_sample) // 2
    return max(middle, start_sample - MARGIN_SAMPLES) if before else min(middle, end_sample + MARGIN_SAMPLES)
