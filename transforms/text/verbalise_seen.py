"""A text as rules see it, and where each of its characters was written."""

import unicodedata
from dataclasses import dataclass
from functools import lru_cache

_PLAIN = str.maketrans("’‘ʼ＇`´⁄₀₁₂₃₄₅₆₇₈₉ᵃᵈᵉᵐᵒʳˢᵗ", "''''''/0123456789ademorst")


@dataclass(frozen=True, slots=True)
class Seen:
    """``origins``: the written character that each one stands for, ascending."""

    text: str
    origins: range | tuple[int, ...]

    def written(self, start: int, end: int) -> tuple[int, int]:
        """The written characters of ``[start, end)``, which is not empty."""
        return self.origins[start], self.origins[end - 1] + 1


def seen(text: str) -> Seen:
    """Straight apostrophes, plain digits, and nothing that is invisible, as a soft hyphen inside a word is."""
    plain = text.translate(_PLAIN)
    if plain.isascii():
        return Seen(plain, range(len(plain)))
    spelled = [_spelled(char) for char in plain]
    if all(len(part) == 1 for part in spelled):
        return Seen(plain, range(len(plain)))
    return Seen("".join(spelled), tuple(place for place, part in enumerate(spelled) for _ in part))


@lru_cache(maxsize=4096)
def _spelled(char: str) -> str:
    return "" if unicodedata.category(char) == "Cf" else char
