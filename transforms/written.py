"""Written words: what stands between two blanks of a text, the smallest thing that is cut.

Aligned words share one where they are one number, a compound around dashes, or letters around a dot::

    text     mother-in-law  can't  wait
    words    mother in law  can't  wait
    starts   x              x      x        x (the end)
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from schemas.records import AlignedWord, SpokenWord

Starts = npt.NDArray[np.bool_]  # (W + 1,)
Places = npt.NDArray[np.int64]


def behind_blanks(text: str) -> Places:
    """For every place of a text, its end included, the one behind the last blank before it (0: none); shape
    ``(len(text) + 1,)``."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    blank = np.zeros(int(codes.max(initial=0)) + 1, dtype=bool)
    blank[[ord(char) for char in set(text) if char.isspace()]] = True
    places = np.arange(len(codes) + 1)
    places[1:][~blank[codes]] = 0
    return np.maximum.accumulate(places)


def parted(behind: Places, char_end: Places, char_start: Places) -> Starts:
    """Whether a blank stands between a word's end and the next one's start; words of one range overlap: none does."""
    starts: Starts = behind[char_start] > char_end
    return starts


def written_starts(words: Sequence[AlignedWord | SpokenWord], text: str) -> Starts:
    """Whether a written word begins with each word; true of the first, and of the end, which counts as one more."""
    starts = np.ones(len(words) + 1, dtype=bool)
    chars = np.array([(word.char_start, word.char_end) for word in words], np.int64).reshape(-1, 2)
    starts[1:-1] = parted(behind_blanks(text), chars[:-1, 1], chars[1:, 0])
    return starts


def written_groups(words: Sequence[AlignedWord], text: str) -> list[range]:
    """The words of each written one."""
    return [range(first, last) for first, last in pairwise(np.flatnonzero(written_starts(words, text)).tolist())]
