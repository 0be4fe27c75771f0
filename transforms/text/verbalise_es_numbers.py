"""Spanish numerals: cardinals, ordinals, dates, times."""

import re

from transforms.text.verbalise import Reading, text_before
from transforms.text.verbalise_locale import Gender, Noun, Readings, in_words, unique, words
from transforms.text.verbalise_numbers import NUMBERED

MONTHS = "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre".split()

_COUNTED = re.compile(r"\s(?!(?:más|menos|después|dos|tres|seis|entonces)\b)([a-záéíóúñü]{3,})")
_WOMAN = re.compile(r"\b(?:Isabel|Beatriz|[A-ZÁÉÍÓÚ]\w+a|guerra) $", re.I)
_BEFORE_ONE = re.compile(r"(?:^|[.,;:¿¡(]\s?|\b(?:de|en|con|a|y|o|por|hace|hay|solo|sólo|tiene|tengo|unos?)\s)$", re.I)


def cardinal(number: int, gender: Gender) -> Readings:
    """``21`` -> veintiuno | veintiún | veintiuna; ``200`` -> doscientos | doscientas."""
    plain = in_words(number, "es")
    plain = re.sub(r"\bveintiuno(?= mil)", "veintiún", plain)
    plain = re.sub(r"\buno(?= mil)", "un", plain)
    before_noun = re.sub(r"\buno$", "un", re.sub(r"veintiuno$", "veintiún", plain))
    head, scale, tail = plain.rpartition("llones ")
    feminine = head + scale + re.sub(r"ientos\b", "ientas", re.sub(r"uno$", "una", tail))
    if gender:
        return (words(feminine if gender == "f" else before_noun),)
    return unique(words(plain), words(before_noun), words(feminine))


def governed(before: str, after: str, number: int, noun: Noun | None) -> Readings:
    """``21 años`` -> veintiún; ``200 personas`` -> doscientas. A 1 behind another word names something as a rule."""
    counted = _COUNTED.match(after)
    ends_in_one = number % 10 == 1 and number % 100 != 11
    if noun is not None or counted is None or not (ends_in_one or 200 <= number % 1000 < 1000):
        return ()
    if number == 1 and not _BEFORE_ONE.search(before):
        return ()
    word = counted[1] if number == 1 else counted[1].removesuffix("s")
    if number > 1 and word == counted[1]:
        return ()
    feminine = word.endswith(("a", "dad", "dade", "cion", "ción", "cione", "mujere", "vez", "vece", "noche"))
    return cardinal(number, "f" if feminine and not word.endswith(("ma", "día", "mapa")) else "m")


def ordinal(number: int, ending: str) -> Readings:
    if number == 0 or number > 9999:
        return cardinal(number, "")
    masculine = in_words(number, "es", "ordinal")
    masculine = re.sub(r"^(vigésimo) ?(\w+)$", r"\1 \2", masculine).replace("décimo primero", "undécimo")
    short = re.sub(r"(primer|tercer)o$", r"\1", masculine)
    feminine = " ".join(re.sub(r"o$", "a", word) for word in masculine.split())
    mark = ending.lower().strip(".")
    if mark in ("er",):
        return unique(words(short), *cardinal(number, "m"))
    if mark.endswith("a") or mark == "ª":
        return unique(words(feminine), *cardinal(number, "f"))
    return unique(words(masculine), words(short), *cardinal(number, ""))


def date(day: int, month: int, year: str) -> Readings:
    days = unique(*(words("primero"),) * (day == 1), *cardinal(day, "")[:1])
    years = _years(year)
    name = MONTHS[month - 1]
    full: list[Reading] = [(*first, "de", name, "de", *last) for first in days for last in years]
    return unique(*full, *((*days[0], "de", name, "del", *last) for last in years), (*days[0], name, *years[0]))


def _years(year: str) -> Readings:
    number = int(year)
    return (
        cardinal(number, "")[:1] if len(year) == 4 else unique(cardinal(2000 + number, "")[0], cardinal(number, "")[0])
    )


def clock(hour: int, minute: int) -> Readings:
    """``10:05`` -> diez y cinco | diez cero cinco | diez horas cinco minutos; ``10:30`` -> diez y media."""
    hours = cardinal(hour, "f")[0]
    if minute == 0:
        unit = "hora" if hour == 1 else "horas"
        return unique(hours, (*hours, "en", "punto"), (*hours, unit), (*hours, "cero", "cero"))
    minutes = cardinal(minute, "")[0]
    apart = (*hours, *(("cero",) if minute < 10 else ()), *minutes)
    joined = (*hours, "y", *minutes)
    long = (*hours, "hora" if hour == 1 else "horas", *cardinal(minute, "m")[0], "minuto" if minute == 1 else "minutos")
    found = {15: [(*hours, "y", "cuarto")], 30: [(*hours, "y", "media")]}.get(minute, [])
    if minute > 30:
        following = cardinal(hour % 12 + 1, "f")[0]
        rest = ("cuarto",) if minute == 45 else cardinal(60 - minute, "")[0]
        return unique(apart, joined, (*following, "menos", *rest), long)
    return unique(*found, joined, apart, long)


def roman(number: int, match: re.Match[str]) -> Readings:
    before = text_before(match)
    ending = "ª" if _WOMAN.search(before) else "º"
    spoken = ordinal(number, ending)[:1] if number <= 10 else ()
    counted = cardinal(number, "")[:1]
    return unique(*counted, *spoken) if NUMBERED.search(before) else unique(*spoken, *counted)


def power(minus: Reading, number: int) -> Readings:
    """``10⁴`` -> a la cuarta | elevado a cuatro."""
    counted = (*minus, *cardinal(number, "")[0])
    named = () if minus or number > 10 else (("a", "la", *ordinal(number, "ª")[0]),)
    return (*named, ("elevado", "a", *counted), ("a", "la", *counted))
