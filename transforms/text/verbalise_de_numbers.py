"""German numerals: cardinals, ordinals, dates, times."""

import re

from transforms.text.verbalise import Reading, text_before
from transforms.text.verbalise_locale import Gender, Noun, Readings, in_words, unique, words
from transforms.text.verbalise_numbers import NUMBERED

MONTHS = "januar februar märz april mai juni juli august september oktober november dezember".split()
MONTH = "|".join([*MONTHS, *(f"{month[:3]}\\." for month in MONTHS), "sept\\."])
_NOUN, _NOUN_BEFORE = re.compile(r"\s[A-ZÄÖÜ][a-zäöüß]"), re.compile(r"[A-ZÄÖÜ]\w*\.?\s$")
_DATIVE = re.compile(
    r"\b(?:am|dem|den|des|der|im|vom|zum|beim|ab|seit|bis)\s+(?:\w+,?\s+|\d\d?\.\s(?:und|bis|oder)\s)?(?:den\s+)?$",
    re.I,
)
_ARTICLE = re.compile(r"\b(?:der|die|das)\s+$", re.I)
_ANY_ARTICLE = re.compile(r"\b(?:der|die|das|dem|den|des|am|im|vom|zum|zur|beim|jede[rsnm]?)\s+$", re.I)


def cardinal(number: int, gender: Gender) -> Readings:
    """``1`` -> eins | ein | eine ...; ``100`` -> hundert | einhundert."""
    plain = in_words(number, "de")
    short = re.sub(r"\bein(?=hundert|tausend)", "", plain)
    if number == 1 and gender:
        return (("eine",),) if gender == "f" else (("ein",),)
    if number == 1:
        return tuple((word,) for word in "eins ein eine einen einem einer".split())
    spoken = "zwo" if number == 2 else plain
    return unique(words(short if number < 2000 else plain), words(plain), words(spoken))


def governed(before: str, after: str, number: int, noun: Noun | None) -> Readings:
    """``1 Kind`` -> ein; ``Kapitel 1`` stays eins."""
    counts = number == 1 and noun is None and _NOUN.match(after) and not _NOUN_BEFORE.search(before)
    return tuple((word,) for word in "ein eine einen einer einem".split()) if counts else ()


def ordinal(number: int, ending: str) -> Readings:
    """``3.`` -> dritte | dritten | dritter | drittes."""
    stem = in_words(number, "de", "ordinal").lower()
    stem = re.sub(r"^ein(?=hundert|tausend)", "", stem)
    return tuple(words(stem + tail) for tail in ("", "n", "r", "s"))


def year(number: int) -> Readings:
    return (words(in_words(number, "de", "year")),) if 1100 <= number <= 1999 else ()


def date(day: int, month: int, written: str) -> Readings:
    number = int(written)
    if len(written) == 4:
        years = year(number) or cardinal(number, "")[:1]
    else:
        years = (cardinal(2000 + number, "")[0], cardinal(number, "")[0])
    days = [ordinal(day, ".")[place] for place in (1, 2, 0)]
    months = [(MONTHS[month - 1],), ordinal(month, ".")[2], ordinal(month, ".")[1]]
    named = [(*first, *name, *last) for name in months[:1] for first in days for last in years]
    return unique(*named, *((*first, *months[2], *years[0]) for first in days[:1]), (*days[1], *months[1], *years[0]))


def day_of_month(match: re.Match[str]) -> Readings:
    """``am 3. Mai`` -> am dritten; ``der 3. Mai`` -> der dritte."""
    before = text_before(match)
    base, n, r, s = ordinal(int(match[1]), ".")
    if _ARTICLE.search(before):
        return (base, n, r, s)
    return (n, base, r, s) if _DATIVE.search(before) else (r, n, base, s)


def day_and_month(match: re.Match[str]) -> Readings:
    """``am 4.7.`` -> vierten siebten | vierten juli; ``3.2.`` may be a section."""
    day, month = int(match[1]), int(match[2])
    before = text_before(match)
    if not _DATIVE.search(before):
        return ()
    place = 0 if _ARTICLE.search(before) else 1
    days = ordinal(day, ".")[place]
    return ((*days, *ordinal(month, ".")[place]), (*days, MONTHS[month - 1]))


def street(match: re.Match[str]) -> Readings:
    """``Hauptstr.`` -> hauptstraße."""
    return ((f"{match[1].lower()}straße",),)


def ordinal_before_noun(match: re.Match[str]) -> Readings:
    """``der 2. Weltkrieg``; without an article the stop more likely ends a sentence."""
    before = text_before(match)
    base, n, r, s = ordinal(int(match[1]), ".")
    plain = cardinal(int(match[1]), "")
    if _ARTICLE.search(before):
        return (base, n, r, s, *plain)
    return (n, base, r, s, *plain) if _ANY_ARTICLE.search(before) else unique(*plain, base, r, n, s)


def decade(match: re.Match[str]) -> Readings:
    """``90er`` -> neunziger; ``1990er`` -> neunzehnhundertneunziger."""
    number = int(match[1])
    said = (year(number) or cardinal(number, "")) if len(match[1]) == 4 else cardinal(number, "")[:1]
    return unique(*((*reading[:-1], f"{reading[-1]}er") for reading in said))


def clock(hour: int, minute: int) -> Readings:
    """``14:30`` -> vierzehn uhr dreißig | halb drei."""
    hours: Reading = (*cardinal(hour, "m")[0], "uhr")
    if minute == 0:
        return unique(hours, cardinal(hour, "")[0])
    minutes = cardinal(minute, "")[0]
    short = cardinal(hour % 12 or 12, "")[0]
    following = cardinal(hour % 12 + 1, "")[0]
    found: list[Reading] = [(*hours, *minutes)]
    if minute == 30:
        found.append(("halb", *following))
    elif minute in (15, 45):
        found += [("viertel", "nach", *short)] if minute == 15 else [("viertel", "vor", *following)]
        found += [("viertel", *following)] if minute == 15 else [("dreiviertel", *following)]
    elif minute < 30:
        found.append((*minutes, "nach", *short))
    else:
        found.append((*cardinal(60 - minute, "")[0], "vor", *following))
    return unique(*found, (*cardinal(hour, "")[0], *minutes))


def join_mixed(whole: Reading, tail: Reading) -> Reading:
    """zwei, einhalb -> zweieinhalb."""
    return (*whole[:-1], re.sub(r"eine?s?$", "ein", whole[-1]) + "".join(tail))


def roman(number: int, match: re.Match[str]) -> Readings:
    before = text_before(match)
    base, n, r, s = ordinal(number, ".")
    count = cardinal(number, "")[:1]
    if NUMBERED.search(before):
        return unique(*count, base, n, r, s)
    ordered = (base, n, r) if _ARTICLE.search(before) else (n, r, base) if _ANY_ARTICLE.search(before) else (r, base, n)
    return unique(*ordered, *count, s)
