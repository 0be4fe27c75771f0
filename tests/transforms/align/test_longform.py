from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import RecordError
from schemas.records import AlignedWord
from transforms.align.fused import FusedConfig
from transforms.align.gate import GateConfig
from transforms.align.longform import _segments_of, segments
from transforms.align.longform_anchors import Anchor, HeardWord, find_anchor, load_transcriber
from transforms.text.verbalise import verbalise

PROMPTS = ["demo-abouttotry", "conf-getconfno", "queue-thankyou", "vm-rec-temp", "auth-incorrect"]


@pytest.fixture(scope="module")
def gate():
    return GateConfig(opinion="none").load()


def join(prompt, ids, silent=(), unwritten=()):
    """Audio, text, and each prompt's first sample and first character."""
    rng = np.random.default_rng(1)
    audio, text, at = [], "", {}
    samples = 0
    for name in ids:
        waveform, words = prompt(name)
        gap = rng.normal(0, 1e-4, 8000).astype(np.float32)
        audio += [gap] if name in silent else [gap, waveform]
        at[name] = (samples + len(gap), samples + len(gap) + len(waveform), len(text))
        samples += sum(map(len, audio[-1:] if name in silent else audio[-2:]))
        text += "" if name in unwritten else words + " "
    return np.concatenate(audio), text, at


def check_lawful(found, waveform, text):
    sample = char = 0
    for segment in found:
        assert sample <= segment.start_sample < segment.end_sample <= len(waveform)
        assert char <= segment.char_start < segment.char_end <= len(text)
        sample, char = segment.end_sample, segment.char_end
        floor = 0
        for word in segment.words:
            assert floor <= word.start_sample < word.end_sample <= len(segment)
            written = text[segment.char_start : segment.char_end][word.char_start : word.char_end]
            assert word.text == written.lower()
            floor = word.end_sample


def words_of(found):
    return [word.text for segment in found for word in segment.words]


def test_joined_prompts_come_apart_again(aligner, gate, prompt):
    waveform, text, at = join(prompt, [*PROMPTS, "demo-abouttotry", "auth-incorrect"])
    found = segments(waveform, text, "en", aligner=aligner, gate=gate, transcriber=None, max_samples=12 * 16_000)
    check_lawful(found, waveform, text)
    assert len(waveform) > 40 * 16_000
    assert max(map(len, found)) <= 12 * 16_000
    assert len(words_of(found)) == len(text.replace("-", " ").split())
    start, end, char = at["auth-incorrect"]
    last = next(segment for segment in found if segment.char_end > char)
    word = next(word for word in last.words if word.char_start + last.char_start >= char)
    assert start - 1600 <= word.start_sample + last.start_sample < end


def test_a_passage_that_is_not_said_is_lost_alone(aligner, gate, prompt):
    waveform, text, at = join(prompt, PROMPTS, silent={"queue-thankyou", "vm-rec-temp"})
    found = segments(waveform, text, "en", aligner=aligner, gate=gate, transcriber=load_transcriber())
    check_lawful(found, waveform, text)
    for name in PROMPTS:
        _, _, char = at[name]
        said = [s for s in found for w in s.words if char <= s.char_start + w.char_start < char + len(prompt(name)[1])]
        share = len(said) / len(prompt(name)[1].split())
        assert share < 0.35 if name in ("queue-thankyou", "vm-rec-temp") else share > 0.8, name


def test_nothing_found_is_a_rejection(aligner, gate, prompt):
    with pytest.raises(RecordError) as caught:
        segments(np.zeros(16_000, np.float32), "Hello there", "en", aligner=aligner, gate=gate, transcriber=None)
    assert caught.value.code == "alignment_failed"


def heard(text):
    return [HeardWord(word, 1000 * place) for place, word in enumerate(text.split())]


def test_an_anchor_is_three_words_and_fourteen_letters():
    ahead = "we shall see that the earliest book printed with movable types is this".split()
    assert find_anchor(heard("well well the earliest book printed"), ahead) == Anchor(2000, 4)
    assert find_anchor(heard("see that the"), ahead) is None
    assert find_anchor(heard("earliest book"), ahead) is None
    assert find_anchor([], ahead) is None


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 9000), st.integers(200, 30_000), st.booleans()), min_size=1, max_size=30))
def test_a_run_is_cut_without_losing_a_word(pieces):
    words, sample, char = [], 0, 0
    for gap, length, same in pieces:
        sample += gap
        if not (same and words):
            char += 5
        words.append(AlignedWord("abcd", sample, sample + length, 0.0, char, char + 4))
        sample += length
    text = " " * 5 + "abcd " * (char // 5)
    found = list(_segments_of(words, text, sample + 1000, 64_000))
    assert [(w.start_sample + s.start_sample, w.char_start + s.char_start) for s in found for w in s.words] == [
        (word.start_sample, word.char_start) for word in words
    ]
    edges = [edge for segment in found for edge in (segment.start_sample, segment.end_sample)]
    assert edges == sorted(edges)
    for before, after in pairwise(found):
        assert before.char_end <= after.char_start


def test_the_second_step_of_an_aligner_places_the_words_that_are_kept(gate, prompt):
    fused = FusedConfig().load()
    waveform, text, at = join(prompt, ["conf-getconfno", "queue-thankyou", "auth-incorrect"])
    found = segments(waveform, text, "en", aligner=fused, gate=gate, transcriber=None, max_samples=12 * 16_000)
    check_lawful(found, waveform, text)
    assert words_of(found) == [word.text for word in verbalise(text, "en")]
    name = "queue-thankyou"
    audio, written = prompt(name)
    alone = fused.align(audio, verbalise(written, "en")).words
    starts = {s.char_start + w.char_start: s.start_sample + w.start_sample for s in found for w in s.words}
    apart = [abs(starts[at[name][2] + word.char_start] - at[name][0] - word.start_sample) for word in alone]
    assert np.median(apart) <= 160
