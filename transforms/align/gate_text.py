"""A text as Whisper was trained to see it: sentences without tags and typography, and where each character was written.

written   please hold [noise], “one moment” {breath}
given     Please hold, "one moment".
"""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import groupby

from schemas.records import AlignedWord
from transforms.text.verbalise import tags

_CLOSING = " .,;:!?\u2026-\u2013\u2014\"'()[]"
_START = re.compile(r"\A\s*\S")
_SENTENCE = re.compile(r"(?:\A\s*|(?<!\.)[.!?][\"')\]]*\s+)[\"'(\[]*[^\W\d_]")
_TYPED = str.maketrans("’‘ʼ＇‚“”„‟‐‑", "'''''\"\"\"\"--")
_MARKS = frozenset("*_`•¿¡«»‹›")
_VARIATION_SELECTORS = "\ufe00", "\ufe0f"
_I = re.compile(r"(?<![\w'.])i(?![\w\u0300-\u036f]|\.\w)")


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
    """The text as it would be typed, without the tags that none of its words stands for.

    Of a tag that is said the word is left, without brackets. Quotes are straight, what is invisible is gone, and
    blanks, line breaks and signs that no word stands for (an emoji, ``♪``, ``**``) are one space together. Plain
    text with single blanks stays as it is.
    """
    dropped: set[int] = set()
    for start, end in tags(text):
        if any(word.char_start < end and word.char_end > start for word in words):
            dropped |= {start, end - 1}
            continue
        dropped |= set(range(start, end))
        if not text[end : end + 1].isalnum():
            dropped |= set(range(len(text[:start].rstrip()), start))
    said = {place for word in words for place in range(word.char_start, word.char_end)}
    typed: list[str] = []
    origins: list[int] = []
    for place, written in enumerate(text):
        char = _typed(written, said=place in said)
        if place not in dropped and char and not (char == " " and typed[-1:] == [" "]):
            typed.append(char)
            origins.append(place)
    spelled = _spelled(words)
    capitals = {index for index, place in enumerate(origins) if place in spelled}
    return GivenText(sentence_case("".join(typed), capitals), tuple(origins))


def _typed(char: str, *, said: bool) -> str:
    """One character, or nothing: what is invisible. ``said``: a word stands for it."""
    category = unicodedata.category(char)
    if char.isspace() or (not said and (category in ("So", "Sk") or char in _MARKS)):
        return " "
    if category in ("Cc", "Cf") or _VARIATION_SELECTORS[0] <= char <= _VARIATION_SELECTORS[1]:
        return ""
    return char.translate(_TYPED)


def sentence_case(text: str, capitals: Collection[int] = ()) -> str:
    """The text with a capital at its start; of the same length.

    One that is all in capitals, or has none, gets them at these places, for *I* and where sentences begin: Whisper was
    trained on written sentences and mistrusts other spellings of the same words.
    """
    if not text.isupper() and not text.islower():
        return _START.sub(_raised, text)
    cased = "".join(_same_length(char, char.upper() if i in capitals else char.lower()) for i, char in enumerate(text))
    return _I.sub(_raised, _SENTENCE.sub(_raised, cased))


def _spelled(words: Sequence[AlignedWord]) -> set[int]:
    """Characters of what is said by its letters, as ``PBX`` and ``Q`` are."""
    found: set[int] = set()
    for span, same in groupby(words, key=lambda word: (word.char_start, word.char_end)):
        said = [word.text.removesuffix("'s") for word in same]
        if said != ["a"] and all(len(letter) == 1 for letter in said):
            found |= set(range(*span))
    return found


def _raised(match: re.Match[str]) -> str:
    return match[0][:-1] + _same_length(match[0][-1], match[0][-1].upper())


def _same_length(char: str, cased: str) -> str:
    return cased if len(cased) == 1 else char
