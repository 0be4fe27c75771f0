"""Amounts in any language with a ``Locale``: money, measures, fractions and plain numbers, with their signs."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product

from transforms.text.verbalise import MAX_READINGS, Reading, Rule, text_before
from transforms.text.verbalise_locale import Locale, Money, Noun, Readings, any_of, unique, words
from transforms.text.verbalise_numbers import (
    BLANKS,
    LONGEST_QUANTITY,
    POWER,
    VULGAR,
    counted,
    decimals,
    digits_of,
    dotted,
    fraction,
    integers,
    mixed,
    power_of,
    quantities,
    share,
    vulgar,
)

Match = re.Match[str]
Read = Callable[[Locale, Match], Sequence[Reading]]

_VULGAR = rf"(?<!\d)(?:(?P<count>\d{{1,9}})[{BLANKS}]?)?(?P<vulgar>{VULGAR})"
_MIXED = rf"(?<!\d)(?P<count>\d{{1,3}})[{BLANKS}](?P<top>\d)/(?P<bottom>\d{{1,2}})(?![\d/])"
_FRACTION = r"(?<![\d/])(?P<top>\d{1,3})/(?P<bottom>\d{1,3})(?![\d/])"
_SHARED = re.compile(r"\s(?!(?:del|della|dei|des|der|von|per|por|pour|und)\b)([^\W\d_]{3,})")
_CODE_CONTEXT = re.compile(
    r"\b(?:extensi[oó]n|clave|c[oó]digo|pin|contraseña|marque|poste|code|composez|mot de passe|durchwahl|kennwort|"
    r"passwort|nebenstelle|wählen sie|interno|codice|digitare|password|номер|код|пароль|пин|добавочный|наберите)\W*$",
    re.I,
)


def rule_of(locale: Locale, pattern: str, read: Read, flags: int = 0, *, joins_next: bool = False) -> Rule:
    return Rule(re.compile(pattern, flags), lambda match: list(read(locale, match))[:MAX_READINGS], joins_next)


def amounts(locale: Locale) -> tuple[Rule, ...]:
    """Rules in order of precedence: a number with what goes with it before the number alone.

    A quantity, a scale and what is counted are one slot, whatever they are written with: ``$-5``, ``½ km``,
    ``2,5 millones de €``.
    """
    number = _number(locale)
    signs, units = any_of(locale.currencies), any_of(locale.units)
    names = [name for name in locale.currencies if name.isalpha() and not name.isupper()]
    first, spoken = any_of(name for name in locale.currencies if name not in names), any_of(names)
    scale = rf"[{BLANKS}]?(?P<scale>{any_of(locale.scales)})(?![^\W_])"
    link = rf"[{BLANKS}](?:{locale.link})(?=(?:{units}|{signs})(?![^\W_]))"
    name = rf"(?:[{BLANKS}]?|-(?=\w\w))(?P<name>(?>{units}|{signs}))"
    long = any_of(unit for unit in locale.units if len(unit) > 1)
    tail = rf"(?:{scale}(?:{link})?)?(?:{name}(?![^\W_]))?"

    def rule(pattern: str, read: Read, *, joins_next: bool = False) -> Rule:
        return rule_of(locale, pattern, read, joins_next=joins_next)

    return (
        rule(rf"(?<!\d)(?P<n>\d{{1,9}})(?P<ending>{locale.ordinal_endings})(?![^\W_])", _ordinal),
        rule(
            rf"(?:{first})[{BLANKS}]?{number}(?:{scale}(?:{link})?)?[{BLANKS}](?P<name>{spoken})(?![^\W_])",
            _amount,
        ),
        rule(r"(?<!\d)(?P<whole>\d{1,9})(?P<mark>)(?P<sign>[€$£])(?P<part>\d\d)(?!\d)", _amount),
        *(
            rule(rf"(?P<sign>{first})[{BLANKS}]?(?P<minus>[-−])?{quantity}(?:{scale})?", _amount)
            for quantity in (_VULGAR, _MIXED, number)
        ),
        rule(r"\d+(?:\.\d+){2,}", _dotted_unless_grouped),
        rule(rf"{number}(?:{name})?(?={POWER})", lambda locale, match: _amount(locale, match)[:1], joins_next=True),
        *(rule(quantity + tail, _amount) for quantity in (_VULGAR, _MIXED, _FRACTION, number)),
        rule(r"(?<![^\W_])[.,](?P<part>\d+)", lambda locale, match: decimals(locale, "", match["part"])),
        rule(rf"[-−+](?=[.,]?\d|{VULGAR}|(?:{first})[{BLANKS}]?\d)", _sign, joins_next=True),
        rule(r"[-–](?=\d)", _range),
        rule(r"(?<=\d):(?=\d)", lambda locale, match: tuple(words(word) for word in locale.ratio)),
        rule(rf"(?<=[€$£₽])/(?:(?P<name>{units})(?![^\W_]))?", _each),
        rule(rf"/(?P<name>{long})(?![^\W_])", _each),
        *(rule(rf"(?<=\b{per} )(?P<name>{long})(?![^\W_])", _each) for per in locale.per),
        *(rule(rf"(?P<power>{POWER}){counted}", _power) for counted in (rf"(?:{name}(?![^\W_]))", "")),
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


def _amount(locale: Locale, match: Match) -> Readings:
    """Any quantity with its scale and what it counts."""
    found = match.groupdict()
    name = found.get("sign") or found.get("name") or ""
    money = locale.currencies.get(name)
    noun = money.unit if money else locale.units.get(name)
    written = found.get("scale")
    if written:
        scale = locale.scales[written]
        linked = words if scale.one == scale.many else locale.of
        last = linked(noun.many) if noun else ()
        scale = _as_written(scale, written)
        genders = (scale, replace(scale, gender=""))
        said = unique(*((*reading, *last) for counted in genders for reading in _counted(locale, match, counted)))
    elif money and len(found.get("part") or "") == 2:
        said = _money(locale, match, money)
    else:
        said = _counted(locale, match, noun)
    minus = words(locale.minus) if found.get("minus") else ()
    return tuple((*minus, *reading) for reading in said)


def _as_written(noun: Noun, written: str) -> Noun:
    """A form of the noun is said as it is written; an abbreviation as the number asks for it."""
    word = written.lower()
    return Noun(noun.gender, word, word, word) if word in (noun.one, noun.few, noun.many) else noun


def _counted(locale: Locale, match: Match, noun: Noun | None) -> Readings:
    """The quantity of a match, in words that agree with the noun, and the noun where there is one."""
    found = match.groupdict()
    if "whole" not in found:
        return _parts_of_one(locale, found, noun, match.string[match.end() : match.end() + 24])
    if noun is None:
        return _plain_number(locale, match)
    whole, part = _parts(match)
    if _is_grouped(locale, match) and not found.get("scale"):
        whole, part = whole + part, ""
    said = counted(locale, whole, part, noun)
    return said if part else unique(*_governed(locale, match, whole, noun), *said)


def _parts_of_one(locale: Locale, found: dict[str, str | None], noun: Noun | None, after: str) -> Readings:
    """``½ km``, ``½ hora``, ``2½``; ``3 1/2``, which may be two numbers."""
    whole, sign = found.get("count"), found.get("vulgar")
    top, bottom = vulgar(sign) if sign else (found["top"] or "", found["bottom"] or "")
    if whole is None:
        if noun:
            return share(locale, top, bottom, noun)
        word = _SHARED.match(after)
        gender = "f" if word and locale.feminine.search(word[1]) else "m"
        agreeing = locale.shares.get(f"{top}/{bottom} {gender}", ()) if word else ()
        bare = locale.symbols.get(sign, fraction(locale, top, bottom)) if sign else fraction(locale, top, bottom)
        return unique(*agreeing, *bare)
    if sign:
        return mixed(locale, whole, top, bottom, noun)
    if f"{top}/{bottom}" not in locale.mixed:
        return ()
    last = (*quantities(locale, whole)[0], *fraction(locale, top, bottom)[0])
    return unique(*mixed(locale, whole, top, bottom, noun), last)


def _money(locale: Locale, match: Match, money: Money) -> Readings:
    """``5,50 €`` -> cinco euros con cincuenta."""
    whole, part = _parts(match)
    units = counted(locale, whole, "", money.unit)
    if int(part) == 0:
        return units
    small = counted(locale, str(int(part)), "", money.hundredth)[0]
    bare = quantities(locale, str(int(part)))[0]
    joins = [words(join) for join in locale.money_joins]
    mixed = [(*units[0], *join, *tail) for tail, join in product((bare, small), joins)]
    return unique(*mixed, *counted(locale, whole, part, money.unit))


def _ordinal(locale: Locale, match: Match) -> Readings:
    signed = text_before(match).endswith(("-", "−", "+"))
    return () if signed else locale.ordinal(int(match["n"]), match["ending"])


def _each(locale: Locale, match: Match) -> Readings:
    """``/kg`` -> pro kilogramm; ``km²`` behind the word itself."""
    noun = locale.units.get(match["name"] or "")
    per = words(locale.per[0]) if match[0][0] == "/" else ()
    return ((*per, *(words(noun.one) if noun else ())),)


def _power(locale: Locale, match: Match) -> Readings:
    """``10⁻⁶ m`` -> ten to the minus six meters."""
    written, name = match["power"], match.groupdict().get("name")
    exponent = power_of(match)
    if exponent == 1 or (name and not match.string[match.start() - 1].isdigit()):
        return ()
    noun = locale.units.get(name or "")
    last = words(noun.many) if noun else ()
    said = locale.symbols.get(written) or locale.power(words(locale.minus) if exponent < 0 else (), abs(exponent))
    return tuple((*reading, *last) for reading in said)


def _plain_number(locale: Locale, match: Match) -> Readings:
    whole, part = _parts(match)
    written = match["whole"]
    if part:
        grouped = integers(locale, whole + part) if _is_grouped(locale, match) else ()
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


def _is_grouped(locale: Locale, match: Match) -> bool:
    """``1,234`` may be a thousand in the English manner, likely so of money and where it is round."""
    found = match.groupdict()
    if len(found["part"] or "") != 3 or len(found["whole"] or "") > 3:
        return False
    money = (found.get("sign") or found.get("name")) in locale.currencies
    return found["mark"] == "." or money or match["part"].endswith("00")


def _governed(locale: Locale, match: Match, digits: str, noun: Noun | None) -> Readings:
    if len(digits) > LONGEST_QUANTITY or (len(digits) > 1 and digits[0] == "0"):
        return ()
    before, after = (
        match.string[max(0, match.start() - 24) : match.start()],
        match.string[match.end() : match.end() + 24],
    )
    return locale.governed(before, after, int(digits), noun)


def _dotted_unless_grouped(locale: Locale, match: Match) -> Readings:
    """``2.0.1``; ``1.234.567`` is a number where a point parts thousands."""
    parts = match[0].split(".")
    grouped = "." in locale.groups and len(parts[0]) <= 3 and all(len(part) == 3 for part in parts[1:])
    return () if grouped else dotted(locale, parts)


def _sign(locale: Locale, match: Match) -> Readings:
    before = text_before(match)
    return (
        (words(locale.plus if match[0] == "+" else locale.minus),)
        if not before or before[-1].isspace() or before[-1] in "(["
        else ()
    )


def _range(locale: Locale, match: Match) -> Readings:
    between_digits = match.start() > 0 and match.string[match.start() - 1].isdigit()
    return tuple(words(word) for word in locale.to) if between_digits else ()
