"""Amounts in any language with a ``Locale``: money, measures, fractions and plain numbers, with their signs."""

import re
from collections.abc import Callable, Sequence
from itertools import product

from transforms.text.verbalise import MAX_READINGS, Reading, Rule
from transforms.text.verbalise_locale import Locale, Noun, Readings, any_of, unique, words
from transforms.text.verbalise_numbers import (
    BLANKS,
    LONGEST_QUANTITY,
    VULGAR,
    counted,
    decimals,
    digits_of,
    dotted,
    fraction,
    integers,
    mixed,
    quantities,
    vulgar,
)

Match = re.Match[str]
Read = Callable[[Locale, Match], Sequence[Reading]]

_MIXED = (
    rf"(?<!\d)(?:(?P<whole>\d{{1,9}})[{BLANKS}]?(?P<vulgar>{VULGAR})"
    rf"|(?P<count>\d{{1,3}})[{BLANKS}](?P<top>\d)/(?P<bottom>\d{{1,2}})(?![\d/]))"
)
_CODE_CONTEXT = re.compile(
    r"\b(?:extensi[oó]n|clave|c[oó]digo|pin|contraseña|marque|poste|code|composez|mot de passe|durchwahl|kennwort|"
    r"passwort|nebenstelle|wählen sie|interno|codice|digitare|password|номер|код|пароль|пин|добавочный|наберите)\W*$",
    re.I,
)


def rule_of(locale: Locale, pattern: str, read: Read, flags: int = 0, *, joins_next: bool = False) -> Rule:
    return Rule(re.compile(pattern, flags), lambda match: list(read(locale, match))[:MAX_READINGS], joins_next)


def amounts(locale: Locale) -> tuple[Rule, ...]:
    """Rules in order of precedence: a number with what goes with it before the number alone."""
    number = _number(locale)
    signs = any_of(locale.currencies)
    units = any_of(locale.units)

    def rule(pattern: str, read: Read, *, joins_next: bool = False) -> Rule:
        return rule_of(locale, pattern, read, joins_next=joins_next)

    return (
        rule(rf"(?:(?P<sign>{signs})\s?)?{_MIXED}(?:[{BLANKS}]?(?P<name>{units}|{signs})(?![^\W_]))?", _mixed),
        rule(rf"(?P<sign>{signs})\s?{number}(?:\s(?P<scale>{locale.scale})\b)?", _currency),
        rule(rf"{number}(?:\s(?P<scale>{locale.scale}))?\s?(?P<sign>{signs})(?![^\W_])", _currency),
        rule(rf"(?<!\d)(?P<n>\d{{1,9}})(?P<ending>{locale.ordinal_endings})(?![^\W_])", _ordinal),
        rule(r"(?<![\d/])(\d{1,3})/(\d{1,3})(?![\d/])", lambda locale, match: fraction(locale, *match.groups())),
        rule(rf"{number}[{BLANKS}]?(?P<unit>{units})(?![^\W_])", _measure),
        rule(r"\d+(?:\.\d+){2,}", _dotted_unless_grouped),
        rule(number, _plain_number),
        rule(r"(?<![^\W_])[.,](?P<part>\d+)", lambda locale, match: decimals(locale, "", match["part"])),
        rule(rf"[-−](?=[.,]?\d|{VULGAR}|(?:{signs})\s?\d)", _minus, joins_next=True),
        rule(r"[-–](?=\d)", _range),
    )


def _number(locale: Locale) -> str:
    """Digits in groups of three, or just digits, and a decimal part after a comma or a point."""
    marks = re.escape(locale.groups)
    return (
        rf"(?<!\d)(?P<whole>\d{{1,3}}(?:[{marks}]\d{{3}})+(?!\d)|\d{{1,3}}(?:[{BLANKS}]\d{{3}})+(?!\d)|\d+)"
        r"(?:(?P<mark>[,.])(?P<part>\d+))?"
    )


def _parts(match: Match) -> tuple[str, str]:
    return digits_of(match["whole"]), match["part"] or ""


def _currency(locale: Locale, match: Match) -> Readings:
    """``5,50 €`` -> cinco euros con cincuenta; ``2,5 millones de euros``."""
    whole, part = _parts(match)
    if _is_grouped(match) and not match["scale"]:
        whole, part = whole + part, ""
    money = locale.currencies[match["sign"]]
    scale = match["scale"]
    if scale:
        numbers = decimals(locale, whole, part) if part else quantities(locale, whole, "m")
        noun = locale.of(money.unit.many)
        if scale in locale.units:
            return unique(*((*number, *noun) for number in counted(locale, whole, part, locale.units[scale])))
        return unique(*((*number, *words(scale), *noun) for number in numbers))
    if not part:
        return counted(locale, whole, "", money.unit)
    if len(part) != 2:
        return counted(locale, whole, part, money.unit)
    units = counted(locale, whole, "", money.unit)
    if int(part) == 0:
        return units
    small = counted(locale, str(int(part)), "", money.hundredth)[0]
    bare = quantities(locale, str(int(part)))[0]
    joins = [words(join) for join in locale.money_joins]
    mixed = [(*units[0], *join, *tail) for tail, join in product((bare, small), joins)]
    return unique(*mixed, *counted(locale, whole, part, money.unit))


def _ordinal(locale: Locale, match: Match) -> Readings:
    return locale.ordinal(int(match["n"]), match["ending"])


def _mixed(locale: Locale, match: Match) -> Readings:
    """``2½``; ``3 1/2``, which may be two numbers."""
    sign, name, whole = match["sign"], match["name"], match["whole"] or match["count"]
    noun = locale.currencies[sign].unit if sign else locale.units.get(name or "")
    if name in locale.currencies:
        noun = locale.currencies[name].unit
    if match["vulgar"]:
        return mixed(locale, whole, *vulgar(match["vulgar"]), noun)
    top, bottom = match["top"], match["bottom"]
    if f"{top}/{bottom}" not in locale.mixed:
        return ()
    last = (*quantities(locale, whole)[0], *fraction(locale, top, bottom)[0])
    return unique(*mixed(locale, whole, top, bottom, noun), last)


def _measure(locale: Locale, match: Match) -> Readings:
    whole, part = _parts(match)
    if _is_grouped(match):
        whole, part = whole + part, ""
    said = counted(locale, whole, part, locale.units[match["unit"]])
    return said if part else unique(*_governed(locale, match, whole, locale.units[match["unit"]]), *said)


def _plain_number(locale: Locale, match: Match) -> Readings:
    whole, part = _parts(match)
    written = match["whole"]
    if part:
        grouped = integers(locale, whole + part) if _is_grouped(match) else ()
        return unique(*grouped, *decimals(locale, whole, part))
    if written == whole:
        before = match.string[max(0, match.start() - 24) : match.start()]
        as_code = _CODE_CONTEXT.search(before) is not None
        return unique(*_governed(locale, match, whole, None), *integers(locale, whole, as_code=as_code))
    said = quantities(locale, whole)
    if "." in written and written.count(".") == 1:
        return unique(*said, *decimals(locale, *written.split(".")))
    if any(blank in written for blank in BLANKS):
        apart = [quantities(locale, group)[0] for group in re.split(rf"[{BLANKS}]", written)]
        return unique(*said, tuple(word for group in apart for word in group))
    return said


def _is_grouped(match: Match) -> bool:
    """``1,234`` may be a thousand in the English manner, but where a comma is the decimal sign that is unlikely."""
    return match["mark"] == "." and match["part"] is not None and len(match["part"]) == 3 and len(match["whole"]) <= 3


def _governed(locale: Locale, match: Match, digits: str, noun: Noun | None) -> Readings:
    if len(digits) > LONGEST_QUANTITY or (len(digits) > 1 and digits[0] == "0"):
        return ()
    return locale.governed(match.string[max(0, match.start() - 24) : match.start()], int(digits), noun)


def _dotted_unless_grouped(locale: Locale, match: Match) -> Readings:
    """``2.0.1``; ``1.234.567`` is a number where a point parts thousands."""
    parts = match[0].split(".")
    grouped = "." in locale.groups and len(parts[0]) <= 3 and all(len(part) == 3 for part in parts[1:])
    return () if grouped else dotted(locale, parts)


def _minus(locale: Locale, match: Match) -> Readings:
    before = match.string[: match.start()]
    return (words(locale.minus),) if not before or before[-1].isspace() or before[-1] in "([" else ()


def _range(locale: Locale, match: Match) -> Readings:
    between_digits = match.start() > 0 and match.string[match.start() - 1].isdigit()
    return tuple(words(word) for word in locale.to) if between_digits else ()
