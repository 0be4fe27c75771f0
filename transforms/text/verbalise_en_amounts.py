"""English amounts: money, measures and plain numbers, with their signs."""

import re
from collections.abc import Callable, Sequence
from itertools import islice, product

from transforms.text.verbalise import Reading, Rule
from transforms.text.verbalise_en_numbers import decimal, fraction, integer, mixed, quantity, two_digits
from transforms.text.verbalise_en_words import CURRENCIES, SCALES, UNITS
from transforms.text.verbalise_numbers import BLANKS, VULGAR, digits_of, vulgar

Readings = list[Reading]
_IN_GROUPS = rf"(?<!\d[{BLANKS}])\d{{1,3}}(?:[{BLANKS}]\d{{3}})+(?![{BLANKS}]?\d|-\d{{3}}-|-\d{{4}}|(?:st|nd|rd|th)\b)"
_NUMBER = rf"(?P<whole>\d{{1,3}}(?:,\d{{3}})+(?!\d)|{_IN_GROUPS}|\d+)(?:\.(?P<part>\d+))?"
_WITH_COMMA = rf"(?<!\d,)(?P<whole>\d{{1,3}}(?:[.{BLANKS}]\d{{3}})+|\d+),(?P<part>\d{{1,2}})(?![\d,])"
_MIXED = (
    rf"(?<!\d)(?:(?P<whole>\d{{1,3}}(?:,\d{{3}})+|\d+)[{BLANKS}]?(?P<vulgar>{VULGAR})"
    rf"|(?P<count>\d{{1,3}})[{BLANKS}-](?P<top>\d{{1,2}})/(?P<bottom>[234568]|10|16|32|64)(?![\d/]))"
)
_SCALE = r"(?:\s?(?P<scale>hundred|thousand|million|billion|trillion|[kKmM]|[bB]n?|[tT]n?)(?![^\W_]))?"
_CURRENCY_SIGNS = "|".join(map(re.escape, CURRENCIES))
_UNIT_NAMES = "|".join(map(re.escape, sorted(UNITS, key=len, reverse=True)))
_CODE_CONTEXT = re.compile(
    r"\b(?:extensions?|ext\.?|pin|passwords?|passcode|code|dial|numbers?|no\.?|channel|room|flight|call|#)\W*$", re.I
)
_MOST_APART = 8


def rule(
    pattern: str, read: Callable[[re.Match[str]], Sequence[Reading]], flags: int = 0, *, joins_next: bool = False
) -> Rule:
    return Rule(re.compile(pattern, flags), read, joins_next)


def _currency(match: re.Match[str]) -> Readings:
    """``$5.50`` -> five dollars and fifty cents; ``$2.5 million`` -> two point five million dollars."""
    one, many, cent, cents = (tuple(name.split()) for name in CURRENCIES[match.group("sign")])
    whole, part, scale = digits_of(match.group("whole")), match.group("part"), match.group("scale")
    if scale:
        number = decimal(whole, part)[0] if part else quantity(whole)
        return [(*number, SCALES.get(scale.lower(), scale.lower()), *many)]
    noun = one if int(whole) == 1 else many
    units = (*quantity(whole), *noun)
    if not part:
        return [units, *((*reading, *noun) for reading in _counts(match))]
    if len(part) != 2:
        return [(*decimal(whole, part)[0], *many)]
    small = quantity(part)
    if int(part) == 0:
        return [units]
    named = (*small, *(cent if int(part) == 1 else cents))
    small_alone = [named] if int(whole) == 0 else []
    mixed = [(*units, "and", *named), (*units, *named), (*units, *small), (*quantity(whole), *two_digits(part))]
    return [*small_alone, *mixed]


def _part_of_currency(match: re.Match[str]) -> Readings:
    """``$.75`` -> seventy five cents; ``$.5 million`` -> point five million dollars."""
    _, many, cent, cents = (tuple(name.split()) for name in CURRENCIES[match.group("sign")])
    part, scale = match.group("part"), match.group("scale")
    scaled = (SCALES.get(scale.lower(), scale.lower()),) if scale else ()
    pointed = [(*number, *scaled, *many) for number in decimal("", part)]
    if scale or len(part) != 2 or int(part) == 0:
        return pointed
    return [(*quantity(part), *(cent if int(part) == 1 else cents)), *pointed]


def _mixed_amount(match: re.Match[str]) -> Readings:
    """``2½ km``, ``$2½ million``; ``3 1/2``, which may be two numbers."""
    groups = match.groupdict()
    whole = digits_of(groups["whole"] or groups["count"])
    top, bottom = vulgar(groups["vulgar"]) if groups["vulgar"] else (groups["top"], groups["bottom"])
    if not 0 < int(top) < int(bottom):
        return []
    sign, unit, scale = groups.get("sign"), groups.get("unit"), groups.get("scale")
    scaled = (SCALES.get(scale.lower(), scale.lower()),) if scale else ()
    many = (CURRENCIES[sign][1] if sign else UNITS[unit][1] if unit else "").split()
    said = [(*number, *scaled, *many) for number in mixed(whole, top, bottom)]
    return said if groups["vulgar"] else [*said, (*quantity(whole), *fraction(top, bottom)[0], *scaled, *many)]


def _measure(match: re.Match[str]) -> Readings:
    """``5 km``, ``30%``, ``44.1 kHz``."""
    whole, part = digits_of(match.group("whole")), match.group("part")
    one, many = UNITS[match.group("unit")]
    numbers = decimal(whole, part) if part else _counts(match)
    name = one if whole == "1" and not part else many
    return [(*number, *name.split()) for number in numbers]


def _plain_number(match: re.Match[str]) -> Readings:
    if match.group("part"):
        return list(decimal(digits_of(match.group("whole")), match.group("part")))
    context = match.string[max(0, match.start() - 24) : match.start()]
    return list(_counts(match, as_code=_CODE_CONTEXT.search(context) is not None))


def _counts(match: re.Match[str], *, as_code: bool = False) -> Sequence[Reading]:
    """``5500``, ``5,500`` and ``5 500``, which may be two numbers: likely so in a code or where all have three digits.

    It is one where the blank is a no-break one or a group begins with a nought.
    """
    written = match.group("whole")
    digits = digits_of(written)
    if written == digits:
        return integer(digits, as_code=as_code)
    said = [quantity(digits), *integer(digits)]
    groups = [digits_of(group) for group in written.split(" ")]
    if len(groups) == 1 or any(group[0] == "0" for group in groups):
        return said
    choices = islice(product(*(integer(group, as_code=as_code)[:2] for group in groups)), _MOST_APART)
    apart = [tuple(word for reading in choice for word in reading) for choice in choices]
    return [*apart, *said] if as_code or len(groups[0]) == 3 else [*said, *apart]


def _minus(match: re.Match[str]) -> Readings:
    before = match.string[: match.start()]
    return [("minus",), ("negative",)] if not before or before[-1].isspace() or before[-1] in "([" else []


MONEY = (
    rule(rf"(?P<sign>{_CURRENCY_SIGNS})\s?{_MIXED}{_SCALE}", _mixed_amount),
    rule(rf"{_MIXED}{_SCALE}\s?(?P<sign>{_CURRENCY_SIGNS})(?![^\W_])", _mixed_amount),
    rule(rf"{_MIXED}(?:\s?(?P<unit>{_UNIT_NAMES})(?![^\W_]))?", _mixed_amount),
    rule(rf"(?P<sign>{_CURRENCY_SIGNS})\s?{_WITH_COMMA}{_SCALE}", _currency),
    rule(rf"{_WITH_COMMA}{_SCALE}\s?(?P<sign>{_CURRENCY_SIGNS})(?![^\W_])", _currency),
    rule(rf"(?P<sign>{_CURRENCY_SIGNS})\s?{_NUMBER}{_SCALE}", _currency),
    rule(rf"(?P<sign>{_CURRENCY_SIGNS})\s?\.(?P<part>\d+){_SCALE}", _part_of_currency),
    rule(rf"{_NUMBER}{_SCALE}\s?(?P<sign>{_CURRENCY_SIGNS})(?![^\W_])", _currency),
)
NUMBERS = (
    rule(rf"{_WITH_COMMA}\s?(?P<unit>{_UNIT_NAMES})(?![^\W_])", _measure),
    rule(rf"{_NUMBER}\s?(?P<unit>{_UNIT_NAMES})(?![^\W_])", _measure),
    rule(_NUMBER, _plain_number),
    rule(r"(?<!\d)\.(\d+)", lambda match: decimal("", match.group(1))),
    rule(rf"[-−](?=\.?\d|{VULGAR}|(?:{_CURRENCY_SIGNS})\s?\.?\d)", _minus, joins_next=True),
)
