"""Many likelihoods at once are those of one at a time."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.infer.parts import Speech, Text
from pipelines.infer.prompts import PairsError
from pipelines.infer.scoring import log_likelihoods
from schemas.errors import UserError
from tests.toy_corpus import toy_utterance
from transforms.units.batching import length_buckets


def pairs_of_all_kinds():
    pairs = []
    for number in range(6):
        said, other = toy_utterance(number), toy_utterance(number + 20)
        pairs += [
            ([Text(said.text)], [Speech(streams=said.streams)]),
            ([Speech(streams=said.streams)], [Text(other.text)]),
            ([Speech(streams=said.streams), Text("red")], [Text(said.text)]),
            ([], [Speech(streams=other.streams)]),
        ]
    return pairs


@pytest.mark.parametrize("tokens_per_batch", [1, 200, 10**6])
def test_batches_score_as_one_by_one(model, tokens_per_batch):
    pairs = pairs_of_all_kinds()
    together = model.score_pairs(pairs, tokens_per_batch=tokens_per_batch)
    for pair, score in zip(pairs, together, strict=True):
        (alone,) = model.score_pairs([pair])
        assert (score.tokens, score.whole_tokens) == (alone.tokens, alone.whole_tokens)
        assert score.log_likelihood == pytest.approx(alone.log_likelihood, abs=1e-4)
        assert score.whole_log_likelihood == pytest.approx(alone.whole_log_likelihood, abs=1e-4)


def test_the_whole_counts_the_prompt_and_the_continuation_does_not(model):
    layout, text = model.layout, model.tokenizer
    prompt, candidate = text.encode("red goes"), toy_utterance(2).streams
    (score,) = model.score_pairs([([Text("red goes")], [Speech(streams=candidate)])])
    spoken = model.score_pairs([([], [Speech(streams=candidate)])])[0]
    assert score.tokens == spoken.tokens == spoken.whole_tokens
    assert score.whole_tokens == len(prompt) + 1 + score.tokens  # the marker between them
    opened = [text.bos_id, layout.text_marker, *prompt]
    (own,) = log_likelihoods(model.model, [opened], starts=[2])
    (marked,) = log_likelihoods(model.model, [[*opened, layout.speech_marker]], starts=[len(opened)])
    assert score.whole_log_likelihood - score.log_likelihood == pytest.approx(own.sum() + marked.sum(), abs=1e-4)
    assert score.whole_per_token == score.whole_log_likelihood / score.whole_tokens


def test_what_cannot_be_scored_is_named(model):
    fine = ([Text("red")], [Text("green")])
    with pytest.raises(UserError, match=r"pair 1: .*no token"):
        model.score_pairs([fine, ([Text("red")], [Text(" ")])])
    with pytest.raises(UserError, match=r"pair 1: prompt and candidate have \d+ tokens.*context is 128"):
        model.score_pairs([fine, ([Text("red " * 200)], [Text("red")])])
    with pytest.raises(PairsError) as all_of_them:
        model.score_pairs([([], [Text("")]), fine, ([], [Text("red " * 200)])])
    assert {number: cause.code for number, cause in all_of_them.value.causes.items()} == {0: "no_token", 2: "too_long"}
    assert model.score_pairs([]) == []


@given(lengths=st.lists(st.integers(1, 50), max_size=40), budget=st.integers(1, 200))
def test_buckets_hold_every_index_once_within_the_budget(lengths, budget):
    buckets = list(length_buckets(lengths, max_frames=budget, max_waste=math.inf))
    assert sorted(index for bucket in buckets for index in bucket) == list(range(len(lengths)))
    for bucket in buckets:
        assert len(bucket) == 1 or len(bucket) * max(lengths[index] for index in bucket) <= budget
    # Neighbouring buckets don't overlap in length, and none could take the next one's first.
    for left, right in pairwise(buckets):
        assert min(lengths[i] for i in left) >= max(lengths[i] for i in right)
        assert (len(left) + 1) * lengths[left[0]] > budget
