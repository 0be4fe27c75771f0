"""Russian numerals: genders, six cases, ordinals by their written endings, decimals as fractions."""

import re

from transforms.text.verbalise import Reading, text_before
from transforms.text.verbalise_locale import Gender, Noun, Readings, in_words, unique, words

GENITIVE_MONTHS = "января февраля марта апреля мая июня июля августа сентября октября ноября декабря".split()
_OBLIQUE = "gdip"
_GENITIVE = re.compile(
    r"\b(?:до|от|около|более|менее|свыше|больше|меньше|порядка|из|без|после|кроме|у|для|против|с|со)\s+$", re.I
)
_WOMAN = re.compile(r"\b(?:глава|часть|книга|сцена|песнь|[А-ЯЁ]\w*[ая]) $", re.I)
_COUNTED = re.compile(r"\s([а-яё]{3,})(?<!ся)(?<!ет)(?<!ит)(?<!или)(?<!для)(?<!это)(?![^\W_])")
_PLURAL_CASES = {"ами": "i", "ями": "i", "ах": "p", "ях": "p", "ам": "d", "ям": "d"}
_DATIVE = re.compile(r"\b(?:к|ко)\s+$", re.I)
# written ending -> (case, gender or plural) of an ordinal
_ENDINGS: dict[str, tuple[tuple[str, str], ...]] = {
    "й": (("n", "m"), ("g", "f"), ("p", "f")),
    "ый": (("n", "m"),),
    "ий": (("n", "m"),),
    "ой": (("g", "f"), ("n", "m")),
    "я": (("n", "f"),),
    "ая": (("n", "f"),),
    "е": (("n", "n"), ("n", "p")),
    "ое": (("n", "n"),),
    "ые": (("n", "p"),),
    "ие": (("n", "p"),),
    "го": (("g", "m"),),
    "ого": (("g", "m"),),
    "му": (("d", "m"),),
    "ому": (("d", "m"),),
    "м": (("p", "m"), ("i", "m"), ("d", "p")),
    "ом": (("p", "m"),),
    "ым": (("i", "m"), ("d", "p")),
    "ю": (("a", "f"),),
    "ую": (("a", "f"),),
    "х": (("g", "p"),),
    "ых": (("g", "p"),),
    "ми": (("i", "p"),),
    "ыми": (("i", "p"),),
}
ORDINAL_ENDINGS = "-?(?:" + "|".join(sorted(_ENDINGS, key=len, reverse=True)) + r")(?<!\dм)"
_TENTHS = {1: "десятая десятых", 2: "сотая сотых", 3: "тысячная тысячных"}


def cardinal(number: int, gender: Gender) -> Readings:
    """``2`` -> два | две | двух | двум ...; with a gender only the nominative agrees with what is counted."""
    if gender:
        return unique(*_nominative(number, gender))
    nominative = [form for gender in "mfn" for form in _nominative(number, gender)]
    accusative = [(*form[:-1], "одну") for form in nominative if form[-1] == "одна"]
    oblique = [words(in_words(number, "ru", case=case)) for case in _OBLIQUE]
    return unique(*nominative, *oblique, *accusative)


def asked_case(before: str) -> str:
    """What the preposition at the end of a text asks for: g, d or nothing known."""
    return "g" if _GENITIVE.search(before) else "d" if _DATIVE.search(before) else ""


def in_compound(match: re.Match[str]) -> Readings:
    """``3-летний`` -> трёх летний; ``5-ти`` -> пяти."""
    number, mark = int(match[1]), match[2]
    special = {} if mark else {1: "одно", 90: "девяносто", 100: "сто", 1000: "тысяче"}
    case = "i" if mark == "мя" else "g"
    said = words(special.get(number) or in_words(number, "ru", case=case))
    return unique(said, *cardinal(number, ""))


def governed(before: str, after: str, number: int, noun: Noun | None) -> Readings:
    """``до 5`` -> пяти; ``около 21 км`` -> двадцати одного километра; ``в 3 странах`` -> трёх; ``2 недели`` -> две.

    The case is asked for by a preposition or by the ending of the word that is counted, the gender by that ending.
    """
    case = asked_case(before)
    single = number % 10 == 1 and number % 100 != 11
    if noun is not None:
        if case != "g":
            return ()
        said = words(in_words(number, "ru", case="g", gender=noun.gender))
        return ((*said, *words(noun.few if single else noun.many)),)
    counted = _COUNTED.match(after)
    word = counted[1].lower() if counted else ""
    case = next((_PLURAL_CASES[ending] for ending in _PLURAL_CASES if word.endswith(ending)), case)
    if case:
        feminine = single and word.endswith(("ы", "и"))
        return (words(in_words(number, "ru", case=case, gender="f" if feminine else "m")),)
    if single and word.endswith(("у", "ю")):
        return ((*_nominative(number, "f")[0][:-1], "одну"),)
    if single:
        gender = "f" if word.endswith(("а", "я")) else "n" if word.endswith(("о", "е")) else "m"
        return tuple(_nominative(number, gender))
    if number % 10 == 2 and number % 100 != 12 and word.endswith(("ы", "и")):
        return tuple(_nominative(number, "f"))
    return ()


def ordinal(number: int, ending: str) -> Readings:
    """``5-й`` -> пятый | пятой; of 2 to 4 rather a genitive; a multiple of ten is likely a decade, so the plural."""
    forms = [declined(number, case, gender) for case, gender in _ENDINGS[ending.strip("-").lower()]]
    decade = 20 <= number <= 90 and number % 10 == 0
    few = (words(in_words(number, "ru", case="g")),) if ending.endswith("х") and 2 <= number <= 4 else ()
    return unique(*few, *(reversed(forms) if decade and len(forms) == 2 else forms))


def roman(number: int, match: re.Match[str]) -> Readings:
    """``Пётр I`` -> первый | первого ...; ``Екатерина II`` -> вторая."""
    masculine = [declined(number, case, "m") for case in "ngdip"]
    feminine = [declined(number, case, "f") for case in "ng"]
    woman = _WOMAN.search(text_before(match))
    return unique(*feminine, *masculine) if woman else unique(*masculine, *feminine)


def declined(number: int, case: str, gender: str) -> Reading:
    """An ordinal in a case (n, g, d, a, i, p) and a gender (m, f, n) or the plural (p)."""
    if gender == "p":
        return words(in_words(number, "ru", "ordinal", case=case, plural=True))
    return words(in_words(number, "ru", "ordinal", case=case, gender=gender))


def form(number: int, noun: Noun) -> str:
    """One after 1, 21, 31 ...; few after 2 to 4, 22 to 24 ...; many elsewhere."""
    if number % 10 == 1 and number % 100 != 11:
        return noun.one
    return noun.few if 2 <= number % 10 <= 4 and not 12 <= number % 100 <= 14 else noun.many


def decimal_form(number: int, noun: Noun) -> str:
    """After a fraction: the genitive singular, which is the form that follows two."""
    return noun.few


def decimal_readings(whole: int, digits: str) -> Readings:
    """``1,5`` -> одна целая пять десятых | полтора | один и пять десятых."""
    if len(digits) not in _TENTHS or int(digits) == 0:
        return ()
    one, many = _TENTHS[len(digits)].split()
    part, number = int(digits), words(in_words(whole, "ru", gender="f"))
    said = words(in_words(part, "ru", gender="f"))
    name = one if part % 10 == 1 and part % 100 != 11 else many
    wholes = "целая" if whole % 10 == 1 and whole % 100 != 11 else "целых"
    plain = words(in_words(whole, "ru"))
    halves: Readings = ((*plain, "с", "половиной"), (*number, "с", "половиной")) if digits == "5" and whole else ()
    if halves and whole == 1:
        halves = (("полтора",), ("полторы",))
    return unique((*number, wholes, *said, name), *halves, (*plain, "и", *said, name))


def date(day: int, month: int, written: str) -> Readings:
    """``05.03.2024`` -> пятое марта две тысячи двадцать четвёртого года."""
    number = int(written)
    numbers = (number,) if len(written) == 4 else (2000 + number, number)
    years = [declined(value, "g", "m") if value else ("нулевого",) for value in numbers]
    name = GENITIVE_MONTHS[month - 1]
    days = [declined(day, case, "n") for case in "ng"]
    return unique(*((*first, name, *last, *tail) for first in days for last in years for tail in (("года",), ())))


def clock(hour: int, minute: int) -> Readings:
    """``10:05`` -> десять ноль пять | десять часов пять минут; ``10:30`` -> половина одиннадцатого."""
    hours = words(in_words(hour, "ru"))
    named = (*hours, form(hour, Noun("m", "час", "часа", "часов")))
    if minute == 0:
        return unique(named, (*hours, "ноль", "ноль"), hours)
    minutes = words(in_words(minute, "ru"))
    counted = words(in_words(minute, "ru", gender="f"))
    short = (*hours, *(("ноль",) if minute < 10 else ()), *minutes)
    long = (*named, *counted, form(minute, Noun("f", "минута", "минуты", "минут")))
    half = [("половина", *declined(hour % 12 + 1, "g", "m"))] if minute == 30 else []
    return unique(short, long, *half)


def _nominative(number: int, gender: str) -> list[Reading]:
    """Only what follows the thousands has a gender; ``одна тысяча двести`` is said without its first word as a rule."""
    thousands, rest = number - number % 1000, number % 1000
    head = words(in_words(thousands, "ru")) if thousands else ()
    full = (*head, *words(in_words(rest, "ru", gender=gender))) if rest or not thousands else head
    return [full[1:], full] if full[:2] == ("одна", "тысяча") else [full]
