"""How strings of digits are read in a language: as a quantity, by digit, in groups, as a decimal, with a noun."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from itertools import product

from transforms.text.verbalise import Reading, text_before
from transforms.text.verbalise_locale import Gender, Locale, Noun, Readings, unique, words

BLANKS = " \u00a0\u2009\u202f"
"""What parts thousands in many languages."""
VULGAR = "[\u00bc-\u00be\u2150-\u215e]"
"""A fraction in one character."""
POWER = "[\u207a\u207b]?[\u2070\u00b9\u00b2\u00b3\u2074-\u2079]+"
"""Raised digits."""
_RAISED = re.compile(r"(?:\d|\)|(?<![^\W_])[^\W\d_]|\d\s?[^\W\d_]{1,3}(?:/[^\W\d_])?)$")
ROMAN = re.compile(r"(?!\Z)C{0,3}(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})")
"""A Roman numeral up to 399."""
NUMBERED = re.compile(
    r"\b(?:cap[ií]tulo|capitolo|chapitre|kapitel|глава|canto|chant|gesang|песнь|salmo|psaume|psalm|псалом|parte?|partie|"
    r"teil|часть|tomo|tome|band|том|libro|livre|buch|книга|atto|acto|acte|akt|акт|es?cena|scène|szene|сцена|siglos?|"
    r"secolo|siècle) $",
    re.I,
)
"""Before a number, it says that it is one of a row."""
LONGEST_QUANTITY = 15
_ROMAN = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}


def by_digit(locale: Locale, digits: str) -> Reading:
    return tuple(word for digit in digits for word in locale.cardinal(int(digit), "")[0])


def quantities(locale: Locale, digits: str, gender: Gender = "") -> Readings:
    """All ways to say how many; by digit where there are more than 15."""
    if len(digits) > LONGEST_QUANTITY:
        return (by_digit(locale, digits),)
    return locale.cardinal(int(digits), gender)


def in_groups(locale: Locale, groups: list[str]) -> Reading:
    """Telephone numbers: ``06 12`` -> zero six twelve."""
    said: Reading = ()
    for group in groups:
        rest = group.lstrip("0")
        said += by_digit(locale, "0" * (len(group) - len(rest)))
        said += quantities(locale, rest)[0] if 0 < len(rest) <= 3 else by_digit(locale, rest)
    return said


def integers(locale: Locale, digits: str, *, as_code: bool = False) -> Readings:
    """Readings of digits without separators.

    Args:
        locale: The language.
        digits: Decimal digits.
        as_code: The number names something (an extension, a PIN), so it is likely read by digit.
    """
    spelled = by_digit(locale, digits)
    counted = quantities(locale, digits)
    if len(digits) > 1 and (digits[0] == "0" or len(digits) > 9 or as_code):
        return unique(spelled, in_groups(locale, _pairs(digits)), *counted)
    if len(digits) == 4 and 1100 <= int(digits) <= 2099:
        return unique(*locale.year(int(digits)), *counted, spelled)
    return unique(*counted, spelled) if len(digits) > 1 else counted


def decimals(locale: Locale, whole: str, digits: str) -> Readings:
    """``3,25`` -> three point twenty five | three point two five. An empty ``whole`` is a zero that may be unsaid."""
    by_one = by_digit(locale, digits)
    tails = [by_one]
    if len(digits) <= 3 and (digits[0] != "0" or len(digits) == 1):
        tails.append(quantities(locale, digits)[0])
    elif len(digits) <= 3 and digits.strip("0"):
        tails.append(in_groups(locale, [digits]))
    if not locale.decimals_by_digit:
        tails.reverse()
    first = quantities(locale, whole or "0")[0]
    named = locale.decimal_readings(int(whole or "0"), digits) if len(whole) <= LONGEST_QUANTITY else ()
    said = [(*first, *words(point), *tail) for point, tail in product(locale.point, tails)]
    unsaid = [(*words(locale.point[0]), *tails[0])] if not whole else []
    return unique(*named, *said, *unsaid)


def counted(locale: Locale, whole: str, part: str, noun: Noun) -> Readings:
    """A number with what it counts, in the noun's gender and form."""
    if part:
        name = words(locale.decimal_form(int(whole or "0"), noun))
        return unique(*((*number, *name) for number in decimals(locale, whole, part)))
    name = words(locale.form(int(whole), noun))
    return unique(*((*number, *name) for number in quantities(locale, whole, noun.gender)))


def fraction(locale: Locale, top: str, bottom: str) -> Readings:
    """``3/4`` -> three quarters | three over four."""
    named = locale.fractions.get(f"{int(top)}/{int(bottom)}", ())
    left, right = quantities(locale, top)[0], quantities(locale, bottom)[0]
    return unique(*named, (*left, *words(locale.over), *right), (*left, *right))


def share(locale: Locale, top: str, bottom: str, noun: Noun) -> Readings:
    """``½ km`` -> medio kilómetro; ``¾ l`` -> tres cuartos de litro."""
    one = locale.share_form(noun)
    agreeing = locale.shares.get(f"{top}/{bottom} {noun.gender}", ())
    parts = [(*number, *locale.of(one)) for number in fraction(locale, top, bottom)[:-1]]
    return unique(*((*number, *words(one)) for number in agreeing), *parts)


def mixed(locale: Locale, whole: str, top: str, bottom: str, noun: Noun | None) -> Readings:
    """``2½ km`` -> dos kilómetros y medio | dos y medio kilómetros."""
    number = quantities(locale, whole, noun.gender if noun else "")[0]
    one, many = (words(form(int(whole), noun)) if noun else () for form in (locale.form, locale.decimal_form))
    tails = _by_gender(locale.mixed, f"{top}/{bottom}", noun) or fraction(locale, top, bottom)
    special = [(*reading, *many) for reading in _by_gender(locale.mixed, f"{whole} {top}/{bottom}", noun)]
    apart = [(*number, *one, *tail) for tail in tails if locale.noun_before_fraction]
    return unique(*special, *apart, *((*locale.join_mixed(number, tail), *many) for tail in tails))


def dotted(locale: Locale, parts: list[str]) -> Readings:
    point = words(locale.web["."])
    read = [integers(locale, part)[0] for part in parts]
    spelled = [by_digit(locale, part) for part in parts]
    return unique(*(_joined(items, point) for items in (read, spelled)))


def vulgar(char: str) -> tuple[str, str]:
    """``¾`` -> 3, 4."""
    top, bottom = unicodedata.normalize("NFKC", char).split("\u2044")
    return top, bottom


def power_of(match: re.Match[str]) -> int:
    """``⁻⁶`` (the group ``power``) -> -6; 1 behind a word, where it is the number of a note."""
    if not _RAISED.search(text_before(match)):
        return 1
    return int(unicodedata.normalize("NFKC", match["power"]).replace("\u2212", "-"))


def roman_value(numeral: str) -> int:
    values = [_ROMAN[letter] for letter in numeral]
    following = [*values[1:], 0]
    return sum(-value if value < after else value for value, after in zip(values, following, strict=True))


def digits_of(text: str) -> str:
    return re.sub(r"\D", "", text)


def _joined(items: Sequence[Reading], by: Reading) -> Reading:
    return tuple(word for place, item in enumerate(items) for word in ((*by, *item) if place else item))


def _by_gender(table: Mapping[str, Readings], key: str, noun: Noun | None) -> Readings:
    return table.get(f"{key} {noun.gender}" if noun else key) or table.get(key, ())


def _pairs(digits: str) -> list[str]:
    head = len(digits) % 2
    return [digits[:head]] * bool(head) + [digits[place : place + 2] for place in range(head, len(digits), 2)]
