"""Text as written -> words as spoken, each with the characters that it stands for.

A language is a table of rules (``verbalise_en``; the other ones are data for ``verbalise_rules``). The scanner
walks over the text; at each place the first rule that matches takes its characters as one *slot* with one or more
*readings*, the likeliest first::

    dial 1234 now
         ^^^^      slot [5, 9): "one two three four" | "twelve thirty four" | "one thousand two hundred ..."

``verbalise`` takes the first reading of every slot; ``transforms.align.readings`` lets the audio choose.
A slot is never split, so a number is either wholly inside a span of text or not in it at all.

A word in ``[]``, ``<>`` or ``{}`` (``[noise]``, ``<unk>``) is a tag: not spoken, unless the audio has that word.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from itertools import product

from schemas.records import SpokenWord
from transforms.text.language_codes import base_language
from transforms.text.verbalise_seen import seen

Reading = tuple[str, ...]

LANGUAGES: dict[str, str] = {code: f"transforms.text.verbalise_{code}" for code in ("en", "es", "fr", "de", "it", "ru")}

LOOK_BEHIND_CHARS = 64
"""A rule that asks what stands before its match looks no further, so that a text costs as much as it is long."""

MAX_READINGS = 24
"""Of one slot, where they are combined from several parts."""

LETTER = r"[^\W\d_²³¹⁰⁴-⁹¼-¾⅐-⅞][̀-ͯ]*"
WORD = re.compile(rf"(?:{LETTER})+(?:'(?:{LETTER})+)*")
_INSIDE_TAG = r"(?=[^]>}]*[^\W\d_])[\w/-]+"
_TAG = re.compile(
    rf"<({_INSIDE_TAG})>|(?<![^\W_])\[({_INSIDE_TAG})\](?![^\W_])|(?<![^\W_])\{{({_INSIDE_TAG})\}}(?![^\W_])"
)
_MARKUP = frozenset("b br em i p s small strong sub sup u".split())


@dataclass(frozen=True, slots=True)
class Slot:
    """Characters ``[char_start, char_end)`` and how they may be read. A reading may be empty: not spoken."""

    char_start: int
    char_end: int
    readings: tuple[Reading, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """``read`` gets the match (whose ``string`` is the whole text) and returns readings, or none to decline.

    What ``joins_next`` is one slot with what follows it at once.
    """

    pattern: re.Pattern[str]
    read: Callable[[re.Match[str]], Sequence[Reading]]
    joins_next: bool = False


@dataclass(frozen=True, slots=True)
class Language:
    """Rules in order of precedence. Each sees the text as ``verbalise_seen`` has it."""

    code: str
    rules: tuple[Rule, ...]


def verbalise(text: str, language: str) -> tuple[SpokenWord, ...]:
    """The words of a text in its likeliest reading; empty where nothing in it is spoken.

    Words are lower case and hold letters and apostrophes only. Ranges are ordered, inside the text, and two of
    them are equal or disjoint. A language without rules is split into its words where they are said as written.

    Raises:
        RecordError: ``unknown_language``: not a code, or something must be read by rules that there are not.
    """
    return speak(slots(text, language))


def speak(slots: Sequence[Slot], choice: Sequence[int] | None = None) -> tuple[SpokenWord, ...]:
    """The words of the chosen readings (an index a slot); without a choice, of the first ones."""
    chosen = [0] * len(slots) if choice is None else choice
    return tuple(
        SpokenWord(word, slot.char_start, slot.char_end)
        for slot, index in zip(slots, chosen, strict=True)
        for word in slot.readings[index]
    )


def slots(text: str, language: str) -> tuple[Slot, ...]:
    """All slots of a text, in order.

    Raises:
        RecordError: ``unknown_language``.
    """
    found = seen(text)
    return tuple(
        Slot(*found.written(slot.char_start, slot.char_end), slot.readings) for slot in _slots(found.text, language)
    )


def _slots(plain: str, language: str) -> tuple[Slot, ...]:
    rules = _rules(language)
    if rules is None:
        from transforms.text.verbalise_plain import plain_slots

        return plain_slots(plain, language, ", ".join(LANGUAGES))
    found: list[Slot] = []
    position = 0
    while position < len(plain):
        slot = _slot_at(plain, position, rules)
        if slot is None:
            position += 1
        else:
            found.append(slot)
            position = slot.char_end
    return tuple(found)


def text_before(match: re.Match[str]) -> str:
    """The last ``LOOK_BEHIND_CHARS`` characters before a match, or all there are."""
    return match.string[max(0, match.start() - LOOK_BEHIND_CHARS) : match.start()]


def clean_word(written: str) -> str:
    """Lower case, composed, letters and inner apostrophes only; may be empty."""
    composed = unicodedata.normalize("NFC", written.lower())
    return "".join(char for char in composed if char.isalpha() or char == "'").strip("'")


def run_together(written: str) -> list[str]:
    """``MeToo2020`` -> Me, Too, 2020."""
    parts: list[str] = []
    for before, char in zip(" " + written, written, strict=False):
        same = before.isalpha() == char.isalpha() and before.isdigit() == char.isdigit()
        if parts and same and not (before.islower() and char.isupper()):
            parts[-1] += char
        else:
            parts.append(char)
    return [part for part in parts if part.isalpha() or part.isdecimal()]


def tag_at(text: str, position: int) -> Slot | None:
    """The tag that begins there; marks of typography (``<i>``, ``</i>``) are never spoken."""
    match = _TAG.match(text, position)
    if match is None:
        return None
    inside = next(filter(None, match.groups()))
    if text[position] == "<" and (inside[0] == "/" or inside.lower() in _MARKUP):
        return Slot(position, match.end(), ((),))
    word = tuple(filter(None, map(clean_word, WORD.findall(inside))))
    return Slot(position, match.end(), tuple(dict.fromkeys(((), word))))


def tags(text: str) -> list[tuple[int, int]]:
    """Character ranges of the tags, marks of typography among them."""
    return [match.span() for match in _TAG.finditer(text)]


@lru_cache(maxsize=8)
def is_shouted(text: str) -> bool:
    """Whether a text of two words or more is wholly in capitals but for its tags."""
    text = _TAG.sub("", text)
    return text.upper() == text and sum(any(map(str.isalpha, word)) for word in text.split()) > 1


def _slot_at(text: str, position: int, rules: Sequence[Rule]) -> Slot | None:
    if text[position : position + 1].isspace():  # nothing begins with a blank, and every fifth character is one
        return None
    tag = tag_at(text, position)
    if tag is not None:
        return tag
    for rule in rules:
        match = rule.pattern.match(text, position)
        if match is None or match.end() == position:
            continue
        readings = tuple(dict.fromkeys(tuple(reading) for reading in rule.read(match)))
        if readings:
            slot = Slot(position, match.end(), readings)
            following = _slot_at(text, slot.char_end, rules) if rule.joins_next else None
            return slot if following is None else _joined(slot, following)
    match = WORD.match(text, position)
    if match is None:
        return None
    word = clean_word(match.group())
    return Slot(position, match.end(), ((word,) if word else (),))


def _joined(left: Slot, right: Slot) -> Slot:
    """Both in one, in each of their readings: the likelier ones where there are too many."""
    readings = [(*first, *second) for first, second in product(left.readings, right.readings)]
    return Slot(left.char_start, right.char_end, tuple(readings[:MAX_READINGS]))


def _rules(code: str) -> tuple[Rule, ...] | None:
    primary = base_language(code)
    if primary not in LANGUAGES:
        return None
    language: Language = import_module(LANGUAGES[primary]).LANGUAGE
    return language.rules
