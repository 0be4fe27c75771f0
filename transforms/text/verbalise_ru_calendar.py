"""Russian years, days and centuries: ordinals, in the case that the words around them ask for."""

import re

from transforms.text.verbalise import Rule, text_before
from transforms.text.verbalise_locale import Readings, unique
from transforms.text.verbalise_numbers import roman_value
from transforms.text.verbalise_ru_numbers import GENITIVE_MONTHS, asked_case, cardinal, declined

_MONTH = "|".join(GENITIVE_MONTHS)
_IN = re.compile(r"\b(?:в|во|о)\s+$", re.I)
_NAMES = {
    "год": "n",
    "года": "g",
    "году": "pd",
    "годом": "i",
    "годе": "p",
    "годы": "n",
    "годов": "g",
    "годах": "p",
    "годам": "d",
    "гг.": "n",
    "век": "n",
    "века": "g",
    "веке": "p",
    "веку": "d",
    "веком": "i",
    "веков": "g",
    "веках": "p",
    "в.": "n",
    "вв.": "n",
}


def _cases(match: re.Match[str], name: str) -> str:
    """``в 1984 году`` by the name; an abbreviation leaves it to the preposition."""
    before = text_before(match)
    cases = _NAMES[name.lower()]
    if not name.endswith("."):
        return cases
    return ("p" if _IN.search(before) else asked_case(before)) + cases + "gp"


def _year_with_noun(match: re.Match[str]) -> Readings:
    """``в 1984 году`` -> в тысяча девятьсот восемьдесят четвёртом."""
    return unique(*(declined(int(match[1]), case, "m") for case in _cases(match, match[2])))


def _year_abbreviated(match: re.Match[str]) -> Readings:
    """The year before its abbreviated noun, in the case that the preposition asks for, the others after it."""
    order = "pgn" if _IN.search(text_before(match)) else "gnp"
    names = {"n": "год", "g": "года", "p": "году"}
    return tuple((*declined(int(match[1]), case, "m"), names[case]) for case in order)


def _year_alone(match: re.Match[str]) -> Readings:
    """``после 1945.`` -> тысяча девятьсот сорок пятого: what counts nothing is likely a year."""
    case = asked_case(text_before(match))
    return (declined(int(match[1]), case, "m"), *cardinal(int(match[1]), "")) if case else ()


def _day(match: re.Match[str]) -> Readings:
    """``5 марта`` -> пятого | пятое."""
    start = not text_before(match).strip()
    order = "ng" if start else "gn"
    return unique(*(declined(int(match[1]), case, "n") for case in order), *cardinal(int(match[1]), "m"))


def _century(match: re.Match[str]) -> Readings:
    """``XX век``, ``в XXI веке``, both of ``XVIII-XIX века``."""
    return unique(*(declined(roman_value(match[1]), case, "m") for case in _cases(match, match[2])))


_YEARS = r"(?:год|года|году|годом|годе|годы|годов|годах|годам|гг\.)(?![^\W_])"
_CENTURIES = r"(?:век|века|веке|веку|веком|веков|веках|вв?\.)(?![^\W_])"

CALENDAR = (
    Rule(re.compile(rf"(?<![\d.,])(\d{{3,4}})(?=(?:\s?[-–—]\s?\d{{2,4}})?\s?({_YEARS}))", re.I), _year_with_noun),
    Rule(re.compile(rf"(?<=\d{{4}}[-–—])(\d\d)(?=\s?({_YEARS}))", re.I), _year_with_noun),
    Rule(
        re.compile(r"(?<![\d.,])([12]\d{3}|(?<=\bв )\d{3}|\d{1,3}(?=\s?г\.\s(?:до\s)?н\.))\s?г\.(?![^\W_])"),
        _year_abbreviated,
    ),
    Rule(re.compile(r"(?<![\d.,])(1[1-9]\d\d|20\d\d)(?=\s?(?:\Z|[.,;:!?)»—](?!\d)|(?:по|до|и)\s))"), _year_alone),
    Rule(
        re.compile(
            rf"(?<![\d.,:/-])([1-9]|[12]\d|3[01])(?=(?:\s(?:и|по|до)\s\d\d?|[-–]\d\d?)?\s(?:{_MONTH})(?![^\W_]))", re.I
        ),
        _day,
    ),
    Rule(re.compile(rf"(?<![^\W_])([IVX]{{1,7}})(?=(?:\s?[-–—]\s?[IVX]+)?\s({_CENTURIES}))"), _century),
)
