"""Italian numerals: cardinals, ordinals, dates, times."""

import re

from transforms.text.verbalise import Reading, text_before
from transforms.text.verbalise_locale import Gender, Noun, Readings, in_words, unique, words

MONTHS = "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre".split()

_COUNTED = re.compile(r"\s[a-zàèéìòù]{2,}([aeo])\b")
_WOMAN = re.compile(r"\b(?!(?:Andrea|Luca|Nicola|papa) )(?:[A-Z]\w+a|parte|scena) $")
_BEFORE_ONE = re.compile(r"(?:^|[.,;:(]\s?|\b(?:di|in|con|a|e|o|ed|per|da|ha|ho|solo|circa|ogni|tra|fra)\s)$", re.I)


def cardinal(number: int, gender: Gender) -> Readings:
    """``1`` -> uno | un | una; ``21`` -> ventuno | ventun."""
    plain = in_words(number, "it")
    if number == 1 and gender:
        return (("una",), ("un'",))[:1] if gender == "f" else (("un",), ("uno",))
    if number == 1:
        return (("uno",), ("un",), ("una",))
    short = re.sub(r"(?<=nt)uno$", "un", plain)
    apart = re.sub(r"^(cento|mille)(?=uno$|otto$|undici$)", r"\1 ", plain)
    return unique(words(plain), words(short), words(apart))


def governed(before: str, after: str, number: int, noun: Noun | None) -> Readings:
    """``1 persona`` -> una. A 1 behind another word names something as a rule."""
    counted = _COUNTED.match(after)
    if number != 1 or noun is not None or counted is None or not _BEFORE_ONE.search(before):
        return ()
    return (("una",), ("un",)) if counted[1] == "a" else (("un",), ("una",), ("uno",))


def ordinal(number: int, ending: str) -> Readings:
    """``1º`` -> primo; ``2ª`` -> seconda."""
    if number == 0 or number > 9999:
        return cardinal(number, "")
    masculine = in_words(number, "it", "ordinal")
    stem = masculine[:-1]
    mark = ending.lower().strip(".")
    if mark == "ª" or mark.endswith("a"):
        return (words(stem + "a"),)
    found = (words(masculine), words(stem + "a"), words(stem + "i"), words(stem + "e"))
    degrees = (*cardinal(number, "m")[0], "grado" if number == 1 else "gradi")
    return (
        unique(*found[:1], degrees, *found[1:])
        if mark == "°" and number <= 12
        else (unique(degrees, *found) if mark == "°" else found)
    )


def date(day: int, month: int, written: str) -> Readings:
    days = unique(*(("primo",),) * (day == 1), cardinal(day, "m")[0])
    number = int(written)
    years = cardinal(number, "")[:1] if len(written) == 4 else (cardinal(2000 + number, "")[0], cardinal(number, "")[0])
    name = MONTHS[month - 1]
    plain = [(*first, name, *last) for first in days for last in years]
    return unique(*plain, *((*days[0], name, "del", *last) for last in years))


def clock(hour: int, minute: int) -> Readings:
    """``10:05`` -> dieci e cinque | dieci zero cinque; ``10:30`` -> dieci e trenta | dieci e mezza."""
    hours = cardinal(hour, "f")[0]
    if minute == 0:
        noon = {0: ("mezzanotte",), 12: ("mezzogiorno",), 24: ("mezzanotte",)}.get(hour)
        return unique(hours, *([noon] if noon else []), (*hours, "in", "punto"), (*hours, "zero", "zero"))
    minutes = cardinal(minute, "")[0]
    found: list[Reading] = [(*hours, "e", *minutes)]
    if minute in (15, 30):
        halves = [("un", "quarto")] if minute == 15 else [("mezza",), ("mezzo",)]
        found += [(*hours, "e", *half) for half in halves]
    if minute > 30:
        following = cardinal(hour % 12 + 1, "f")[0]
        rest = ("un", "quarto") if minute == 45 else cardinal(60 - minute, "")[0]
        found.append((*following, "meno", *rest))
    return unique(*found, (*hours, *(("zero",) if minute < 10 else ()), *minutes))


def roman(number: int, match: re.Match[str]) -> Readings:
    woman = _WOMAN.search(text_before(match))
    order = ordinal(number, "º")[:2]
    return unique(*(order[::-1] if woman else order), *cardinal(number, "")[:1])


def of(name: str) -> Reading:
    return ("di", *words(name))


def power(minus: Reading, number: int) -> Readings:
    """``10⁴`` -> alla quarta | elevato a quattro."""
    counted = (*minus, *cardinal(number, "")[0])
    named = ("alla", *minus, *ordinal(number, "ª")[0])
    return (("alla", *counted), named, ("elevato", "alla", *counted)) if minus else (named, ("elevato", "a", *counted))
