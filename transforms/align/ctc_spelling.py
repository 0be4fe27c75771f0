"""Words to the tokens of a CTC model's vocabulary, with a wildcard for what it cannot spell."""

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

Romanise = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Spelling:
    """What is put to the Viterbi: ``tokens[i]`` belongs to word ``owners[i]``, a separator to none (-1); ``gaps`` has
    one entry more.

    Token ids from ``len(vocabulary)`` on are columns that ``Speller`` adds to the emissions, see there.
    """

    tokens: tuple[int, ...]
    gaps: tuple[int, ...]
    owners: tuple[int, ...]


class Speller:
    """Spells words in the characters of a vocabulary, in the case in which it has them.

    A character that the vocabulary lacks is tried without its accents; if that does not help, the word is romanised.
    Punctuation is left out. What is still not in the vocabulary, digits for instance, is a star each, which fits any
    character. Between two words the separator is said, if the model has one: it is what such a model knows of where a
    word begins. Emissions need three columns more: two for stars (neighbours take turns, so that no blank is asked for
    between them) and one for the pause around words, in which the separator may be said again.

    Args:
        vocabulary: Character to column.
        size: Number of columns that the model has.
        blank: The column of the CTC blank.
        separator: The column of the word separator, if the model has one.
        romanise: Any script to Latin letters.
    """

    def __init__(
        self, vocabulary: Mapping[str, int], *, size: int, blank: int, separator: int | None, romanise: Romanise
    ) -> None:
        self._ids = {
            char: column
            for char, column in vocabulary.items()
            if len(char) == 1 and column not in (blank, separator) and column < size
        }
        self._blank, self._separator = blank, separator
        self.stars = (size, size + 1)
        self.pause = size + 2
        self._romanise = romanise
        self._spell = lru_cache(maxsize=65_536)(self._spell_word)

    def spell(self, words: Sequence[str]) -> Spelling:
        tokens: list[int] = []
        gaps: list[int] = []
        owners: list[int] = []
        for owner, word in enumerate(words):
            if owner and self._separator is not None:
                gaps.append(self.pause)
                tokens.append(self._separator)
                owners.append(-1)
            ids = list(self._spell(word)) or [None]
            gaps += [self.pause, *[self._blank] * (len(ids) - 1)]
            for column in ids:
                if column is None:
                    column = self.stars[1] if tokens and tokens[-1] == self.stars[0] else self.stars[0]
                tokens.append(column)
            owners += [owner] * len(ids)
        return Spelling(tuple(tokens), (*gaps, self.pause), tuple(owners))

    def _spell_word(self, word: str) -> tuple[int | None, ...]:
        """Columns; None for a star."""
        plain = self._look_up(unicodedata.normalize("NFC", word))
        if None not in plain:
            return plain
        romanised = self._look_up(self._romanise(word))
        return romanised if romanised.count(None) < plain.count(None) else plain

    def _look_up(self, text: str) -> tuple[int | None, ...]:
        columns: list[int | None] = []
        for char in text:
            found = self._column(char)
            if found is None:
                bare = [self._column(part) for part in unicodedata.normalize("NFKD", char)]
                spelled = [column for column in bare if column is not None]
                if spelled:
                    columns += spelled
                elif unicodedata.category(char)[0] in "LNS":
                    columns.append(None)
            else:
                columns.append(found)
        return tuple(columns)

    def _column(self, char: str) -> int | None:
        for variant in (char, char.lower(), char.upper()):
            if variant in self._ids:
                return self._ids[variant]
        return None


def uroman() -> Romanise:
    """The universal romaniser (Hermjakob, May and Knight 2018) that MMS was trained with; loads when first asked."""
    loaded: list[Any] = []

    def romanise(text: str) -> str:
        if not any(char.isalpha() and not char.isascii() for char in text):
            return text
        if not loaded:
            from uroman import Uroman

            loaded.append(Uroman())
        return str(loaded[0].romanize_string(text))

    return romanise
