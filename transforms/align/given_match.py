"""Fits the words of an alignment file to a transcript, letter by letter.

The file may have the words as spoken or as written, cut otherwise than here (``touch-tone``, ``l' homme``), in any
case and with or without marks. Both sides are strings of letters and digits; a path through the readings of the
transcript's slots must spell the file's string::

    slots   [21: twenty one | two one] [cats]        file   TWENTY-ONE CATS   or   21 cats
    path     twentyone                  cats                twentyone   cats       21   cats

A spoken word takes its times from the file's word that holds its letters; where one of the file's words holds
several spoken ones, its time is parted by their letters.
"""

import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from schemas.errors import RecordError
from schemas.records import AlignedWord
from transforms.align.given_formats import GivenWord, samples
from transforms.text.verbalise import Slot

_UNKNOWN = "\0"
_EPSILON = 1e-6
UNKNOWN_WORDS = frozenset({"<unk>", "[unk]", "<oov>"})
"""Labels for a word outside a tool's dictionary: they stand for any one word."""


@dataclass(frozen=True, slots=True)
class _Choice:
    """A reading of a slot and what of the file it spells; ``spelled`` is its letters, or the slot as written."""

    reading: tuple[str, ...]
    spelled: str


@dataclass(frozen=True, slots=True)
class _Step:
    """The last of a path's choices, the place before it, and the odd cuts so far."""

    cost: int
    before: int
    choice: _Choice | None


def letters_of(word: str) -> str:
    """Letters, marks and digits alone, composed, without case; ß is ss, and the Russian yo is ye."""
    plain = unicodedata.normalize("NFC", word.casefold()).replace("ё", "е")
    return "".join(char for char in plain if char.isalnum() or unicodedata.category(char)[0] == "M")


def match(text: str, parts: Sequence[Slot], given: Sequence[GivenWord]) -> list[AlignedWord]:
    """The transcript's spoken words with the file's times in samples, not yet held against the audio.

    Raises:
        RecordError: ``given_mismatch``, naming the first word that differs.
    """
    tokens = [_UNKNOWN if word.text.lower() in UNKNOWN_WORDS else letters_of(word.text) for word in given]
    path, reached = _path(text, parts, tokens)
    if path is None:
        raise _mismatch(text, parts, given, tokens, reached)
    clock = _Clock(given, tokens)
    words: list[AlignedWord] = []
    position = 0
    for slot, choice in zip(parts, path, strict=True):
        total = sum(len(letters_of(word)) for word in choice.reading)
        done = 0
        for word in choice.reading:
            share = done / total, (done + len(letters_of(word))) / total
            begin, end = (position + len(choice.spelled) * part for part in share)
            start_s, end_s = clock.start(begin), clock.end(end)
            score = clock.score(begin)
            place = samples(start_s), samples(end_s)
            words.append(AlignedWord(word, *place, score, slot.char_start, slot.char_end))
            done += len(letters_of(word))
        position += len(choice.spelled)
    return words


class _Clock:
    """Times of places in the string of letters: 2.5 is the middle of the third letter."""

    def __init__(self, given: Sequence[GivenWord], tokens: Sequence[str]) -> None:
        self._words = [word for word, token in zip(given, tokens, strict=True) if token]
        sizes = [len(token) for token in tokens if token]
        self._ends = list(accumulate(sizes))
        self._begins = [end - size for end, size in zip(self._ends, sizes, strict=True)]

    def start(self, place: float) -> float:
        return self._at(place, bisect_right(self._begins, place + _EPSILON) - 1)

    def end(self, place: float) -> float:
        return self._at(place, bisect_left(self._ends, place - _EPSILON))

    def score(self, place: float) -> float:
        return self._words[bisect_right(self._begins, place + _EPSILON) - 1].score

    def _at(self, place: float, index: int) -> float:
        word, begin, end = self._words[index], self._begins[index], self._ends[index]
        return word.start_s + (word.end_s - word.start_s) * (place - begin) / (end - begin)


def _path(text: str, parts: Sequence[Slot], tokens: Sequence[str]) -> tuple[list[_Choice] | None, int]:
    """A choice for each slot that spells the whole string, and how far into the string any path came.

    Of the ways to spell the first letters with the first slots the one is kept that cuts them most like the file
    does, so that ``i a x`` is not taken for ``iax``.
    """
    stream, cuts = "".join(tokens), set(accumulate(map(len, tokens)))
    frontiers: list[dict[int, _Step]] = [{0: _Step(0, -1, None)}]
    for slot in parts:
        options = _choices(text, slot)
        following: dict[int, _Step] = {}
        for place, step in frontiers[-1].items():
            for option in options:
                spelled = _spelled_at(stream, place, option)
                if spelled is None:
                    continue
                end = place + len(spelled)
                cost = step.cost + _odd_cuts(option, spelled, place, cuts)
                if end not in following or cost < following[end].cost:
                    following[end] = _Step(cost, place, _Choice(option.reading, spelled))
        if not following:
            return None, max(frontiers[-1])
        frontiers.append(following)
    if len(stream) not in frontiers[-1]:
        return None, max(frontiers[-1])
    path: list[_Choice] = []
    place = len(stream)
    for frontier in reversed(frontiers[1:]):
        step = frontier[place]
        assert step.choice is not None
        path.append(step.choice)
        place = step.before
    return path[::-1], len(stream)


def _odd_cuts(option: _Choice, spelled: str, place: int, cuts: set[int]) -> int:
    """Cuts between words that one side has and the other has not, within a slot."""
    lengths = [len(letters_of(word)) for word in option.reading]
    if sum(lengths) != len(spelled):
        return max(len(lengths) - 1, 0)
    ours = {place + length for length in accumulate(lengths[:-1])}
    theirs = {cut for cut in range(place + 1, place + len(spelled)) if cut in cuts}
    return len(ours ^ theirs)


def _choices(text: str, slot: Slot) -> list[_Choice]:
    spoken = [_Choice(reading, "".join(map(letters_of, reading))) for reading in slot.readings]
    written = letters_of(text[slot.char_start : slot.char_end])
    named = next((reading for reading in slot.readings if reading), ())
    if written and named and all(choice.spelled != written for choice in spoken):
        spoken.append(_Choice(named, written))
    return spoken


def _spelled_at(stream: str, place: int, option: _Choice) -> str | None:
    if stream.startswith(option.spelled, place):
        return option.spelled
    unknown = len(option.reading) == 1 and stream[place : place + 1] == _UNKNOWN
    return _UNKNOWN if unknown else None


def _mismatch(
    text: str, parts: Sequence[Slot], given: Sequence[GivenWord], tokens: Sequence[str], reached: int
) -> RecordError:
    """Names the file's word at which no reading went on, and the transcript's there."""
    ends = list(accumulate(map(len, tokens)))
    index = bisect_right(ends, reached)
    heard = f"has {given[index].text!r} as word {index + 1}" if index < len(given) else f"ends after {len(given)} words"
    spelled, place = "", ""
    for slot in parts:
        spelled += "".join(map(letters_of, slot.readings[0]))
        if len(spelled) > reached:
            place = text[slot.char_start : slot.char_end]
            break
    here = f"the transcript {place!r}" if place else "the transcript has ended"
    return RecordError("given_mismatch", f"the alignment file {heard}, {here}")
