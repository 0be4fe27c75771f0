"""What a language says: the words and habits that ``verbalise_rules`` turns into rules. One module a language.

Tables are written one entry a line, fields parted by ``|``; several readings of one entry are parted by ``;``, the
likeliest first.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from num2words import num2words

from transforms.text.verbalise import Reading, Rule

Gender = Literal["", "m", "f", "n"]
"""Of the counted noun; empty for a number by itself."""

Readings = tuple[Reading, ...]


@dataclass(frozen=True, slots=True)
class Noun:
    """A counted noun: ``one`` litre, ``few`` (a form that Russian has; elsewhere the same as ``many``), ``many``."""

    gender: Gender
    one: str
    few: str
    many: str


@dataclass(frozen=True, slots=True)
class Money:
    """A currency and its hundredth."""

    unit: Noun
    hundredth: Noun


@dataclass(frozen=True, slots=True, kw_only=True)
class Locale:
    """A language's words and number functions. Readings come likeliest first.

    Args:
        cardinal: Number (and the gender of what is counted) to readings.
        ordinal: Number and its written ending (``º``, ``er``) to readings.
        ordinal_endings: Pattern of those endings.
        form: Number to the form of a noun; a number with a decimal part takes ``decimal_form``.
        point: Words for the decimal sign.
        decimals_by_digit: ``3,25`` is read digit by digit after the sign rather than as twenty five.
        decimal_readings: Further readings of whole and decimal digits, likelier than the ordinary ones.
        groups: Characters that part thousands, beside a blank.
        clock_patterns: Patterns with the groups ``h``, ``m`` and perhaps ``s``, beside ``10:05`` and ``10:05:30``.
        date: Day, month, year as written to readings.
        year: Readings of four digits that are likely a year, tried first.
        ratio: What a colon between numbers may be, which are no time.
        per: Words before what there is one of; the first one for a stroke.
        hashtag: The word for it.
        money_joins: What may stand between units and hundredths; empty for nothing.
        scales: The words million, billion ... as written after a number.
        of: What links such a word, and a fraction, with a noun.
        link: Pattern of what is written between such a word and a noun.
        shares: Fractions that agree with what they are of (``1/2 f``), then said without a link.
        feminine: Pattern of what looks like a feminine noun, behind a fraction.
        share_form: The form of a noun behind a fraction.
        power: A raised number, given the word minus or nothing and how much.
        phone_patterns: Patterns of this country's telephone numbers.
        phone_in_groups: Numbers are read by the groups in which they are written.
        letters: Names of letters.
        roman: Readings of a Roman numeral.
        phrases: Fixed strings with marks (``z. B.``) and what they stand for.
        abbreviations: Before a full stop, lower case, without it.
        before_numbers: Further abbreviations, where a number stands beside them.
        titles: Abbreviations that do without the full stop before a name.
        capitals: Words in capitals that are said as words.
        plural: What an ``s`` behind letters adds to the name of the last one.
        elisions: Pattern of words that lose a vowel before another word; none by default.
        governed: How the words around a number (the text before and behind it) decline it: a number and what it counts,
            or None, to readings that then come first.
        mixed: What is said of a fraction behind a whole number (``1/2``, or ``1/2 f`` where it agrees); or of both
            where special (``1 1/2``).
        noun_before_fraction: ``dos kilómetros y medio``, rather than the noun behind both.
        join_mixed: A whole number and the words of its fraction, as they are joined.
        rules: The language's own rules, before all common ones.
    """

    code: str
    cardinal: Callable[[int, Gender], Readings]
    ordinal: Callable[[int, str], Readings]
    ordinal_endings: str
    form: Callable[[int, Noun], str]
    decimal_form: Callable[[int, Noun], str]
    point: tuple[str, ...]
    decimals_by_digit: bool
    groups: str
    date: Callable[[int, int, str], Readings]
    clock: Callable[[int, int], Readings]
    minus: str
    plus: str
    to: tuple[str, ...]
    ratio: tuple[str, ...]
    per: tuple[str, ...]
    hashtag: str
    money_joins: tuple[str, ...]
    scales: Mapping[str, Noun]
    of: Callable[[str], Reading]
    power: Callable[[Reading, int], Readings]
    over: str
    fractions: Mapping[str, Readings]
    currencies: Mapping[str, Money]
    units: Mapping[str, Noun]
    symbols: Mapping[str, Readings]
    abbreviations: Mapping[str, Readings]
    phrases: Mapping[str, Readings]
    letters: Mapping[str, str]
    vowels: str
    capitals: frozenset[str]
    web: Mapping[str, str]
    www: Readings
    domains: str
    before_numbers: Mapping[str, Readings] = field(default_factory=dict)
    titles: frozenset[str] = frozenset()
    plural: str = ""
    elisions: str = "(?!)"
    year: Callable[[int], Readings] = field(default=lambda number: ())
    decimal_readings: Callable[[int, str], Readings] = field(default=lambda whole, digits: ())
    clock_patterns: tuple[str, ...] = ()
    phone_patterns: tuple[str, ...] = ()
    phone_in_groups: bool = False
    roman: Callable[[int, re.Match[str]], Readings] = field(default=lambda number, match: ())
    governed: Callable[[str, str, int, Noun | None], Readings] = field(default=lambda before, after, number, noun: ())
    mixed: Mapping[str, Readings] = field(default_factory=dict)
    noun_before_fraction: bool = False
    shares: Mapping[str, Readings] = field(default_factory=dict)
    feminine: re.Pattern[str] = field(default=re.compile("(?!)"))
    share_form: Callable[[Noun], str] = field(default=lambda noun: noun.one)
    link: str = ""
    join_mixed: Callable[[Reading, Reading], Reading] = field(default=lambda whole, tail: (*whole, *tail))
    rules: tuple[Rule, ...] = ()


def words(text: str) -> Reading:
    """The words of a phrase, of letters and inner apostrophes: hyphens and blanks part them."""
    return tuple(re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*", text.lower()))


def readings(text: str) -> Readings:
    """``a b; c`` -> (a b), (c). An empty one means: not spoken."""
    return tuple(words(part) for part in text.split(";"))


def longest(names: Iterable[str]) -> list[str]:
    return sorted(names, key=len, reverse=True)


def any_of(names: Iterable[str]) -> str:
    return "|".join(map(re.escape, longest(names)))


def in_words(number: int, language: str, to: str = "cardinal", **grammar: object) -> str:
    return str(num2words(number, lang=language, to=to, **grammar))


def unique(*found: Reading) -> Readings:
    return tuple(dict.fromkeys(found))


def rows(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")] for line in table.strip().splitlines()]


def entries(table: str) -> dict[str, Readings]:
    """``key | reading; reading`` lines."""
    return {key: readings(value) for key, value in rows(table)}


def nouns(table: str) -> dict[str, Noun]:
    """``signs | gender | one | many`` or ``signs | gender | one | few | many``; several signs are parted by blanks.

    A blank inside a sign is written ``_``.
    """
    found: dict[str, Noun] = {}
    for signs, gender, one, *others in rows(table):
        for sign in signs.split():
            found[sign.replace("_", " ")] = Noun(gender, one, others[0], others[-1])  # type: ignore[arg-type]
    return found


def currencies(table: str) -> dict[str, Money]:
    """``signs | noun | hundredth``, a noun being ``gender one many`` or ``gender one few many``."""
    found: dict[str, Money] = {}
    for signs, unit, hundredth in rows(table):
        for sign in signs.split():
            found[sign] = Money(_noun(unit), _noun(hundredth))
    return found


def letter_names(table: str) -> dict[str, str]:
    """``a:a b:be w:doble_uve`` with underscores for blanks."""
    return {letter: name.replace("_", " ") for letter, name in (entry.split(":") for entry in table.split())}


def one_or_many(number: int, noun: Noun) -> str:
    return noun.one if number == 1 else noun.many


def always_many(number: int, noun: Noun) -> str:
    return noun.many


def _noun(text: str) -> Noun:
    gender, one, *others = text.split()
    return Noun(gender, one, others[0], others[-1])  # type: ignore[arg-type]
