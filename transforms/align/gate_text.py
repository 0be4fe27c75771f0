"""A text as Whisper was trained to see it: sentences without tags, and where each character was written.

written   please hold [noise], one moment {breath}
given     Please hold, one moment.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from schemas.records import AlignedWord
from transforms.text.verbalise import tags

_CLOSING = " .,;:!?\u2026-\u2013\u2014\"'()[]"


@dataclass(frozen=True, slots=True)
class GivenText:
    """``text`` with the place that each of its characters has in the written one; ``origins`` ascend."""

    text: str
    origins: tuple[int, ...]

    def lead(self, char_start: int, char_end: int) -> "GivenText":
        """What is left of the written characters ``[char_start, char_end)``, as the decoder is fed it.

        A blank stands before it, and behind it a full stop whatever it ends with, as Whisper expects one where nothing
        more is said.
        """
        first, last = bisect_left(self.origins, char_start), bisect_left(self.origins, char_end)
        first += len(self.text[first:last]) - len(self.text[first:last].lstrip())
        last = first + len(self.text[first:last].rstrip(_CLOSING))
        origins = self.origins[first:last] or (char_start,)
        return GivenText(
            " " + self.text[first:last] + ".", (origins[0] - 1, *self.origins[first:last], origins[-1] + 1)
        )


def given_text(text: str, words: Sequence[AlignedWord]) -> GivenText:
    """The text without the tags that none of its words stands for; of a tag that is said, the word without brackets."""
    dropped: set[int] = set()
    for start, end in tags(text):
        if any(word.char_start < end and word.char_end > start for word in words):
            dropped |= {start, end - 1}
            continue
        dropped |= set(range(start, end))
        if not text[end : end + 1].isalnum():
            dropped |= set(range(len(text[:start].rstrip()), start))
    origins = tuple(place for place in range(len(text)) if place not in dropped)
    return GivenText(sentence_case("".join(text[place] for place in origins)), origins)


def sentence_case(text: str) -> str:
    """The text with a capital at its start, and only there if it is all in capitals; of the same length.

    Whisper was trained on written sentences and mistrusts other spellings of the same words.
    """
    cased = "".join(_lower(char) for char in text) if text.isupper() else text
    start = len(cased) - len(cased.lstrip())
    head = cased[start : start + 1].upper()
    return cased[:start] + (head if len(head) == 1 else cased[start : start + 1]) + cased[start + 1 :]


def _lower(char: str) -> str:
    lowered = char.lower()
    return lowered if len(lowered) == 1 else char
