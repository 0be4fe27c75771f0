"""The rules that languages share: a ``Locale`` in, a table of rules for the scanner out.

Order is precedence: addresses before numbers, telephone numbers before grouped thousands, a number with its unit
before the number alone. A rule that declines hands its place to the next.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import product

from transforms.text.verbalise import MAX_READINGS, Language, Reading, Rule, is_shouted
from transforms.text.verbalise_locale import Locale, Noun, Readings, unique, words
from transforms.text.verbalise_numbers import (
    BLANKS,
    LONGEST_QUANTITY,
    VULGAR,
    by_digit,
    counted,
    decimals,
    digits_of,
    fraction,
    in_groups,
    integers,
    mixed,
    quantities,
    roman_value,
    vulgar,
)

Match = re.Match[str]
Read = Callable[[Locale, Match], Sequence[Reading]]

_NOT_IN_WORD = r"(?<![^\W_])"
_ENDS = r"(?![^\W_])"
_SPELLED_NEVER = frozenset("hm hmm mm mmm mhm sh shh psst pst brr grr pff pfff tsk zzz хм гм мм тсс ш".split())
_SPELLED_ALWAYS = frozenset("usa eu ue uk fbi cia ibm usb cdu csu afd ard edv сша оон ооо мгу мид эвм".split())
_MIXED = (
    rf"(?<!\d)(?:(?P<whole>\d{{1,9}})[{BLANKS}]?(?P<vulgar>{VULGAR})"
    rf"|(?P<count>\d{{1,3}})[{BLANKS}](?P<top>\d)/(?P<bottom>\d{{1,2}})(?![\d/]))"
)
_ADDRESS = (
    r"(?P<scheme>https?://)?(?P<rest>(?:www\.|(?<=://)|[\w.+-]+@)[\w-]+(?:\.[\w-]+)*(?:/[\w./-]*\w)?"
    r"|[\w-]+(?:\.[\w-]+)*\.(?:com|org|net|edu|gov|info|io|eu|{domains})\b(?!\.\w)(?:/[\w./-]*\w)?)"
)


def language(locale: Locale) -> Language:
    """The rules of a language."""
    number = _number(locale)
    signs = _any_of(locale.currencies)
    units = _any_of(locale.units)

    def rule(pattern: str, read: Read, flags: int = 0, *, joins_next: bool = False) -> Rule:
        return Rule(re.compile(pattern, flags), lambda match: list(read(locale, match))[:MAX_READINGS], joins_next)

    return Language(
        locale.code,
        (
            *locale.rules,
            rule(_NOT_IN_WORD + _ADDRESS.format(domains=locale.domains), _address, re.I),
            *(rule(_flexible(name), _phrase(name), re.I) for name in _longest(locale.phrases)),
            *(rule(rf"(?<!\d){pattern}(?!\d)", _clock) for pattern in locale.clock_patterns),
            rule(r"(?<!\d)(?P<h>\d{1,2}):(?P<m>\d\d)(?::(?P<s>\d\d))?(?![\d:])", _clock),
            rule(r"(?<!\d)(?P<d>\d{1,2})(?P<by>[./-])(?P<m>\d{1,2})(?P=by)(?P<y>\d{4}|\d\d)(?!\d)", _date),
            rule(r"(?<!\d)(?P<y>\d{4})-(?P<m>\d\d)-(?P<d>\d\d)(?!\d)", _date),
            rule(r"\+\d{1,3}(?:[ .-]?\(?\d{1,5}\)?){2,6}(?!\d)", _phone),
            *(rule(rf"(?<!\d){pattern}(?!\d)", _phone) for pattern in locale.phone_patterns),
            rule(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![.,]?\d)", _internet_address),
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
            rule(r"[IVX]{1,7}(?![^\W_])", _roman),
            rule(_NOT_IN_WORD + r"(?:[^\W\d_]\.){2,}", _initials),
            rule(_NOT_IN_WORD + r"([^\W\d_]+)\.", _abbreviation),
            rule("|".join(map(re.escape, _longest(locale.symbols))), lambda locale, match: locale.symbols[match[0]]),
            rule(VULGAR, lambda locale, match: fraction(locale, *vulgar(match[0]))),
            rule(r"[^\W\d_]+(?![^\W\d_])(?!'[^\W\d_])", _acronym),
        ),
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


def _address(locale: Locale, match: Match) -> Readings:
    """``www.ejemplo.es``: names of signs, words as words, what has no vowel by letters."""
    said: list[Readings] = []
    for part in re.findall(r"[^\W\d_]+|\d+|[./_@:+-]", match["rest"]):
        if part.lower() in locale.web:
            said.append((words(locale.web[part.lower()]),))
        elif part.isdigit():
            said.append(integers(locale, part)[:1])
        elif part.lower() == "www":
            said.append(locale.www)
        else:
            spelled = _spelled(locale, part)
            said.append((spelled if _must_be_spelled(locale, part) else words(part),))
    plain = _choices(said)
    scheme = match["scheme"] or ""
    if not scheme:
        return plain
    names = [*_spelled(locale, scheme.rstrip(":/")), *words(locale.web[":"]), *words(locale.web["/"]) * 2]
    return unique(*plain, (*names, *plain[0]))


def _phrase(name: str) -> Read:
    return lambda locale, match: locale.phrases[name]


def _clock(locale: Locale, match: Match) -> Readings:
    groups = match.groupdict()
    hour, minute, second = int(groups["h"]), int(groups["m"] or 0), groups.get("s")
    if hour > 24 or minute > 59:
        return ()
    if not second:
        return locale.clock(hour, minute)
    tails = quantities(locale, second)
    return tuple((*time, *tails[0]) for time in locale.clock(hour, minute))


def _date(locale: Locale, match: Match) -> Readings:
    day, month = int(match["d"]), int(match["m"])
    return locale.date(day, month, match["y"]) if 1 <= month <= 12 and 1 <= day <= 31 else ()


def _phone(locale: Locale, match: Match) -> Readings:
    plus = words(locale.plus) if match[0].startswith("+") else ()
    groups = re.findall(r"\d+", match[0])
    grouped = (*plus, *in_groups(locale, groups))
    spelled = (*plus, *by_digit(locale, "".join(groups)))
    return (grouped, spelled) if locale.phone_in_groups else (spelled, grouped)


def _internet_address(locale: Locale, match: Match) -> Readings:
    parts = match[0].split(".")
    return _dotted(locale, parts) if all(int(part) < 256 for part in parts) else ()


def _dotted_unless_grouped(locale: Locale, match: Match) -> Readings:
    """``2.0.1``; ``1.234.567`` is a number where a point parts thousands."""
    parts = match[0].split(".")
    grouped = "." in locale.groups and len(parts[0]) <= 3 and all(len(part) == 3 for part in parts[1:])
    return () if grouped else _dotted(locale, parts)


def _dotted(locale: Locale, parts: list[str]) -> Readings:
    point = words(locale.web["."])
    read = [integers(locale, part)[0] for part in parts]
    spelled = [by_digit(locale, part) for part in parts]
    return unique(*(_joined(items, point) for items in (read, spelled)))


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


_NAME_BEFORE = re.compile(r"\b[A-ZÀ-ÖØ-ÞА-ЯЁ][^\W\d_]+ $|\b(?:siglo|secolo|papa|век) $")
_CODE_CONTEXT = re.compile(
    r"\b(?:extensi[oó]n|clave|c[oó]digo|pin|contraseña|marque|poste|code|composez|mot de passe|durchwahl|kennwort|"
    r"passwort|nebenstelle|wählen sie|interno|codice|digitare|password|номер|код|пароль|пин|добавочный|наберите)\W*$",
    re.I,
)


def _minus(locale: Locale, match: Match) -> Readings:
    before = match.string[: match.start()]
    return (words(locale.minus),) if not before or before[-1].isspace() or before[-1] in "([" else ()


def _range(locale: Locale, match: Match) -> Readings:
    between_digits = match.start() > 0 and match.string[match.start() - 1].isdigit()
    return tuple(words(word) for word in locale.to) if between_digits else ()


def _roman(locale: Locale, match: Match) -> Readings:
    before = match.string[: match.start()]
    if not re.fullmatch(r"X{0,3}(?:IX|IV|V?I{0,3})", match[0]) or before[-1:].isalpha():
        return ()
    if len(match[0]) == 1 and not _NAME_BEFORE.search(before):
        return ()
    return unique(*locale.roman(roman_value(match[0]), match), _spelled(locale, match[0]))


def _initials(locale: Locale, match: Match) -> Readings:
    return (_spelled(locale, match[0]),)


def _abbreviation(locale: Locale, match: Match) -> Readings:
    if match.string[match.end() : match.end() + 1].isalpha():
        return ()
    return locale.abbreviations.get(match[1].lower(), ())


def _acronym(locale: Locale, match: Match) -> Readings:
    """Words in capitals (but for a text wholly in capitals), words without a vowel, and letters by themselves."""
    written = match[0]
    inside = match.start() > 0 and (match.string[match.start() - 1].isalpha() or match.string[match.start() - 1] == "'")
    lower = written.lower()
    if inside or any(letter not in locale.letters for letter in lower):
        return ()
    spelled, word = _spelled(locale, written), (lower,)
    if _must_be_spelled(locale, written):
        return (spelled, word)
    if not written.isupper() or (len(written) == 1 and lower in locale.capitals):
        return ()
    if is_shouted(match.string) and len(written) > 1:
        return (spelled, word) if lower in _SPELLED_ALWAYS else (word,)
    as_word = lower in locale.capitals or len(written) > 4
    return unique(word, spelled) if as_word else unique(spelled, word)


def _must_be_spelled(locale: Locale, word: str) -> bool:
    lower = word.lower()
    return len(lower) > 1 and lower not in _SPELLED_NEVER | locale.capitals and not set(lower) & set(locale.vowels)


def _spelled(locale: Locale, written: str) -> Reading:
    return tuple(word for letter in written.lower() for word in words(locale.letters.get(letter, letter)))


def _choices(parts: Sequence[Readings]) -> Readings:
    """Every combination of one reading a part, as far as there are few."""
    said = [tuple(word for reading in choice for word in reading) for choice in product(*parts)]
    return unique(*said[:4])


def _joined(items: Sequence[Reading], by: Reading) -> Reading:
    return tuple(word for place, item in enumerate(items) for word in ((*by, *item) if place else item))


def _longest(names: Iterable[str]) -> list[str]:
    return sorted(names, key=len, reverse=True)


def _any_of(names: Iterable[str]) -> str:
    return "|".join(map(re.escape, _longest(names)))


def _flexible(phrase: str) -> str:
    """A phrase of abbreviations, with or without a blank after each full stop."""
    return _NOT_IN_WORD + re.escape(phrase).replace(r"\.", r"\.\s?").removesuffix(r"\s?") + _ENDS
