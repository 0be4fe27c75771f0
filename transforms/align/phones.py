"""The phones of CMUdict, and what may be said in place of a word's dictionary pronunciations."""

from collections.abc import Sequence
from typing import Literal

VOWELS = tuple("AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW".split())
STOPS = tuple("B CH D G JH K P T".split())
APPROXIMANTS = tuple("DH HH L R W Y".split())
OTHERS = tuple("F M N NG S SH TH V Z ZH".split())
PHONES = ("SIL", *sorted([*VOWELS, *STOPS, *APPROXIMANTS, *OTHERS]))
"""Index 0 is silence."""
SILENCE_SHARE = 0.1
"""What silence counts for in the averages over a recording, however much of it there is: no word's edges are to depend
on that."""
PHONE_ID = {phone: index for index, phone in enumerate(PHONES)}

OnsetClass = Literal["vowel", "stop", "approximant", "other", "W", "DH"]

Pronunciation = tuple[str, ...]


def onset_class(phone: str) -> OnsetClass:
    """What a word that begins with this phone looks like at its start."""
    if phone in VOWELS:
        return "vowel"
    if phone in STOPS:
        return "stop"
    if phone == "W":
        return "W"
    if phone == "DH":
        return "DH"
    return "approximant" if phone in APPROXIMANTS else "other"


def with_reductions(pronunciations: Sequence[Pronunciation]) -> tuple[Pronunciation, ...]:
    """Pronunciations and their reduced forms: no T or D after a final consonant (`las(t) night`), no H in short words
    (`tell (h)im`); each once, in order.
    """
    forms = dict.fromkeys(pronunciations)
    for phones in pronunciations:
        if len(phones) > 2 and phones[-1] in ("T", "D") and phones[-2] not in VOWELS:
            forms.setdefault(phones[:-1])
        if phones[0] == "HH" and 1 < len(phones) <= 3:
            forms.setdefault(phones[1:])
    return tuple(forms)
