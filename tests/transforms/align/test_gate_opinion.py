import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.records import AlignedWord
from transforms.align.gate_opinion import (
    LEAST_NATS,
    beside_unwritten,
    load_text_scorer,
    word_windows,
)
from transforms.align.readings import align_text


@pytest.fixture(scope="module")
def scorer():
    return load_text_scorer()


def test_a_word_that_is_not_said_is_unlikely(scorer, aligner, prompt):
    waveform, text = prompt("auth-incorrect")
    wrong = text.replace("followed", "window")
    words = align_text(aligner, waveform, wrong, "en").words
    said = scorer.opinions(waveform, wrong, words)
    nats = {word.text: opinion.worst_nats for word, opinion in zip(words, said, strict=True)}
    assert nats["window"] < -6
    assert nats["password"] > -2
    assert all(LEAST_NATS <= value <= 0 for value in nats.values())


def test_one_utterance_leaves_no_trace_in_the_next(scorer, aligner, prompt):
    waveform, text = prompt("auth-incorrect")
    words = align_text(aligner, waveform, text, "en").words
    first = scorer.opinions(waveform, text, words)
    scorer.opinions(waveform[::-1].copy(), "Something else altogether.", words[:3])
    assert scorer.opinions(waveform, text, words) == first


def test_tags_change_no_opinion(scorer, aligner, prompt):
    waveform, text = prompt("agent-newlocation")
    assert text == "Please enter a new extension, followed by pound."
    tagged = "[noise] Please enter <unk> a new extension {breath}, followed by [noise] pound. {breath}"
    opinions = [
        scorer.opinions(waveform, said, align_text(aligner, waveform, said, "en").words) for said in (text, tagged)
    ]
    assert opinions[0] == opinions[1]


@pytest.mark.parametrize(
    "written",
    [
        "Please enter a\nnew  extension,\u00a0followed by\tpound.",
        "\ufeffPlease enter a new exten\u00adsion, follow\u200bed by pound.",
        "♪ Please enter 🙂 a **new** extension, followed by ❤️ pound. ♪",
    ],
)
def test_typography_changes_no_opinion(scorer, aligner, prompt, written):
    waveform, text = prompt("agent-newlocation")
    words = align_text(aligner, waveform, text, "en").words
    places = [match.span() for match in re.finditer(r"[^\W_](?:[^\W_]|\u00ad|\u200b)*", written)]
    moved = [replace(word, char_start=start, char_end=end) for word, (start, end) in zip(words, places, strict=True)]
    assert scorer.opinions(waveform, written, moved) == scorer.opinions(waveform, text, words)


def test_quotes_are_quotes_however_they_are_drawn(scorer, aligner, prompt):
    waveform, text = prompt("agent-newlocation")
    curly, straight = text.replace("new", "“new”"), text.replace("new", '"new"')
    words = align_text(aligner, waveform, straight, "en").words
    assert scorer.opinions(waveform, curly, words) == scorer.opinions(waveform, straight, words)


@given(st.lists(st.tuples(st.integers(0, 400_000), st.integers(100, 40_000)), min_size=1, max_size=60))
def test_windows_hold_every_word_once(pieces):
    words, sample = [], 0
    for place, (gap, length) in enumerate(pieces):
        sample += gap
        words.append(AlignedWord("w", sample, sample + length, 0.0, 2 * place, 2 * place + 1))
        sample += length
    windows = word_windows(words, num_samples=sample + 500)
    assert [word for first, last, _, _ in windows for word in range(first, last)] == list(range(len(words)))
    floor = 0
    for _, _, start, end in windows:
        assert floor <= start < end <= start + 28 * 16_000
        floor = end


def test_a_word_that_is_said_and_not_written_is_heard(scorer, aligner, prompt):
    waveform, text = prompt("conf-now-unmuted")
    assert text == "The conference is now unmuted."
    for missing, beside in (("conference", {"the", "is"}), ("now", {"is", "unmuted"})):
        short = text.replace(f" {missing}", "")
        words = align_text(aligner, waveform, short, "en").words
        opinions = scorer.opinions(waveform, short, words)
        assert {word.text for word, said in zip(words, opinions, strict=True) if said.unwritten} == beside
    words = align_text(aligner, waveform, text, "en").words
    assert not any(said.unwritten for said in scorer.opinions(waveform, text, words))


_TOKENS = st.lists(st.sampled_from("abcde"), min_size=1, max_size=8, unique=True)


@given(_TOKENS, st.integers(0, 7))
def test_one_more_word_is_found_beside_its_neighbours(written, place):
    place = min(place, len(written) - 1)
    heard = [*written[:place], "new", *written[place:]]
    assert beside_unwritten(written, heard) == ([0] if place == 0 else [place - 1, place])
    assert beside_unwritten(written, [*written, "new"]) == []
    assert beside_unwritten(written, [*written[:place], "new", *written[place + 1 :]]) == []


@given(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=5),
    st.lists(st.sampled_from("abcd"), min_size=1, max_size=4),
    st.integers(2, 5),
    st.integers(0, 3),
)
def test_what_is_heard_over_and_over_counts_once(written, passage, times, cut):
    whole = passage * times
    heard = whole[: max(len(whole) - cut, 2 * len(passage))]
    assert (
        beside_unwritten(written, heard) == beside_unwritten(written, passage * 2) == beside_unwritten(written, whole)
    )


def test_a_prompt_that_whisper_says_over_and_over_has_no_unwritten_word(scorer, aligner, prompt):
    waveform, text = prompt("spy-h323")
    assert scorer.hear(waveform).count("h") > 2
    words = align_text(aligner, waveform, text, "en").words
    assert not any(opinion.unwritten for opinion in scorer.opinions(waveform, text, words))
