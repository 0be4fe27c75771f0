import random

import pytest

from transforms.align.pocketsphinx import model_dir
from transforms.align.pronunciation import GraphemeToPhoneme, Pronouncer, latin_letters, read_dictionary
from transforms.assets import resolve_asset


@pytest.fixture(scope="module")
def dictionary():
    return read_dictionary(model_dir() / "cmudict-en-us.dict")


@pytest.fixture(scope="module")
def guesser():
    return GraphemeToPhoneme(resolve_asset("bundled", bundled_name="g2p-en/weights.npz"))


def test_the_dictionary_keeps_every_pronunciation(dictionary):
    assert dictionary["zero"] == ("Z IH R OW", "Z IY R OW")


def test_letters_are_named(dictionary, guesser):
    pronouncer = Pronouncer(dictionary, guesser)
    assert pronouncer.pronounce("w") == ("D AH B AH L Y UW",)
    assert all(pronouncer.pronounce(letter) for letter in "abcdefghijklmnopqrstuvwxyz")


def test_guesses_agree_with_the_dictionary_on_most_words(dictionary, guesser):
    """Published as about 75 % of words right on CMUdict; these are words that the model may have seen."""
    words = [word for word in sorted(dictionary) if word.isalpha()]
    sample = random.Random(0).sample(words, 150)
    right = sum(guesser.guess(word) in dictionary[word] for word in sample)
    assert right >= 0.65 * len(sample)


@pytest.mark.parametrize(
    ("word", "phones"),
    [("asterisk's", "AE S T ER IH S K S"), ("switch's", "S W IH CH IH Z"), ("dialin'", "D AY AH L IH N")],
)
def test_inflections_follow_the_dictionary(dictionary, guesser, word, phones):
    assert phones in Pronouncer({**dictionary, "asterisk": ("AE S T ER IH S K",)}, guesser).pronounce(word)


def test_accents_fold_to_latin_letters():
    assert latin_letters("Café") == "cafe"
    assert latin_letters("日本") == ""
