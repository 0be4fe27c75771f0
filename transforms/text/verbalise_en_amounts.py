"""English amounts: money, measures and plain numbers, with their signs."""

import re
from collections.abc import Callable, Sequence

from transforms.text.verbalise import Reading, Rule
from transforms.text.verbalise_en_numbers import decimal, integer, quantity, two_digits
from transforms.text.verbalise_en_words import CURRENCIES, SCALES, UNITS

Readings = list[Reading]
_NUMBER = r"(?P<whole>\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.(?P<part>\d+))?"
_SCALE = r"(?:\s?(?P<scale>hundred|thousand|million|billion|trillion|[kKmM]|[bB]n?|[tT]n?)(?![^\W_]))?"
_CURRENCY_SIGNS = "|".join(map(re.escape, CURRENCIES))
_UNIT_NAMES = "|".join(map(re.escape, sorted(UNITS, key=len, reverse=True)))
_CODE_CONTEXT = re.compile(
    r"\b(?:extensions?|ext\.?|pin|passwords?|passcode|code|dial|numbers?|no\.?|channel|room|flight|call|#)\W*$", re.I
)


def rule(
    pattern: str, read: Callable[[re.Match[str]], Sequence[Reading]], flags: int = 0, *, joins_next: bool = False
) -> Rule:
    return Rule(re.compile(pattern, flags), read, joins_next)


def _currency(match: re.Match[str]) -> Readings:
    """``$5.50`` -> five dollars and fifty cents; ``$2.5 million`` -> two point five million dollars."""
    one, many, cent, cents = (tuple(name.split()) for name in CURRENCIES[match.group("sign")])
    whole, part, scale = match.group("whole").replace(",", ""), match.group("part"), match.group("scale")
    if scale:
        number = decimal(whole, part)[0] if part else quantity(whole)
        return [(*number, SCALES.get(scale.lower(), scale.lower()), *many)]
    noun = one if int(whole) == 1 else many
    units = (*quantity(whole), *noun)
    if not part:
        return [units, *((*reading, *noun) for reading in integer(whole))]
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


def _measure(match: re.Match[str]) -> Readings:
    """``5 km``, ``30%``, ``44.1 kHz``."""
    whole, part = match.group("whole").replace(",", ""), match.group("part")
    one, many = UNITS[match.group("unit")]
    numbers = decimal(whole, part) if part else integer(whole)
    name = one if whole == "1" and not part else many
    return [(*number, *name.split()) for number in numbers]


def _plain_number(match: re.Match[str]) -> Readings:
    whole, part = match.group("whole"), match.group("part")
    if part:
        return list(decimal(whole.replace(",", ""), part))
    if "," in whole:
        digits = whole.replace(",", "")
        return [quantity(digits), *integer(digits)]
    context = match.string[max(0, match.start() - 24) : match.start()]
    return list(integer(whole, as_code=_CODE_CONTEXT.search(context) is not None))


def _minus(match: re.Match[str]) -> Readings:
    before = match.string[: match.start()]
    return [("minus",), ("negative",)] if not before or before[-1].isspace() or before[-1] in "([" else []


MONEY = (
    rule(rf"(?P<sign>{_CURRENCY_SIGNS})\s?{_NUMBER}{_SCALE}", _currency),
    rule(rf"(?P<sign>{_CURRENCY_SIGNS})\s?\.(?P<part>\d+){_SCALE}", _part_of_currency),
    rule(rf"{_NUMBER}{_SCALE}\s?(?P<sign>{_CURRENCY_SIGNS})(?![^\W_])", _currency),
)
NUMBERS = (
    rule(rf"{_NUMBER}\s?(?P<unit>{_UNIT_NAMES})(?![^\W_])", _measure),
    rule(_NUMBER, _plain_number),
    rule(r"(?<!\d)\.(\d+)", lambda match: decimal("", match.group(1))),
    rule(rf"[-−](?=\.?\d|(?:{_CURRENCY_SIGNS})\s?\.?\d)", _minus, joins_next=True),
)
