"""English amounts: money, measures and plain numbers, with their signs."""

import re
from collections.abc import Callable, Sequence
from itertools import islice, product

from transforms.text.verbalise import Reading, Rule, text_before
from transforms.text.verbalise_en_numbers import decimal, fraction, integer, mixed, ordinal, quantity, share, two_digits
from transforms.text.verbalise_en_words import CURRENCIES, SCALES, SHARED, SYMBOLS, UNITS
from transforms.text.verbalise_numbers import BLANKS, POWER, VULGAR, digits_of, power_of, vulgar

Readings = list[Reading]
_IN_GROUPS = rf"(?<!\d[{BLANKS}])\d{{1,3}}(?:[{BLANKS}]\d{{3}})+(?![{BLANKS}]?\d|-\d{{3}}-|-\d{{4}}|(?:st|nd|rd|th)\b)"
_NUMBER = rf"(?P<whole>\d{{1,3}}(?:,\d{{3}})+(?!\d)|{_IN_GROUPS}|\d+)(?:\.(?P<part>\d+))?"
_WITH_COMMA = rf"(?<!\d,)(?P<whole>\d{{1,3}}(?:[.{BLANKS}]\d{{3}})+|\d+),(?P<part>\d{{1,2}})(?!,?\d)"
_POINTED = r"(?<!\d)(?P<whole>)\.(?P<part>\d+)"
_VULGAR = rf"(?<!\d)(?:(?P<count>\d{{1,3}}(?:,\d{{3}})+|\d+)[{BLANKS}]?)?(?P<vulgar>{VULGAR})"
_MIXED = rf"(?<!\d)(?P<count>\d{{1,3}})[{BLANKS}-](?P<top>\d{{1,2}})/(?P<bottom>[234568]|10|16|32|64)(?![\d/])"
_FRACTION = r"(?<!\d)(?P<top>\d{1,2})/(?P<bottom>\d{1,3})(?![\d/])"
_SCALE = r"(?:\s?(?P<scale>hundred|thousand|million|billion|trillion|bn)(?![^\W_]))?"
_MONEY_SCALE = r"(?:\s?(?P<scale>hundred|thousand|million|billion|trillion|[kKmM]|[bB]n?|[tT]n?)(?![^\W_]))?"
_CURRENCY_SIGNS = "|".join(map(re.escape, CURRENCIES))
_UNIT_NAMES = "|".join(map(re.escape, sorted(UNITS, key=len, reverse=True)))
_SIGN = rf"(?P<sign>{_CURRENCY_SIGNS})"
_LONG_NAMES = "|".join(map(re.escape, sorted((unit for unit in UNITS if len(unit) > 1), key=len, reverse=True)))
_SHARED = "|".join(SHARED)
_NAMED = r"(?:\s(?:dollars|pounds|euros)\b)?"
_UNIT = rf"(?:\s?|(?P<hyphen>-)(?=\w\w))(?P<unit>(?>{_UNIT_NAMES}))"
_CODE_CONTEXT = re.compile(
    r"\b(?:extensions?|ext\.?|pin|passwords?|passcode|code|dial|numbers?|no\.?|channel|room|flight|call|account|"
    r"zip|order|reference|ending in|#)\W*$",
    re.I,
)
_MOST_APART = 8
_MINUS = ("minus", "negative")


def rule(
    pattern: str, read: Callable[[re.Match[str]], Sequence[Reading]], flags: int = 0, *, joins_next: bool = False
) -> Rule:
    return Rule(re.compile(pattern, flags), read, joins_next)


def _amount(match: re.Match[str]) -> Readings:
    """A quantity with its scale and what it counts: ``$-5``, ``½ km``, ``2.5 million km``."""
    found = match.groupdict()
    sign, unit, scale = found.get("sign"), found.get("unit"), found.get("scale")
    one, many = CURRENCIES[sign][:2] if sign else UNITS[unit] if unit else ("", "")
    scale = SCALES.get(scale.lower(), scale.lower()) if scale else ""
    if "whole" not in found:
        shared = scale or one or found.get("word") or ""
        said = _parts_of_one(found, shared, f"{scale} {many}".split(), many.split() if scale else [])
    elif not scale and not one:
        said = _plain_number(match)
    elif sign and not scale and len(found["part"] or "") == 2:
        said = _money(match, sign)
    else:
        said = _counted(match, one, many, scale)
    minus = ("minus",) if found.get("minus") else ()
    return [(*minus, *reading) for reading in said]


def _counted(match: re.Match[str], one: str, many: str, scale: str) -> Readings:
    """``5 km``, ``30%``, ``44.1 kHz``, ``5 million km``."""
    whole, part = digits_of(match["whole"]), match["part"]
    numbers = (
        decimal(whole, part)
        if part
        else [*([quantity(whole)] if match.groupdict().get("sign") else []), *_counts(match)]
    )
    single = (whole == "1" and not part and not scale) or match.groupdict().get("hyphen")
    name = one if single else many
    return [(*number, *scale.split(), *name.split()) for number in numbers]


def _parts_of_one(found: dict[str, str | None], one: str, counted: list[str], last: list[str]) -> Readings:
    """``½ km``, ``2½ km``; ``3 1/2``, which may be two numbers. What is only ``½`` is left to the symbols."""
    written, whole = found.get("vulgar"), digits_of(found.get("count") or "")
    top, bottom = vulgar(written) if written else (found["top"] or "", found["bottom"] or "")
    if not whole and not one:
        return [] if written else list(fraction(top, bottom))
    if not whole:
        return [(*number, *last) for number in share(top, bottom, one)]
    if not 0 < int(top) < int(bottom):
        return []
    said = [(*number, *counted) for number in mixed(whole, top, bottom)]
    return said if written else [*said, (*quantity(whole), *fraction(top, bottom)[0], *counted)]


def _money(match: re.Match[str], sign: str) -> Readings:
    """``$5.50`` -> five dollars and fifty cents; ``$.75`` -> seventy five cents."""
    one, many, cent, cents = (tuple(name.split()) for name in CURRENCIES[sign])
    whole, part = digits_of(match["whole"]), match["part"]
    if not whole:
        pointed = [(*number, *many) for number in decimal("", part)]
        return [(*quantity(part), *(cent if int(part) == 1 else cents)), *pointed] if int(part) else pointed
    units = (*quantity(whole), *(one if int(whole) == 1 else many))
    small = quantity(part)
    if int(part) == 0:
        return [units]
    named = (*small, *(cent if int(part) == 1 else cents))
    small_alone = [named] if int(whole) == 0 else []
    mixed = [(*units, "and", *named), (*units, *named), (*units, *small), (*quantity(whole), *two_digits(part))]
    return [*small_alone, *mixed]


def _each(match: re.Match[str]) -> Readings:
    """``/kg`` -> per kilogram; ``km²`` behind per."""
    return [(*(("per",) if match[0][0] == "/" else ()), *UNITS[match["unit"]][0].split())]


def _power(match: re.Match[str]) -> Readings:
    """``10⁻⁶ m`` -> ten to the minus six meters."""
    written, unit = match["power"], match.groupdict().get("unit")
    exponent = power_of(match)
    if exponent == 1 or (unit and not match.string[match.start() - 1].isdigit()):
        return []
    last = UNITS[unit][1].split() if unit else []
    count = quantity(str(abs(exponent)))
    if written in SYMBOLS:
        said = [tuple(reading.split()) for reading in SYMBOLS[written]]
    elif exponent < 0:
        said = [(*to, minus, *count) for to in (("to", "the"), ("to", "the", "power", "of")) for minus in _MINUS]
    else:
        order = ordinal(str(exponent))
        said = [
            ("to", "the", *order),
            ("to", "the", *order, "power"),
            ("to", "the", "power", "of", *count),
            ("to", "the", *count),
        ]
    return [(*reading, *last) for reading in said]


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


def _sign(match: re.Match[str]) -> Readings:
    before = text_before(match)
    signs = ("plus",) if match[0] == "+" else _MINUS
    return [(sign,) for sign in signs] if not before or before[-1].isspace() or before[-1] in "([" else []


def _rules(*patterns: str) -> tuple[Rule, ...]:
    return tuple(rule(pattern, _amount) for pattern in patterns)


MONEY = (
    *_rules(
        *(
            rf"{_SIGN}\s?(?P<minus>[-−])?{number}{_MONEY_SCALE}{_NAMED}"
            for number in (_VULGAR, _MIXED, _WITH_COMMA, _NUMBER, _POINTED)
        )
    ),
    *_rules(*(rf"{number}{_MONEY_SCALE}\s?{_SIGN}(?![^\W_])" for number in (_VULGAR, _MIXED, _WITH_COMMA, _NUMBER))),
    *_rules(rf"(?<!\d)(?P<vulgar>{VULGAR})\s(?P<word>{_SHARED})\b"),
    *_rules(*(rf"{number}{_SCALE}(?:{_UNIT}(?![^\W_]))?" for number in (_VULGAR, _MIXED))),
)
NUMBERS = (
    rule(rf"{_NUMBER}(?:{_UNIT})?(?={POWER})", lambda match: _amount(match)[:1], joins_next=True),
    *_rules(rf"{_FRACTION}\s(?P<word>{_SHARED})\b"),
    *_rules(rf"{_FRACTION}{_SCALE}(?:{_UNIT}(?![^\W_]))?", rf"{_WITH_COMMA}{_SCALE}{_UNIT}(?![^\W_])"),
    *_rules(rf"{_NUMBER}{_SCALE}(?:{_UNIT}(?![^\W_]))?", _POINTED),
    rule(rf"(?:(?<=[€$£])/|(?<=\bper ))(?P<unit>{_UNIT_NAMES})(?![^\W_])", _each),
    rule(rf"/(?P<unit>{_LONG_NAMES})(?![^\W_])", _each),
    rule(rf"[-−+](?=\.?\d|{VULGAR}|(?:{_CURRENCY_SIGNS})\s?\.?\d)", _sign, joins_next=True),
    *(rule(rf"(?P<power>{POWER}){counted}", _power) for counted in (rf"{_UNIT}(?![^\W_])", "")),
)
