"""Sentiment of English sentences by their words: a small lexicon with negation, which needs no model.

It is a stand-in where no trained classifier is at hand: it knows everyday words and no irony. Name a trained one with
``hf:FOLDER``.
"""

import re
from typing import Literal

Sentiment = Literal["positive", "neutral", "negative"]
SENTIMENTS: tuple[Sentiment, ...] = ("positive", "neutral", "negative")

_POSITIVE = frozenset(
    "amazing amused amusing awesome beautiful best better blessed bliss brave bright brilliant calm celebrate charming"
    " cheer cheerful comfortable congratulations cool cute delicious delight delighted delightful enjoy enjoyed"
    " enjoying excellent excited exciting fabulous fantastic fond friendly fun funny generous gentle glad glorious good"
    " gorgeous grateful great happily happiness happy hilarious hope hopeful hug incredible interesting joke joy"
    " joyful kind kiss laugh laughed laughing laughs laughter like liked likes love loved lovely loves loving luck"
    " lucky marvelous merry nice nicely outstanding peaceful perfect perfectly pleasant pleased pleasure pretty proud"
    " relaxed relieved safe satisfied smile smiled smiling special splendid success superb surprise sweet terrific"
    " thank thankful thanks thrilled triumph welcome win winner won wonderful yay".split()
)
_NEGATIVE = frozenset(
    "abandoned afraid agony alone anger angrily angry annoyed annoying anxious ashamed awful bad badly bitter boring"
    " broke broken cancer cold cried cruel cry crying damage damn dead death depressed desperate destroyed die died"
    " dies disappointed disappointing disaster disgusting dreadful dull dying evil fail failed failure fear fight"
    " furious grief gross guilty hate hated hates heartbroken hell helpless hopeless horrible horrified hurt hurts ill"
    " injured insult jealous kill killed lied lonely lose loser lost mad mean mess miserable misery miss missed"
    " mistake mourn nasty nightmare pain painful panic pathetic poor rage regret rejected rude ruin ruined sad sadly"
    " sadness scared scary shame shut sick sorrow sorry stupid suffer suffered suffering terrible terribly terrified"
    " tired tragedy tragic trouble ugly unfair unfortunately unhappy upset useless victim violence war weep worried"
    " worry worse worst wounded wrong".split()
)
_NEGATION = frozenset("not no never nothing nobody hardly without cannot".split())
_REACH = 3  # a negation turns the words behind it, this many at most
_WORD = re.compile(r"[a-z']+")


def lexicon_sentiment(text: str) -> Sentiment:
    """Positive where positive words outweigh negative ones, negative the other way round, neutral otherwise."""
    words = _WORD.findall(text.lower().replace("\u2019", "'"))
    balance = 0
    for index, word in enumerate(words):
        value = (word in _POSITIVE) - (word in _NEGATIVE)
        before = words[max(0, index - _REACH) : index]
        balance += -value if any(w in _NEGATION or w.endswith("n't") for w in before) else value
    return "positive" if balance > 0 else "negative" if balance < 0 else "neutral"
