"""English rules: numbers with what goes with them, symbols, abbreviations, acronyms, addresses."""

import re

from transforms.text.verbalise import LETTER, Language, Reading, is_shouted, run_together, text_before
from transforms.text.verbalise_en_amounts import MONEY, NUMBERS, Readings, rule
from transforms.text.verbalise_en_calendar import CALENDAR
from transforms.text.verbalise_en_numbers import (
    decade,
    digit_by_digit,
    fraction,
    integer,
    ordinal,
    quantity,
    two_digits,
)
from transforms.text.verbalise_en_words import (
    ABBREVIATIONS,
    ADDRESSES,
    BEFORE_NUMBERS,
    INITIALS,
    LEADING_APOSTROPHE,
    SPELLED_ALWAYS,
    SPELLED_NEVER,
    SYMBOLS,
    TITLES_IN_ANY_CASE,
    TITLES_WITHOUT_STOP,
    WORDS_IN_CAPITALS,
)
from transforms.text.verbalise_numbers import ROMAN, VULGAR, digits_of, roman_value, vulgar

_NAME_BEFORE = re.compile(r"\b[A-Z][a-z]+ $")
_CHAIN_BEFORE, _CHAIN_AFTER = re.compile(r"[-–]\d+$"), re.compile(r"\d+[-–]\d")
_NAME_AFTER = re.compile(r"\s[^\W\d_a-z]")
_NUMBERED = re.compile(
    r"\b(?:war|chapter|part|volume|book|section|act|scene|phase|type|class|level|title|appendix|canto|psalm|lesson|"
    r"letter|bowl|article|episode|grade|zone|no\.|vol\.) $",
    re.I,
)


def _address(match: re.Match[str]) -> Readings:
    """``www.asterisk.org`` -> w w w dot asterisk dot org."""
    names = {".": "dot", "/": "slash", "-": "dash", "_": "underscore", "@": "at", ":": "colon"}
    words: list[str] = []
    for part in re.findall(r"[^\W\d_]+|\d+|[./_@:-]", match.group("rest")):
        if part in names:
            words.append(names[part])
        elif part.isdigit():
            words += integer(part)[0]
        else:
            words += _letters(part) if _must_be_spelled(part) or part.lower() in {"uk", "eu", "io"} else [part.lower()]
    scheme = match.group("scheme") or ""
    spoken_scheme = [*_letters(scheme.rstrip(":/")), "colon", "slash", "slash"] if scheme else []
    return [tuple(words), (*spoken_scheme, *words)]


def _clock(match: re.Match[str]) -> Readings:
    """``10:05 pm`` -> ten oh five p m."""
    hour, minute, half = match.group(1), match.group(2), match.group(4)
    if int(hour) > 24 or int(minute) > 59:
        return []
    tail: Reading = tuple(_letters(half.replace(".", ""))) if half else ()
    seconds: Reading = two_digits(match.group(3)) if match.group(3) else ()
    hours = quantity(hour)
    if minute == "00" and not seconds:
        return [(*hours, *tail)] if half else [(*hours, "o'clock"), hours, (*hours, "hundred")]
    return [(*hours, *two_digits(minute), *seconds, *tail)]


def _hour(match: re.Match[str]) -> Readings:
    return [(*quantity(match.group(1)), *_letters(match.group(2).replace(".", "")))]


def _phone(match: re.Match[str]) -> Readings:
    digits = re.sub(r"\D", "", match.group())
    plus = ("plus",) if match.group().startswith("+") else ()
    return [(*plus, *digit_by_digit(digits)), (*plus, *digit_by_digit(digits, zero="oh"))]


def _dotted(match: re.Match[str]) -> Readings:
    """``10.0.0.1`` and versions: ten dot zero dot zero dot one."""
    parts = match.group().split(".")

    def joined(word: str, *, spelled: bool) -> Reading:
        read = [digit_by_digit(part) if spelled else integer(part)[0] for part in parts]
        return tuple(item for index, part in enumerate(read) for item in (*([word] if index else []), *part))

    return [joined(word, spelled=spelled) for word in ("dot", "point") for spelled in (False, True)]


def _plural(match: re.Match[str]) -> Readings:
    """``B-52s`` -> fifty twos; ``100s`` -> hundreds; ``10s`` may be seconds."""
    count = quantity(match.group(1))
    *head, last = count[1:] if count[1:] == ("hundred",) and count[0] == "one" else count
    plural = f"{last[:-1]}ies" if last.endswith("y") else f"{last}es" if last.endswith("x") else f"{last}s"
    return [(*head, plural), (*count, "seconds"), (*count, "s")]


def _height(match: re.Match[str]) -> Readings:
    """``5'10"`` -> five ten | five foot ten."""
    feet, inches = quantity(match.group(1)), quantity(match.group(2))
    return [(*feet, *inches), (*feet, "foot", *inches), (*feet, "feet", *inches, "inches")]


def _joined_letters(match: re.Match[str]) -> Readings:
    """``AT&T`` -> a t and t."""
    *letters, last = _letters(match.group(2))
    return [(*_letters(match.group(1)), "and", *letters, last + (match.group(3) or ""))]


def _designation(match: re.Match[str]) -> Readings:
    """``H.323`` -> h three twenty three, with or without the dot."""
    letter, digits = match.group(1).lower(), match.group(2)
    numbers = integer(digits, as_code=True)
    dots: tuple[Reading, ...] = ((), ("dot",), ("point",))
    return [(letter, *dot, *number) for dot in dots for number in numbers]


def _range(match: re.Match[str]) -> Readings:
    """``3-5`` -> three to five; ``3-2-3`` -> three two three."""
    before = text_before(match)
    if not before[-1:].isdigit():
        return []
    in_chain = _CHAIN_BEFORE.search(before) or _CHAIN_AFTER.match(match.string, match.end())
    return [(), ("to",)] if in_chain else [("to",), ()]


def _roman(match: re.Match[str]) -> Readings:
    """``World War II`` -> two; ``Henry VIII's`` -> the eighth's. ``I`` alone is a word unless a name asks otherwise."""
    before, numeral, owns = text_before(match), match.group(1), match.group(2) is not None
    numbered = _NUMBERED.search(before)
    if not ROMAN.fullmatch(numeral) or (not numbered and (len(numeral) == 1 or set(numeral) & {"L", "C"})):
        return []
    digits = str(roman_value(numeral))
    order, count = ("the", *ordinal(digits)), quantity(digits)
    spelled = tuple(_letters(numeral))
    if numbered:
        said = [count, order, spelled]
    else:
        said = [order, count, ordinal(digits), spelled] if _NAME_BEFORE.search(before) else [count, spelled, order]
    return [(*words, f"{last}'s" if owns else last) for *words, last in said]


def _initials(match: re.Match[str]) -> Readings:
    """``U.S.'s`` -> u s's; ``e.g.`` may be said in English."""
    known = [tuple(reading.split()) for reading in INITIALS.get(match.group().lower(), ())]
    *letters, last = _letters(match.group(1))
    return [*known, (*letters, f"{last}'s" if match.group(2) else last)]


def _abbreviation(match: re.Match[str]) -> Readings:
    """``Dr.`` -> doctor or drive; the commonest titles also without the full stop."""
    if match.string[match.end() : match.end() + 1].isalpha():
        return []
    written, stop = match.groups()
    named = [tuple(reading.split()) for reading in ABBREVIATIONS.get(written.lower(), ())]
    if stop and written.isupper() and len(written) > 2 and named and not is_shouted(match.string):
        return [tuple(_letters(written)), *named]
    if stop or written in TITLES_WITHOUT_STOP:
        ends_a_name = written.lower() in ADDRESSES and not _NAME_AFTER.match(match.string, match.end())
        return named[::-1] if ends_a_name else named
    if written.lower() not in TITLES_IN_ANY_CASE:
        return []
    return named if is_shouted(match.string) else [*named, tuple(_letters(written))]


def _before_number(match: re.Match[str]) -> Readings:
    """``No. 5`` -> number, ``Vol. 2`` -> volume."""
    return [(reading,) for reading in BEFORE_NUMBERS[match.group(1).lower()]]


def _hashtag(match: re.Match[str]) -> Readings:
    """``#MeToo`` -> hashtag me too."""
    said: list[str] = []
    for part in run_together(match.group(1)):
        said += integer(part)[0] if part.isdecimal() else re.findall(r"[^\W\d_]+", part.lower())
    return [("hashtag", *said), tuple(said)]


def _number_sign(match: re.Match[str]) -> Readings:
    """``#`` is a number before a digit and a key elsewhere."""
    if match.string[match.end() : match.end() + 1].isdigit():
        return [("number",), ("pound",), ("hash",)]
    return [("pound",), ("hash",), ("pound", "sign"), ("number", "sign")]


def _symbol(match: re.Match[str]) -> Readings:
    return [tuple(reading.split()) for reading in SYMBOLS[match.group()]]


def _acronym(match: re.Match[str]) -> Readings:
    """Words in capitals, and words without a vowel; with ``'s`` or a plural ``s``.

    Where all is in capitals they say nothing of a word, and only what is known to be spelled is.
    """
    stem, suffix = match.group(1), (match.group(2) or "").lower()
    capitals = stem.isupper() and len(stem) > 1
    must = _must_be_spelled(stem)
    if not (must or capitals) or (suffix and not capitals):
        return []
    letters = _letters(stem)
    spelled = (*letters[:-1], f"{letters[-1]}'s") if suffix else tuple(letters)
    word = stem.lower() + suffix
    if must:
        return [spelled, (word,)]
    if is_shouted(match.string):
        return [spelled, (word,)] if stem.lower() in SPELLED_ALWAYS else [(word,)]
    as_word = stem.lower() in WORDS_IN_CAPITALS or len(stem) > 4
    return [(word,), spelled] if as_word else [spelled, (word,)]


def _must_be_spelled(word: str) -> bool:
    lower = word.lower()
    return len(lower) > 1 and lower not in SPELLED_NEVER and not re.search(r"[aeiouy]|[^a-z]", lower)


def _letters(word: str) -> list[str]:
    return [letter for letter in word.lower() if letter.isalpha()]


_NOT_IN_WORD = r"(?<![^\W_])"
_HALF = r"([AaPp]\.?[Mm]\b\.?)"

LANGUAGE = Language(
    code="en",
    rules=(
        rule(
            _NOT_IN_WORD
            + r"(?P<scheme>https?://)?(?P<rest>(?:www\.|(?<=://)|[\w.-]+@)[\w-]+(?:\.[\w-]+)*(?:/[\w./-]*\w)?"
            r"|[\w-]+(?:\.[\w-]+)*\.(?:com|org|net|edu|gov|io|uk|info)\b(?:/[\w./-]*\w)?)",
            _address,
            re.I | re.A,
        ),
        *MONEY,
        rule(rf"{_NOT_IN_WORD}(\d{{1,2}}):(\d\d)(?::(\d\d))?(?!\d)(?:\s?{_HALF})?", _clock),
        rule(rf"{_NOT_IN_WORD}(\d{{1,2}})\.(\d\d)()\s?{_HALF}", _clock),
        rule(rf"{_NOT_IN_WORD}(\d{{1,2}})\s?{_HALF}", _hour),
        *CALENDAR,
        rule(r"(?<!\d)(?:\+?1[-. ])?(?:\(\d{3}\)\s?|\d{3}-)?\d{3}-\d{4}(?!\d)", _phone),
        rule(r"(?<!\d)\d{3}\.\d{3}\.\d{4}(?!\d)", _phone),
        rule(r"\+\d{1,3}(?:[ .-]?\(?\d{1,5}\)?){2,6}(?!\d)", _phone),
        rule(r"(?<![^\W_])24/7(?![\d/])", lambda match: [("twenty", "four", "seven")]),
        rule(r"\d+(?:\.\d+){2,}", _dotted),
        rule(_NOT_IN_WORD + r"([A-Z])\.(\d{1,9})(?!\d)", _designation),
        rule(
            r"(\d{1,3}(?:[,\u00a0\u2009\u202f]\d{3})+|\d{1,15})(?:st|nd|rd|th)\b",
            lambda m: [ordinal(digits_of(m[1]))],
            re.I,
        ),
        rule(
            r"(?<!\d)(\d{2}(?:\d0)?)(?:'?s|'S)\b", lambda match: [decade(match.group(1))] if match[1][-1] == "0" else []
        ),
        rule(r"(?<![\d.,])(\d{1,3})'?s\b", _plural),
        rule(r"(?<![^\W_])'(\d\d)(?![^\W_]|')", lambda match: [two_digits(match.group(1))]),
        rule(r"(?<!\d)(\d)'\s?(\d{1,2})(?:\"|''|[”″])", _height),
        *NUMBERS,
        rule(r"[-–](?=\d)", _range),
        rule(_NOT_IN_WORD + r"([IVXLC]{1,7})('s)?(?![^\W_])(?!\.[A-Z]|')", _roman),
        rule(_NOT_IN_WORD + r"((?:[A-Za-z]\.){2,})('s\b)?", _initials),
        rule(_NOT_IN_WORD + r"(Ph\.\s?D\.)('s\b)?", _initials),
        rule(_NOT_IN_WORD + r"(Nos?|Vols?|Figs?|pp?|Ch|Apt|Pt|Sec|Paras?)\.(?=\s?\d)", _before_number, re.I),
        rule(_NOT_IN_WORD + r"([A-Z]{1,3})&([A-Z]{1,3})('s)?(?![^\W_])", _joined_letters),
        rule(_NOT_IN_WORD + r"([A-Za-z]+)(\.)?", _abbreviation),
        rule(_NOT_IN_WORD + rf"#(?={LETTER})(\w+)", _hashtag),
        rule(r"#", _number_sign),
        rule(r"(?<=\d):(?=\d)", lambda match: [("to",), ()]),
        rule(r"\*+(?=[^\W\d_])|(?<=[^\W\d_])\*+", lambda match: [(), ("star",), ("asterisk",)]),
        rule("|".join(map(re.escape, SYMBOLS)), _symbol),
        rule(VULGAR, lambda match: fraction(*vulgar(match[0]))),
        rule(_NOT_IN_WORD + r"'(?:" + "|".join(LEADING_APOSTROPHE) + r")\b", lambda m: [(m.group().lower(),)], re.I),
        rule(r"([A-Za-z]+?)('[sS]|s)?(?![^\W\d_])(?!'[^\W\d_])", _acronym),
    ),
)
