"""Words of a language without rules: what is written as it is said can be split, anything else needs rules.

Only scripts that part words by blanks are split; a text with a number, a currency or another sign that is spoken
is refused, as is one in a script without blanks.
"""

import re
import unicodedata

from schemas.errors import RecordError
from transforms.text.language_codes import base_language
from transforms.text.verbalise import Slot, tag_at

_TAG = re.compile(r"[a-z]{2,3}$")
_SPOKEN_SIGNS = frozenset("%‰&@+=#*/§°\\|~^<>_")
_APOSTROPHES = "'"
# Chinese, Japanese, Thai, Lao, Khmer, Burmese, Tibetan, Javanese and their kin
_WITHOUT_BLANKS = re.compile(
    "[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f"
    "\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf\ua980-\ua9df\U00020000-\U0003134f]"
)


def plain_slots(text: str, language: str, known: str) -> tuple[Slot, ...]:
    """One slot a word, of one reading: lower case, composed; and the tags.

    Raises:
        RecordError: ``unknown_language``: not a language code, or something in the text cannot be split into words
            or read out without rules.
    """
    if not _TAG.match(base_language(language)):
        raise RecordError("unknown_language", f"{language!r} is no language code (expected one like 'en' or 'pt-BR')")
    found: list[Slot] = []
    position = 0
    while position < len(text):
        tag = tag_at(text, position)
        if tag is not None:
            found.append(tag)
            position = tag.char_end
            continue
        char = text[position]
        if _needs_rules(char):
            detail = f"no verbalisation rules for language {language!r} (there are: {known}), needed at {char!r}"
            raise RecordError("unknown_language", detail)
        end = _word_end(text, position)
        if end > position:
            word = unicodedata.normalize("NFC", text[position:end].lower())
            found.append(Slot(position, end, ((word,),)))
            position = end
        else:
            position += 1
    return tuple(found)


def _needs_rules(char: str) -> bool:
    category = unicodedata.category(char)
    return category[0] == "N" or category == "Sc" or char in _SPOKEN_SIGNS or bool(_WITHOUT_BLANKS.match(char))


def _word_end(text: str, start: int) -> int:
    """The end of the word at ``start``: letters with their marks, and apostrophes between letters."""
    end = start
    while end < len(text):
        apostrophe = text[end] in _APOSTROPHES and _is_letter(text[end + 1 : end + 2])
        inside = end > start and (_is_mark(text[end]) or apostrophe)
        if not inside and not _is_letter(text[end]):
            break
        end += 1
    return end


def _is_letter(char: str) -> bool:
    return char.isalpha() and not _WITHOUT_BLANKS.match(char)


def _is_mark(char: str) -> bool:
    return unicodedata.category(char)[0] == "M"
