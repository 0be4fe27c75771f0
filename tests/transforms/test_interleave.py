"""Laws of interleaving, and its golden draws."""

import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.records import AlignedWord
from schemas.vocabulary import VocabularyLayout
from tests.strategies import utterances
from transforms.interleave import InterleaveConfig, encode_utterance, spirit_runs
from transforms.interleave_policies import draw_runs
from transforms.seeds import rng_for, shard_of
from transforms.streams import merge_streams
from transforms.text.verbalise import verbalise
from transforms.written import written_groups

LAYOUT = VocabularyLayout(300, 500, 64, 100, text_fingerprint="t")
SHORT = InterleaveConfig(text_words=(1, 4), speech_words=(1, 3))


class ByteTokenizer:
    """UTF-8 bytes as tokens: reversible, so what is encoded can be read back."""

    vocab_size, bos_id, eos_id, fingerprint = 300, 256, 257, "t"

    def encode(self, text: str) -> list[int]:
        return list(text.encode())

    def decode(self, ids: list[int]) -> str:
        return bytes(ids).decode()


def encode(record, source="interleaved", *, config=SHORT, epoch=0, seed=0):
    return encode_utterance(
        record, source=source, layout=LAYOUT, tokenizer=ByteTokenizer(), config=config, run_seed=seed, epoch=epoch
    )


@given(st.integers(0, 500), st.integers(0, 2**63), st.sampled_from([InterleaveConfig(), SHORT]))
def test_runs_alternate_cover_all_words_and_keep_their_bounds(num_words, seed, config):
    runs = spirit_runs(num_words, np.random.default_rng(seed), config)
    assert [w for run in runs for w in range(run.start, run.end)] == list(range(num_words))
    for left, right in pairwise(runs):
        assert left.modality != right.modality
    for index, run in enumerate(runs):
        low, high = config.text_words if run.modality == "text" else config.speech_words
        assert run.end - run.start <= high
        assert run.end - run.start >= low or index == len(runs) - 1


@given(utterances(), st.integers(0, 5))
def test_segments_tile_the_tokens_the_words_and_the_samples(record, epoch):
    sequence = encode(record, epoch=epoch)
    token, word, sample = 0, 0, 0
    for segment in sequence.segments:
        assert (segment.token_start, segment.word_start, segment.start_sample) == (token, word, sample)
        token, word, sample = segment.token_end, segment.word_end, segment.end_sample
        marker = LAYOUT.text_marker if segment.modality == "text" else LAYOUT.speech_marker
        assert sequence.tokens[segment.token_start] == marker
    assert (token, word, sample) == (len(sequence.tokens), len(record.words), record.num_samples)


@given(utterances())
def test_speech_of_a_segment_is_the_cut_of_the_whole_and_text_is_as_written(record):
    merged = merge_streams(record.streams, layout=LAYOUT)
    sequence = encode(record)
    for segment in sequence.segments:
        body = sequence.tokens[segment.token_start + 1 : segment.token_end]
        if segment.modality == "speech":
            inside = (merged.onsets >= segment.start_sample) & (merged.onsets < segment.end_sample)
            np.testing.assert_array_equal(body, merged.tokens[inside])
        else:
            ranges = {(w.char_start, w.char_end) for w in record.words[segment.word_start : segment.word_end]}
            written = [record.text[start:end] for start, end in sorted(ranges)]
            assert re.findall(r"\w+", ByteTokenizer().decode(body.tolist())) == written


@given(utterances(), st.sampled_from(["speech", "interleaved"]))
def test_without_words_an_utterance_is_the_speech_that_it_is_with_them(record, source):
    spoken = encode(record, source="speech")
    alone = encode(replace(record, words=()), source=source)
    np.testing.assert_array_equal(alone.tokens, spoken.tokens)
    assert [replace(segment, word_end=len(record.words)) for segment in alone.segments] == list(spoken.segments)
    with pytest.raises(ValueError, match="has no words"):
        encode(replace(record, words=()), source="text")


@given(utterances())
def test_a_written_word_is_never_cut_in_half(record):
    starts = {group.start for group in written_groups(record.words, record.text)} | {len(record.words)}
    for segment in encode(record).segments:
        assert segment.word_start in starts
        assert segment.word_end in starts


@given(utterances())
def test_text_spans_hold_what_stands_between_blanks_whole(record):
    order = [*(group.start for group in written_groups(record.words, record.text)), len(record.words)]
    sequence = encode(record)
    for segment in sequence.segments:
        if segment.modality == "text":
            body = sequence.tokens[segment.token_start + 1 : segment.token_end].tolist()
            first, last = order.index(segment.word_start), order.index(segment.word_end)
            assert ByteTokenizer().decode(body).split() == record.text.split()[first:last]


def test_a_compound_is_one_written_word_whatever_parts_it():
    text = "The mother-in-law can't re-enter: A.B. “21” well—known…here"
    words = [
        AlignedWord(word.text, 100 * place, 100 * place + 100, 0.0, word.char_start, word.char_end)
        for place, word in enumerate(verbalise(text, "en"))
    ]
    groups = [[words[place].text for place in group] for group in written_groups(words, text)]
    assert groups == [
        ["the"],
        ["mother", "in", "law"],
        ["can't"],
        ["re", "enter"],
        ["a", "b"],
        ["twenty", "one"],
        ["well", "known", "here"],
    ]


@given(utterances())
def test_unimodal_sequences_have_one_marker_and_everything(record):
    text, speech = encode(record, "text"), encode(record, "speech")
    assert len(text.segments) == len(speech.segments) == 1
    assert ByteTokenizer().decode(text.tokens[1:].tolist()) == record.text.strip()
    np.testing.assert_array_equal(speech.tokens[1:], merge_streams(record.streams, layout=LAYOUT).tokens)


@given(utterances(), st.integers(0, 3), st.integers(0, 3))
def test_the_draw_depends_on_seed_epoch_and_id_alone(record, seed, epoch):
    first = encode(record, seed=seed, epoch=epoch)
    encode(record, seed=seed + 1, epoch=epoch)
    np.testing.assert_array_equal(first.tokens, encode(record, seed=seed, epoch=epoch).tokens)


def test_epochs_draw_anew():
    draws = {
        tuple(
            (r.modality, r.start, r.end) for r in spirit_runs(60, rng_for("a", stage="s", run_seed=0, epoch=e), SHORT)
        )
        for e in range(20)
    }
    assert len(draws) == 20


def test_golden_draw():
    """A changed draw changes every baked corpus: it needs a new format version, not a new golden."""
    rng = rng_for("agent-alreadyon", stage="interleave", run_seed=0, epoch=0)
    runs = [(run.modality, run.start, run.end) for run in spirit_runs(60, rng, InterleaveConfig())]
    assert runs == GOLDEN_RUNS
    assert [shard_of(name, num_shards=16) for name in ("a", "b", "vm-intro")] == GOLDEN_SHARDS


GOLDEN_RUNS = [("text", 0, 27), ("speech", 27, 42), ("text", 42, 60)]
GOLDEN_SHARDS = [5, 0, 0]


@pytest.mark.parametrize("bounds", [(0, 3), (4, 2)])
def test_bounds_that_make_no_sense_are_refused(bounds):
    with pytest.raises(ValueError, match="text_words"):
        InterleaveConfig(text_words=bounds)


POISSON = InterleaveConfig(policy="poisson")
ALTERNATE = InterleaveConfig(policy="alternate", chunk_words=5)
CORRESPOND = InterleaveConfig(policy="correspond", text_words=(1, 4), speech_words=(1, 3))


@given(st.integers(0, 300), st.integers(0, 2**63), st.sampled_from([SHORT, POISSON, ALTERNATE, CORRESPOND]))
def test_every_policy_alternates_covers_the_words_once_and_draws_from_its_rng_alone(num_words, seed, config):
    runs = draw_runs(num_words, np.random.default_rng(seed), config)
    assert runs == draw_runs(num_words, np.random.default_rng(seed), config)
    assert [w for run in runs if not run.again for w in range(run.start, run.end)] == list(range(num_words))
    for left, right in pairwise(runs):
        assert left.modality != right.modality
    assert all(run.start < run.end for run in runs)
    assert config.policy == "correspond" or not any(run.again for run in runs)


@given(st.integers(0, 300), st.integers(0, 2**63), st.sampled_from([0.1, 0.3, 0.7]))
def test_poisson_speaks_its_share_of_the_words_to_the_word(num_words, seed, share):
    config = InterleaveConfig(policy="poisson", speech_share=share)
    runs = draw_runs(num_words, np.random.default_rng(seed), config)
    spoken = sum(run.end - run.start for run in runs if run.modality == "speech")
    assert abs(spoken - share * num_words) < 1


def test_poisson_spans_have_their_mean_and_lie_anywhere():
    spans, places, words = [], np.zeros(400), 0
    for seed in range(400):
        for run in draw_runs(400, np.random.default_rng(seed), POISSON):
            if run.modality == "speech":
                spans.append(run.end - run.start)
                places[run.start : run.end] += 1
                words += run.end - run.start
    assert 9 < np.mean(spans) < 15, "two that touch are one, so the mean lies above 10"
    assert words / 400**2 == pytest.approx(0.3, abs=0.002)
    quarters = places.reshape(4, 100).mean(1) / 400
    assert np.abs(quarters - 0.3).max() < 0.05
    short = [sum(r.modality == "speech" for r in draw_runs(1, np.random.default_rng(s), POISSON)) for s in range(2000)]
    assert np.mean(short) == pytest.approx(0.3, abs=0.04), "a text of one word is spoken in 30 % of the draws"


def test_alternate_draws_nothing_but_the_first_modality():
    draws = {tuple(draw_runs(17, np.random.default_rng(seed), ALTERNATE)) for seed in range(30)}
    assert len(draws) == 2
    assert {tuple((run.start, run.end) for run in draw) for draw in draws} == {((0, 5), (5, 10), (10, 15), (15, 17))}


@given(st.integers(1, 200), st.integers(0, 2**63))
def test_correspond_says_a_run_again_right_after_it_and_never_a_third_time(num_words, seed):
    runs = draw_runs(num_words, np.random.default_rng(seed), CORRESPOND)
    assert not runs[0].again
    for left, right in pairwise(runs):
        if right.again:
            assert (right.start, right.end) == (left.start, left.end)
            assert not left.again


def test_correspond_repeats_half_of_the_runs():
    runs = [run for seed in range(60) for run in draw_runs(200, np.random.default_rng(seed), CORRESPOND)]
    again = sum(run.again for run in runs)
    assert again / (len(runs) - again) == pytest.approx(0.5, abs=0.03)


@given(utterances(max_words=12), st.integers(0, 3))
def test_what_is_said_again_has_its_marker_twice(record, epoch):
    sequence = encode(record, config=CORRESPOND, epoch=epoch)
    previous = None
    for segment in sequence.segments:
        marker = LAYOUT.text_marker if segment.modality == "text" else LAYOUT.speech_marker
        again = previous is not None and segment.word_start == previous.word_start
        head = sequence.tokens[segment.token_start : segment.token_start + 2].tolist()
        assert head.count(marker) == (2 if again else 1)
        previous = segment


def test_an_option_of_another_policy_is_refused():
    with pytest.raises(ValueError, match="chunk_words does nothing under policy spirit"):
        InterleaveConfig(chunk_words=3)
    with pytest.raises(ValueError, match="p_text_first"):
        InterleaveConfig(policy="poisson", p_text_first=0.1)
