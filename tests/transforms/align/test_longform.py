import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import RecordError
from schemas.records import AlignedWord
from transforms.align.fused import FusedConfig
from transforms.align.gate import GateConfig
from transforms.align.longform import _breaths, _Walk, segments
from transforms.align.longform_anchors import Anchor, HeardWord, find_anchor, first_anchor, load_transcriber
from transforms.align.longform_segments import segments_of
from transforms.text.verbalise import verbalise
from transforms.written import written_starts

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


@pytest.mark.parametrize("strange", ["Ω", "Ω-2"])
def test_a_word_that_cannot_be_pronounced_is_lost_alone(aligner, gate, prompt, strange):
    waveform, text, _ = join(prompt, [*PROMPTS, "demo-abouttotry", "auth-incorrect"])
    written = text.replace("-", " ").split()
    gap = [place for place, char in enumerate(text) if char == " "][len(text.split()) // 2]
    found = segments(
        waveform, f"{text[:gap]} {strange}{text[gap:]}", "en", aligner=aligner, gate=gate, transcriber=None
    )
    check_lawful(found, waveform, f"{text[:gap]} {strange}{text[gap:]}")
    assert len(words_of(found)) == len(written)
    assert not any(segment.char_start <= gap + 1 < segment.char_end for segment in found)


def test_a_text_of_strange_words_alone_names_one(aligner, gate):
    with pytest.raises(RecordError, match="'ωω'") as caught:
        segments(np.zeros(16_000, np.float32), "ΩΩ Ψ", "en", aligner=aligner, gate=gate, transcriber=None)
    assert caught.value.code == "unpronounceable_word"


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


def test_a_walk_stops_at_written_words_and_knows_the_speech_of_any_stretch(aligner, gate, prompt):
    text = "Call 21 now."
    waveform, _ = prompt("queue-thankyou")
    walk = _Walk(waveform, text, "en", verbalise(text, "en"), aligner, gate, None)
    assert [walk._border_before(words) for words in range(5)] == [0, 1, 1, 3, 4]
    assert [walk._border_after(words) for words in range(5)] == [0, 1, 3, 3, 4]
    for start, end in ((0, len(waveform)), (700, 20_000), (9_999, len(waveform))):
        known, alone = walk._speech_of(start, end), gate.vad.probabilities(waveform[start:end])
        assert known.shape == alone.shape
        assert np.mean((known > 0.5) == (alone > 0.5)) >= 0.9


class PauseThenSpeech:
    """Fake: 0.2 s of silence, then speech."""

    def probabilities(self, waveform):
        speech = np.ones(-(-len(waveform) // 512), np.float32)
        speech[:6] = 0
        return speech


class WordsBehindAPause:
    """Fake gate of a walk in which nothing is placed: there are no measures to take."""

    vad = PauseThenSpeech()

    def usual_letters_per_s(self, language):
        return 13.0


class Refusing:
    """Fake aligner that finds no place for any words, and is asked but so often."""

    def __init__(self):
        self.asked = 0

    def align(self, waveform, words):
        self.asked += 1
        assert self.asked <= 20, "the walk does not go on"
        raise RecordError("alignment_failed", "nowhere")


def test_a_walk_goes_on_where_what_is_heard_behind_a_pause_does_not_align():
    """The words begin a pause later than the walk stands; where it would move to is where it is."""
    text = "alpha bravo charlie delta echo foxtrot golf hotel " * 3
    spoken = [HeardWord(word, 2_600 + 5_000 * place) for place, word in enumerate(text.split()[:6])]
    aligner = Refusing()
    with pytest.raises(RecordError) as caught:
        segments(
            np.zeros(20 * 16_000, np.float32),
            text,
            "en",
            aligner=aligner,
            gate=WordsBehindAPause(),
            transcriber=lambda waveform: spoken,
        )
    assert caught.value.code == "alignment_failed"
    assert aligner.asked == 2


def heard(text):
    return [HeardWord(word, 1000 * place) for place, word in enumerate(text.split())]


def found_in(said, text):
    ahead = verbalise(text, "en")
    return find_anchor(heard(said), ahead, written_starts(ahead, text))


def test_an_anchor_is_three_words_and_fourteen_letters():
    ahead = "we shall see that the earliest book printed with movable types is this"
    assert found_in("well well the earliest book printed", ahead) == Anchor(2000, 4, 4)
    assert found_in("see that the", ahead) is None
    assert found_in("earliest book", ahead) is None
    assert find_anchor([], verbalise(ahead, "en"), np.ones(14, bool)) is None


REFRAIN = "she had your dark suit in greasy wash water all year"
FILLER = " ".join(f"filler{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(300))
NEXT = "the bungalow was pleasantly situated near the shore and catered to tourists"
LATER = "some far away place has quite another story which nobody told before"


def first_in(windows, text):
    ahead = verbalise(text, "en")
    return first_anchor((heard(window) for window in windows), ahead, written_starts(ahead, text))


def test_what_is_near_is_preferred_to_a_refrain_far_ahead():
    text = f"{NEXT} {FILLER} {REFRAIN} {LATER}"
    assert first_in([f"{REFRAIN} the bungalow was pleasantly situated"], text)[0].word == 312  # no more can be known
    anchor, listened = first_in([f"{REFRAIN} the bungalow was pleasantly situated", NEXT, "more"], text)
    assert (anchor.word, listened) == (0, 2)


def test_a_leap_takes_place_where_all_that_is_heard_stands_there():
    text = f"{NEXT} {FILLER} {REFRAIN} {LATER}"
    anchor, listened = first_in([REFRAIN, LATER, "and so on"], text)
    assert (anchor.word, listened) == (312, 3)
    assert first_in(["nothing of that kind", LATER], f"{NEXT} {FILLER}") == (None, 1)


def test_an_anchor_is_no_half_of_a_number():
    """ "1934" is said in two words, of which the first was misheard."""
    assert found_in("teen thirty four printed books", "In 1934 printed books") == Anchor(3000, 4, 2)
    assert found_in("thirty four well-known", "Not 1934-well-known.") is None


PIECES = st.lists(
    st.tuples(st.integers(0, 9000), st.integers(200, 30_000), st.sampled_from(["word", "number", "dash", "parting"])),
    min_size=1,
    max_size=30,
)


@settings(max_examples=100)
@given(PIECES)
def test_runs_are_cut_without_losing_a_word(pieces):
    """Words, halves of numbers, compounds, and partings of text and audio after which a new run begins."""
    runs, sample, text = [], 0, ""
    for gap, length, kind in pieces:
        sample += gap
        char_start = len(text)
        if runs and kind == "number":
            char_start = runs[-1][-1].char_start
        elif runs and kind == "dash":
            text, char_start = text + "-abcd", len(text) + 1
        else:
            text += " (abcd"
            char_start += 2
        if not runs or kind == "parting":
            runs.append([])
        runs[-1].append(AlignedWord("abcd", sample, sample + length, 0.0, char_start, char_start + 4))
        sample += length
    found = list(segments_of(runs, text, num_samples=sample + 1000, max_samples=64_000))
    words = [word for run in runs for word in run]
    assert [(w.start_sample + s.start_sample, w.char_start + s.char_start) for s in found for w in s.words] == [
        (word.start_sample, word.char_start) for word in words
    ]
    samples = [edge for segment in found for edge in (segment.start_sample, segment.end_sample)]
    assert samples == sorted(samples)
    chars = [edge for segment in found for edge in (segment.char_start, segment.char_end)]
    assert chars == sorted(chars)
    assert samples[-1] <= sample + 1000
    for segment in found:
        assert text[segment.char_start : segment.char_end].split()[0].startswith("abcd")
        assert (text + " ")[segment.char_end].isspace()
        assert all(0 <= word.start_sample < word.end_sample <= len(segment) for word in segment.words)
    longest = max(found, key=len)
    assert len(longest) <= 64_000 or len(text[longest.char_start : longest.char_end].split()) == 1


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


@settings(max_examples=100, deadline=None)
@given(pieces=st.lists(st.tuples(st.integers(0, 20_000), st.integers(160, 40_000)), min_size=1, max_size=40))
def test_breaths_hold_every_word_once_and_share_out_the_audio(pieces):
    words, sample = [], 0
    for gap, length in pieces:
        words.append(AlignedWord("a", sample + gap, sample + gap + length, 0.0, 0, 1))
        sample += gap + length
    end = sample + 800
    breaths = list(_breaths(words, end))
    assert [word for breath, _, _ in breaths for word in breath] == words
    assert [start for _, start, _ in breaths] == [0, *(stop for _, _, stop in breaths[:-1])]
    assert breaths[-1][2] == end
    for breath, start, stop in breaths:
        assert start <= breath[0].start_sample
        assert breath[-1].end_sample <= stop
        assert stop - start >= 64_000 or len(breaths) == 1
        if stop != end:
            assert stop - breath[-1].end_sample >= 1200
