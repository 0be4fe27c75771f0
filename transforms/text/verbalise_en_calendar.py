"""English dates: by the month's name, and in figures."""

import re
from collections.abc import Sequence

from transforms.text.verbalise import Reading, Rule, text_before
from transforms.text.verbalise_en_numbers import ordinal, quantity, two_digits, year
from transforms.text.verbalise_en_words import MONTHS

_SHORT = "Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept|Sep|Oct|Nov|Dec"
_NAMES = "|".join([*(month.capitalize() for month in MONTHS), _SHORT])
_MONTH_BEFORE = re.compile(rf"\b(?:{_NAMES}|{_NAMES.upper()}|(?:{_SHORT}|{_SHORT.upper()})\.)\s$")


def _day_before_month(match: re.Match[str]) -> Sequence[Reading]:
    """``3 March`` -> third | the third of."""
    day = ordinal(match.group(1))
    return [("the", *day, "of"), day, quantity(match.group(1)), (*day, "of"), ("the", *day)]


def _day_after_month(match: re.Match[str]) -> Sequence[Reading]:
    """``March 3`` -> third | the third | three."""
    if not _MONTH_BEFORE.search(text_before(match)):
        return []
    day = ordinal(match.group(1))
    return [day, ("the", *day), quantity(match.group(1))]


def _date(match: re.Match[str]) -> Sequence[Reading]:
    """``3/5/2024`` in US order unless only the other one is a date; ``5.3.2024`` and ``2024-03-05``."""
    groups = match.groupdict()
    day, month, written = int(groups["d"]), int(groups["m"]), groups["y"]
    if month > 12:
        day, month = month, day
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return []
    name, named, counted = MONTHS[month - 1], ordinal(str(day)), quantity(str(day))
    years = [year(written)] if len(written) == 4 else [year(f"20{written}"), two_digits(written)]
    said = [(name, *days, *last) for last in years for days in (named, counted)]
    return [*said, *(("the", *named, "of", name, *last) for last in years)]


CALENDAR = (
    Rule(re.compile(r"(?<![\d/])(?P<m>\d{1,2})/(?P<d>\d{1,2})/(?P<y>\d{4}|\d\d)(?![\d/])"), _date),
    Rule(re.compile(r"(?<![\d.])(?P<d>\d{1,2})\.(?P<m>\d{1,2})\.(?P<y>\d{4})(?![\d.])"), _date),
    Rule(re.compile(r"(?<!\d)(?P<y>\d{4})-(?P<m>\d\d)-(?P<d>\d\d)(?!\d)"), _date),
    Rule(re.compile(rf"(?<![\d.,:/-])([1-9]|[12]\d|3[01])(?=\s(?:{_NAMES})\b)"), _day_before_month),
    Rule(re.compile(r"([1-9]|[12]\d|3[01])(?![^\W_]|[.,:/-]\d|\s?[%°$€£])"), _day_after_month),
)
