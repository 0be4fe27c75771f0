"""Text spans from the tokens of their words, for tokenizers that never join two words.

A span that begins at a word and ends before one encodes to the tokens of its words, one after the other, when no token
of the vocabulary reaches over a space and the words are parted by single spaces. Then a text is tokenised once, and
every draw of an interleaving cuts it. A word has two forms, because most tokenizers mark a word inside a text.
"""

from collections.abc import Iterable
from typing import NamedTuple

from transforms.text.protocol import TextTokenizer
from transforms.text.tokenizer import HfTokenizer, SentencePieceTokenizer

_SPACE_SIGNS = ("\u2581", "\u0120", " ")  # of SentencePiece, of byte-level BPE
_ANCHOR = "a"
_MEMO_WORDS = 200_000


class WordForms(NamedTuple):
    """Tokens of a word where a text begins with it, and inside a text."""

    first: tuple[int, ...]
    inner: tuple[int, ...]


NOTHING = WordForms((), ())


class WordTokens:
    """Tokens of single words, remembered. ``cuttable`` is False for a tokenizer of which nothing is known."""

    def __init__(self, tokenizer: TextTokenizer) -> None:
        self._encode = tokenizer.encode
        self._anchor = tuple(tokenizer.encode(_ANCHOR))
        self._memo: dict[str, WordForms | None] = {}  # by the word and the space behind it, as a text has it
        self.cuttable = _never_joins_words(tokenizer)

    def forms(self, word: str) -> WordForms | None:
        """None where the word changes the tokens before it."""
        key = f"{word} "
        try:
            return self._memo[key]
        except KeyError:
            if len(self._memo) >= _MEMO_WORDS:
                self._memo.clear()
        behind = tuple(self._encode(f"{_ANCHOR} {word}"))
        forms = None
        if behind[: len(self._anchor)] == self._anchor:
            forms = WordForms(tuple(self._encode(word)), behind[len(self._anchor) :])
        if word:
            self._memo[key] = forms
        return forms

    def remembered(self, pieces: Iterable[str]) -> list[WordForms | None]:
        """Forms of words with one space behind each; None for what is not remembered, or is no such piece."""
        return list(map(self._memo.get, pieces))

    def of_text(self, text: str, cuts: list[int]) -> list[WordForms] | None:
        """Forms of the words ``text[cuts[i]:cuts[i + 1]]``; None where the text has to be encoded span by span."""
        if not self.cuttable:
            return None
        found: list[WordForms] = []
        last = len(cuts) - 2
        for index in range(last + 1):
            piece = text[cuts[index] : cuts[index + 1]]
            word = piece.strip()
            begins_in_space = index > 0 and not piece[:1].strip()
            if begins_in_space or (index < last and piece[len(piece.rstrip()) :] != " "):
                return None
            forms = self.forms(word)
            if forms is None:
                return None
            found.append(forms)
        return found


def _never_joins_words(tokenizer: TextTokenizer) -> bool:
    if isinstance(tokenizer, SentencePieceTokenizer):
        pieces = [tokenizer.processor.id_to_piece(index) for index in range(tokenizer.vocab_size)]
    elif isinstance(tokenizer, HfTokenizer):
        pieces = list(tokenizer.tokenizer.get_vocab())
    else:
        return False
    return not any(sign in piece.lstrip(sign) for piece in pieces for sign in _SPACE_SIGNS)
