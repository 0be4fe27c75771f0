"""The rules that languages share: a ``Locale`` in, a table of rules for the scanner out.

Order is precedence: addresses before numbers, telephone numbers before grouped thousands. A rule that declines hands
its place to the next.
"""

import re
from collections.abc import Sequence
from itertools import product

from transforms.text.verbalise import LETTER, Language, Reading, Rule, is_shouted, run_together, text_before
from transforms.text.verbalise_amounts import Match, Read, amounts, rule_of
from transforms.text.verbalise_locale import Locale, Readings, longest, unique, words
from transforms.text.verbalise_numbers import (
    NUMBERED,
    ROMAN,
    by_digit,
    dotted,
    in_groups,
    integers,
    quantities,
    roman_value,
)

_NOT_IN_WORD = r"(?<![^\W_])"
_ENDS = r"(?![^\W_])"
_SPELLED_NEVER = frozenset("hm hmm mm mmm mhm sh shh psst pst brr grr pff pfff tsk zzz хм гм мм тсс ш".split())
_SPELLED_ALWAYS = frozenset("usa eu ue uk fbi cia ibm usb cdu csu afd ard edv сша оон ооо мгу мид эвм".split())
_NAME_BEFORE = re.compile(r"\b[A-ZÀ-ÖØ-ÞА-ЯЁ][^\W\d_]+ $|\b(?:papa|век) $")
_NUMBER_AFTER, _NUMBER_BEFORE = re.compile(r"\s?(?:\d|[IVXLC]+\b)"), re.compile(r"\d\.?\s$")
_ADDRESS = (
    r"(?P<scheme>https?://)?(?P<rest>(?:www\.|(?<=://)|[\w.+-]+@)[\w-]+(?:\.[\w-]+)*(?:/[\w./-]*\w)?"
    r"|[\w-]+(?:\.[\w-]+)*\.(?:com|org|net|edu|gov|info|io|eu|{domains})\b(?!\.\w)(?:/[\w./-]*\w)?)"
)


def language(locale: Locale) -> Language:
    """The rules of a language."""
    elided = rf"(?:(?P<elided>{locale.elisions})')?"

    def rule(pattern: str, read: Read, flags: int = 0) -> Rule:
        return rule_of(locale, pattern, read, flags)

    return Language(
        locale.code,
        (
            *locale.rules,
            rule(_NOT_IN_WORD + _ADDRESS.format(domains=locale.domains), _address, re.I),
            *(rule(_flexible(name), _phrase(name), re.I) for name in longest(locale.phrases)),
            *(rule(rf"(?<!\d){pattern}(?!\d)", _clock) for pattern in locale.clock_patterns),
            rule(r"(?<!\d)(?P<h>\d{1,2}):(?P<m>\d\d)(?::(?P<s>\d\d))?(?![\d:])", _clock),
            rule(r"(?<!\d)(?P<d>\d{1,2})(?P<by>[./-])(?P<m>\d{1,2})(?P=by)(?P<y>\d{4}|\d\d)(?!\d|(?P=by)\d)", _date),
            rule(r"(?<!\d)(?P<y>\d{4})-(?P<m>\d\d)-(?P<d>\d\d)(?!\d)", _date),
            rule(r"\+\d{1,3}(?:[ .-]?\(?\d{1,5}\)?){2,6}(?!\d)", _phone),
            *(rule(rf"(?<!\d){pattern}(?!\d)", _phone) for pattern in locale.phone_patterns),
            rule(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![.,]?\d)", _internet_address),
            *amounts(locale),
            rule(r"[IVXLC]{1,7}(?![^\W_])", _roman),
            rule(_NOT_IN_WORD + r"(?:[^\W\d_]\.){2,}", _initials),
            rule(
                rf"{_NOT_IN_WORD}{elided}(?P<name>[^\W\d_]+)(?:\.|(?P<title>(?=[ -][^\W\d_])))",
                _abbreviation,
            ),
            rule(_NOT_IN_WORD + rf"#(?={LETTER})(?P<name>\w+)", _hashtag),
            rule(r"\*+(?=[^\W\d_])|(?<=[^\W\d_])\*+", lambda locale, match: ((), *locale.symbols["*"])),
            rule(_NOT_IN_WORD + r"([^\W\d_])\.(?=\s?([^\W\d_]))", _initial),
            rule("|".join(map(re.escape, longest(locale.symbols))), lambda locale, match: locale.symbols[match[0]]),
            rule(
                rf"{elided}(?P<stem>[^\W\d_]+?)(?P<suffix>'[sS]|s)?(?![^\W\d_])(?!'[^\W_])",
                _acronym,
            ),
        ),
    )


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
    return dotted(locale, parts) if all(int(part) < 256 for part in parts) else ()


def _roman(locale: Locale, match: Match) -> Readings:
    before = text_before(match)
    if not ROMAN.fullmatch(match[0]) or before[-1:].isalpha():
        return ()
    named = NUMBERED.search(before) or (_NAME_BEFORE.search(before) and not set(match[0]) & {"L", "C"})
    if not named and (len(match[0]) == 1 or set(match[0]) & {"L", "C"}):
        return ()
    return unique(*locale.roman(roman_value(match[0]), match), _spelled(locale, match[0]))


def _initials(locale: Locale, match: Match) -> Readings:
    return (_spelled(locale, match[0]),)


def _hashtag(locale: Locale, match: Match) -> Readings:
    """``#MeToo`` -> hashtag me too."""
    parts = run_together(match["name"])
    said = tuple(word for part in parts for word in (integers(locale, part)[0] if part.isdecimal() else words(part)))
    return ((*words(locale.hashtag), *said), said)


def _initial(locale: Locale, match: Match) -> Readings:
    """``A. S. Pushkin``: letters, though they be words."""
    return (_spelled(locale, match[1]),) if match[1].isupper() and match[2].isupper() else ()


def _abbreviation(locale: Locale, match: Match) -> Readings:
    """``dott.``, ``l'avv.``; ``p. 5`` only beside a number, ``Dr Petit`` only before a name."""
    text, end = match.string, match.end()
    name = match["name"].lower()
    if match["title"] is not None:
        said = locale.abbreviations[name] if match["name"] in locale.titles and text[end + 1].isupper() else ()
    elif text[end : end + 1].isalpha():
        said = ()
    else:
        numbered = _NUMBER_AFTER.match(text, end) or (len(name) > 1 and _NUMBER_BEFORE.search(text_before(match)))
        said = (locale.before_numbers.get(name, ()) if numbered else ()) or locale.abbreviations.get(name, ())
    elided = f"{match['elided'].lower()}'" if match["elided"] else ""
    return tuple((elided + first, *rest) for first, *rest in said)


def _acronym(locale: Locale, match: Match) -> Readings:
    """Words in capitals (but for a text wholly in capitals), words without a vowel, and letters by themselves.

    ``DVDs`` is de vau des, ``l'ADN`` is l'a dé enne.
    """
    elided, written, suffix = match["elided"], match["stem"], match["suffix"] or ""
    if suffix == "s" and (len(written) == 1 or not written.isupper()):
        written, suffix = written + suffix, ""
    lower = written.lower()
    capitals = written.isupper() and len(written) > 1
    before = match.string[max(0, match.start() - 1) : match.start()]
    if before.isalpha() or before == "'":
        return ()
    if any(letter not in locale.letters for letter in lower) or ((suffix or elided) and not capitals):
        return ()
    *letters, last = _spelled(locale, written)
    spelled: Reading = (*letters, last + locale.plural * bool(suffix))
    word: Reading = (lower + suffix.lower(),)
    if elided:
        spelled, word = ((f"{elided.lower()}'{first}", *rest) for first, *rest in (spelled, word))
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


def _flexible(phrase: str) -> str:
    """A phrase of abbreviations, with or without a blank after each full stop."""
    return _NOT_IN_WORD + re.escape(phrase).replace(r"\.", r"\.\s?").removesuffix(r"\s?") + _ENDS
