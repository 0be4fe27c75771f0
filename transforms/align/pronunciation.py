"""How an English word sounds, in the ARPAbet of CMUdict: the dictionary first, then a neural guess.

The guess is g2p_en's character-level GRU encoder-decoder (Park and Kim, 2019; Apache-2.0), run here in
numpy from its published weights. Stress marks are dropped, as the acoustic model has none.
"""

import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from schemas.errors import UserError
from transforms.backend import digest_file

G2P_SHA256 = "b8af35e4596d8dd5836dfd3fe9b2ba4f97b9c311efe8879544cbcfcbd566d8c6"

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_LETTER_ID = {letter: index for index, letter in enumerate(_LETTERS, start=3)}  # 0 pad, 1 unknown, 2 end of word
_END_OF_WORD = 2
_VOWELS = "AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW".split()
_CONSONANTS = "B CH D DH F G HH JH K L M N NG P R S SH T TH V W Y Z ZH".split()
# The order of the model's output layer: four marks, then the ARPAbet sorted, vowels in three degrees of stress
# (and one UW without any, as its training data had it).
_PHONES = ["", "", "", "", *sorted([*_CONSONANTS, "UW", *(vowel + stress for vowel in _VOWELS for stress in "012")])]
_START, _STOP = 2, 3
_MAX_PHONES = 40

Array = npt.NDArray[np.float32]
Dictionary = Mapping[str, tuple[str, ...]]


def read_dictionary(path: Path) -> dict[str, tuple[str, ...]]:
    """Word -> its pronunciations, from a CMUdict file (``word phones`` and ``word(2) phones`` lines)."""
    entries: dict[str, list[str]] = {}
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            word, _, phones = line.rstrip("\n").partition(" ")
            entries.setdefault(word.split("(")[0], []).append(phones)
    return {word: tuple(phones) for word, phones in entries.items()}


class GraphemeToPhoneme:
    """Guesses one pronunciation of a word of the letters a-z.

    Raises:
        UserError: The weights are not the file that this code was written for.
    """

    def __init__(self, weights: Path) -> None:
        if digest_file(weights) != G2P_SHA256:
            raise UserError(f"{weights}: not the expected g2p weights (sha256 {G2P_SHA256[:12]}...); restore the file")
        with np.load(weights, allow_pickle=False) as arrays:
            self._weights: dict[str, Array] = {name: arrays[name].astype(np.float32) for name in arrays.files}

    def guess(self, letters: str) -> str:
        """ARPAbet phones without stress, separated by blanks; greedy decoding."""
        weights = self._weights
        hidden_D = np.zeros(weights["enc_w_hh"].shape[1], dtype=np.float32)
        for index in [*(_LETTER_ID[letter] for letter in letters), _END_OF_WORD]:
            hidden_D = self._gru_step("enc", weights["enc_emb"][index], hidden_D)
        phones: list[str] = []
        index = _START
        while len(phones) < _MAX_PHONES:
            hidden_D = self._gru_step("dec", weights["dec_emb"][index], hidden_D)
            index = int(np.argmax(weights["fc_w"] @ hidden_D + weights["fc_b"]))
            if index == _STOP:
                break
            phones.append(_PHONES[index].rstrip("012"))
        return " ".join(phone for phone in phones if phone)

    def _gru_step(self, side: str, input_D: Array, hidden_D: Array) -> Array:
        """One step of a GRU whose gates lie in the order reset, update, new."""
        weights = self._weights
        from_input = weights[f"{side}_w_ih"] @ input_D + weights[f"{side}_b_ih"]
        from_hidden = weights[f"{side}_w_hh"] @ hidden_D + weights[f"{side}_b_hh"]
        reset_in, update_in, new_in = np.split(from_input, 3)
        reset_hidden, update_hidden, new_hidden = np.split(from_hidden, 3)
        reset = 1 / (1 + np.exp(-(reset_in + reset_hidden)))
        update = 1 / (1 + np.exp(-(update_in + update_hidden)))
        new = np.tanh(new_in + reset * new_hidden)
        step: Array = (1 - update) * new + update * hidden_D
        return step


class Pronouncer:
    """Pronunciations of lower-case words of letters and apostrophes."""

    def __init__(self, dictionary: Dictionary, guesser: GraphemeToPhoneme) -> None:
        self._dictionary = dictionary
        self._guess = lru_cache(maxsize=65_536)(guesser.guess)

    def pronounce(self, word: str) -> tuple[str, ...]:
        """All pronunciations known, or one guessed; empty for a word without a Latin letter."""
        if word in self._dictionary:
            return self._dictionary[word]
        if word.endswith("'s") and word[:-2] in self._dictionary:
            return tuple(f"{phones} {_possessive(phones)}" for phones in self._dictionary[word[:-2]])
        if word.endswith("in'") and word[:-1] + "g" in self._dictionary:
            return tuple(_with_final_n(phones) for phones in self._dictionary[word[:-1] + "g"])
        plain = latin_letters(word)
        if plain in self._dictionary:
            return self._dictionary[plain]
        phones = self._guess(plain) if plain else ""
        return (phones,) if phones else ()


def latin_letters(word: str) -> str:
    """The word in the letters a-z alone: accents dropped, anything else left out."""
    return "".join(letter for letter in unicodedata.normalize("NFKD", word.lower()) if letter in _LETTER_ID)


def _possessive(phones: str) -> str:
    last = phones.split()[-1]
    if last in {"S", "Z", "SH", "ZH", "CH", "JH"}:
        return "IH Z"
    return "S" if last in {"P", "T", "K", "F", "TH"} else "Z"


def _with_final_n(phones: str) -> str:
    return f"{phones.removesuffix(' NG')} N" if phones.endswith(" NG") else phones
