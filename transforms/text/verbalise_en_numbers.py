"""How English speakers read strings of digits: as a quantity, digit by digit, in pairs, as a year."""

import re
from collections.abc import Sequence

from num2words import num2words

from transforms.text.verbalise import Reading

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_LONGEST_QUANTITY = 15
_FRACTION_NAMES = {2: ("half", "halves"), 4: ("quarter", "quarters")}


def quantity(digits: str) -> Reading:
    """``1250`` -> one thousand two hundred fifty; digit by digit where there are more than 15."""
    if len(digits) > _LONGEST_QUANTITY:
        return digit_by_digit(digits)
    return _words(num2words(int(digits)), drop="and")


def ordinal(digits: str) -> Reading:
    """``21`` -> twenty first."""
    if len(digits) > _LONGEST_QUANTITY:
        return digit_by_digit(digits)
    return _words(num2words(int(digits), to="ordinal"), drop="and")


def digit_by_digit(digits: str, *, zero: str = "zero") -> Reading:
    return tuple(zero if int(digit) == 0 else DIGITS[int(digit)] for digit in digits)


def year(digits: str) -> Reading:
    """Four digits in two pairs: ``1905`` -> nineteen oh five, ``8500`` -> eighty five hundred."""
    if digits[0] == "0" or digits[1:3] == "00":
        return quantity(digits)
    head, tail = quantity(digits[:2]), digits[2:]
    return head + (("hundred",) if tail == "00" else two_digits(tail))


def two_digits(digits: str) -> Reading:
    """``05`` -> oh five."""
    return ("oh", *quantity(digits[1])) if digits[0] == "0" else quantity(digits)


def decade(digits: str) -> Reading:
    """``1990`` -> nineteen nineties, ``80`` -> eighties."""
    *head, last = year(digits) if len(digits) == 4 else quantity(digits)
    return (*head, f"{last[:-1]}ies" if last.endswith("y") else f"{last}s")


def fraction(numerator: str, denominator: str) -> Sequence[Reading]:
    """``3/4`` -> three quarters; ``9/11`` and ``50/50`` are said as a pair."""
    top, bottom = quantity(numerator), int(denominator)
    pair, over = (*top, *quantity(denominator)), (*top, "over", *quantity(denominator))
    if bottom < 2 or bottom > 100:
        return (over, pair)
    named = _named_fraction(numerator, denominator)
    pair_first = int(numerator) == bottom or (numerator, denominator) == ("9", "11")
    return (pair, *named, over) if pair_first else (*named, over, pair)


def mixed(whole: str, numerator: str, denominator: str) -> Sequence[Reading]:
    """``3½`` -> three and a half | three and one half."""
    named = sorted(_named_fraction(numerator, denominator), key=lambda name: name[0] != "a")
    return [(*quantity(whole), "and", *name) for name in named]


def share(numerator: str, denominator: str, of: str) -> Sequence[Reading]:
    """``½ km`` -> half a kilometer | one half kilometer; ``¾ km`` -> three quarters of a kilometer."""
    article = "an" if of[0] in "aeio" or of.startswith("hour") else "a"
    whole = tuple(of.split())
    half = [("half", article, *whole)] if (int(numerator), int(denominator)) == (1, 2) else []
    named = fraction(numerator, denominator)
    return [
        *half,
        *((*number, "of", article, *whole) for number in named[:2]),
        *((*number, *whole) for number in named),
    ]


def _named_fraction(numerator: str, denominator: str) -> list[Reading]:
    top, bottom, plural = quantity(numerator), int(denominator), int(numerator) != 1
    names: list[Reading] = [_FRACTION_NAMES[bottom][plural : plural + 1]] if bottom in _FRACTION_NAMES else []
    if bottom != 2:
        *head, last = ordinal(denominator)
        names.append((*head, f"{last}s" if plural else last))
    counts: tuple[Reading, ...] = (top,) if plural else (top, ("a",))
    return [(*count, *name) for name in names for count in counts]


def integer(digits: str, *, as_code: bool = False) -> Sequence[Reading]:
    """Readings of an integer without separators, the likeliest first.

    Args:
        digits: Decimal digits.
        as_code: The number names something (an extension, a PIN), so it is likely read digit by digit.
    """
    spelled = [digit_by_digit(digits), digit_by_digit(digits, zero="oh")]
    if len(digits) == 1:
        return [quantity(digits), *spelled]
    if digits[0] == "0" or len(digits) > 9:
        return [*spelled, quantity(digits)]
    counted = [quantity(digits), _with_and(digits)]
    round_number = digits.endswith("00")
    if len(digits) == 2:
        return [*counted, *spelled]
    if len(digits) == 3:
        pair = (*quantity(digits[0]), *two_digits(digits[1:]))
        return [*spelled, *counted, pair] if as_code and not round_number else [*counted, *spelled, pair]
    if len(digits) == 4:
        if round_number or (1100 <= int(digits) <= 2099 and not as_code):
            return [year(digits), *counted, *spelled]
        return [*spelled, year(digits), *counted] if as_code else [*counted, *spelled, year(digits)]
    return [*spelled, *counted] if as_code else [*counted, *spelled]


def decimal(whole: str, digits: str) -> Sequence[Reading]:
    """``28.8`` -> twenty eight point eight; ``.5`` -> point five, as ``0.5`` may be."""
    tail = digit_by_digit(digits)
    if not whole:
        return [("point", *tail), ("zero", "point", *tail)]
    readings = [(*quantity(whole), "point", *tail), (*quantity(whole), "point", *digit_by_digit(digits, zero="oh"))]
    if len(digits) > 1 and digits[0] != "0":
        readings.append((*quantity(whole), "point", *quantity(digits)))
    if whole == "0":
        readings.append(("point", *tail))
    return readings


def _with_and(digits: str) -> Reading:
    """``250`` -> two hundred and fifty."""
    return _words(num2words(int(digits)))


def _words(spelled: str, *, drop: str = "") -> Reading:
    return tuple(word for word in re.findall("[a-z]+", spelled) if word != drop)
