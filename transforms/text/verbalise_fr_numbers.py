"""French numerals: cardinals, ordinals, dates, times."""

import re

from transforms.text.verbalise import Reading
from transforms.text.verbalise_locale import Gender, Noun, Readings, in_words, unique, words
from transforms.text.verbalise_numbers import roman_value

MONTHS = "janvier février mars avril mai juin juillet août septembre octobre novembre décembre".split()


def cardinal(number: int, gender: Gender) -> Readings:
    """``21`` -> vingt et un | vingt et une; ``90`` -> quatre vingt dix | nonante."""
    plain = in_words(number, "fr")
    feminine = re.sub(r"\bun$", "une", plain)
    regional = _regional(plain)
    if gender == "f":
        return unique(words(feminine), words(_regional(feminine)))
    if gender:
        return unique(words(plain), words(regional))
    return unique(words(plain), words(feminine), words(regional))


def _regional(plain: str) -> str:
    """soixante et onze -> septante et un; quatre-vingt-douze -> nonante-deux."""
    teens = "dix onze douze treize quatorze quinze seize dix-sept dix-huit dix-neuf".split()
    ones = ["", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf"]
    pairs = sorted(zip(teens, ones, strict=True), key=lambda pair: -len(pair[0]))
    for teen, one in pairs:
        link = " et " if one == "un" else "-" if one else ""
        plain = re.sub(rf"soixante(?: et |-){teen}\b", f"septante{link}{one}", plain)
        plain = re.sub(rf"quatre-vingt-{teen}\b", f"nonante{link}{one}", plain)
    return plain


def ordinal(number: int, ending: str) -> Readings:
    """``1er``, ``1re``, ``2e``, ``21e``; a plural sounds the same."""
    mark = ending.lower()
    plural = mark.endswith("s")
    mark = mark.removesuffix("s")
    if number == 1 and mark in ("er", "re", "ère", "e"):
        names: tuple[str, ...] = ("première", "premier") if mark in ("re", "ère") else ("premier", "première")
    elif number == 2 and mark in ("nd", "nde"):
        names = ("second",) if mark == "nd" else ("seconde",)
    else:
        names = (in_words(number, "fr", "ordinal"), *(("second", "seconde") if number == 2 else ()))
    return unique(*(words(name + "s" * plural) for name in names))


def year(number: int) -> Readings:
    """``1984`` -> mille neuf cent ... | dix neuf cent ..."""
    if not 1100 <= number <= 1999:
        return ()
    head, tail = divmod(number, 100)
    rest = words(in_words(tail, "fr")) if tail else ()
    return (cardinal(number, "m")[0], (*words(in_words(head, "fr")), "cent" if tail else "cents", *rest))


def date(day: int, month: int, written: str) -> Readings:
    days = unique(*(("premier",),) * (day == 1), cardinal(day, "m")[0])
    number = int(written)
    if len(written) == 4:
        years = year(number) or cardinal(number, "m")[:1]
    else:
        years = (cardinal(2000 + number, "m")[0], cardinal(number, "m")[0])
    return unique(*((*first, MONTHS[month - 1], *last) for first in days for last in years))


def clock(hour: int, minute: int) -> Readings:
    """``10h05`` -> dix heures cinq; ``12:30`` -> douze heures trente | midi et demi."""
    hours: Reading = (*cardinal(hour, "f")[0], "heure" if hour < 2 else "heures")
    noon = {0: ("minuit",), 12: ("midi",), 24: ("minuit",)}.get(hour)
    if minute == 0:
        return unique(hours, *((noon,) if noon else ()))
    minutes = cardinal(minute, "f")[0]
    starts = [hours, *([noon] if noon else [])]
    found: list[Reading] = [(*start, *minutes) for start in starts]
    for start in starts:
        if minute in (15, 30):
            found.append((*start, "et", "quart") if minute == 15 else (*start, "et", "demi" if noon else "demie"))
    if minute > 30:
        following = hour % 24 + 1
        rest = ("le", "quart") if minute == 45 else cardinal(60 - minute, "")[0]
        name = (*cardinal(following, "f")[0], "heure" if following < 2 else "heures")
        found.append((*name, "moins", *rest))
    return unique(*found, (*hours, *minutes, "minute" if minute == 1 else "minutes"))


def form(number: int, noun: Noun) -> str:
    return noun.one if number < 2 else noun.many


def roman(number: int, match: re.Match[str]) -> Readings:
    count, order = cardinal(number, "m")[:1], ordinal(number, "e")[:1]
    return unique(*count, *(ordinal(1, "er")[:1] if number == 1 else order))


def century(match: re.Match[str]) -> Readings:
    """``XXe`` -> vingtième."""
    return ordinal(roman_value(match[1]), match[2])


def height(match: re.Match[str]) -> Readings:
    """``1m80`` -> un mètre quatre vingts."""
    metres, rest = int(match[1]), cardinal(int(match[2]), "m")[0]
    zero = ("zéro",) * match[2].startswith("0")
    return ((*cardinal(metres, "m")[0], "mètre" if metres < 2 else "mètres", *zero, *rest),)


def of(name: str) -> Reading:
    return (f"d'{name}",) if name[0] in "aeiouhéèê" else ("de", *words(name))
