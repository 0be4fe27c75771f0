from hypothesis import given
from hypothesis import strategies as st

from schemas.records import AlignedWord
from transforms.align.gate_trim import MARGIN_SAMPLES, longest_run, trim
from transforms.align.protocol import Alignment

TEXT = "You have 21 well-known friends. (Really!)"
RANGES = [(0, 3), (4, 8), (9, 11), (9, 11), (12, 16), (17, 22), (23, 30), (33, 39)]
SPOKEN = ["you", "have", "twenty", "one", "well", "known", "friends", "really"]


def alignment(gaps=(0,) * 8):
    words, sample = [], 0
    for text, chars, gap in zip(SPOKEN, RANGES, gaps, strict=True):
        sample += gap
        words.append(AlignedWord(text, sample, sample + 4000, -1.0 - len(words), *chars))
        sample += 4000
    return Alignment(tuple(words), {"log_likelihood": -9.0})


def kept_text(good):
    run = longest_run(alignment(), good, TEXT)
    return None if run is None else trim(alignment(), run, text=TEXT, num_samples=32_000).text(TEXT)


def test_a_written_word_is_kept_or_lost_whole():
    yes, no = True, False
    assert kept_text([yes] * 8) == TEXT
    assert kept_text([yes, yes, yes, no, yes, yes, yes, yes]) == "well-known friends. (Really!)"
    assert kept_text([yes, yes, yes, no, yes, yes, no, no]) == "You have"
    assert kept_text([no, no, yes, yes, yes, no, yes, yes]) == "21"
    assert kept_text([no, no, no, no, no, no, yes, no]) == "friends."
    assert kept_text([no, no, yes, no, no, yes, no, no]) is None


@given(st.lists(st.booleans(), min_size=8, max_size=8), st.lists(st.integers(0, 9000), min_size=8, max_size=8))
def test_a_trimmed_utterance_is_a_lawful_one(good, gaps):
    whole = alignment(gaps)
    num_samples = whole.words[-1].end_sample + 5000
    run = longest_run(whole, good, TEXT)
    if run is None:
        return
    kept = trim(whole, run, text=TEXT, num_samples=num_samples)
    assert all(good[kept.first_word : kept.last_word])
    text = kept.text(TEXT)
    assert text == text.strip()
    assert TEXT[kept.char_start - 1 : kept.char_start] in ("", " ")
    assert TEXT[kept.char_end : kept.char_end + 1] in ("", " ")
    floor = 0
    for word, before in zip(kept.alignment.words, whole.words[kept.first_word : kept.last_word], strict=True):
        assert floor <= word.start_sample < word.end_sample <= kept.end_sample - kept.start_sample
        assert word.start_sample + kept.start_sample == before.start_sample
        assert text[word.char_start : word.char_end] == TEXT[before.char_start : before.char_end]
        floor = word.end_sample
    if kept.first_word:
        assert whole.words[kept.first_word - 1].end_sample <= kept.start_sample
        assert kept.alignment.words[0].start_sample <= MARGIN_SAMPLES
    if kept.last_word < len(whole.words):
        assert kept.end_sample <= whole.words[kept.last_word].start_sample
        assert kept.end_sample - kept.start_sample - kept.alignment.words[-1].end_sample <= MARGIN_SAMPLES


@given(st.lists(st.booleans(), min_size=8, max_size=8))
def test_no_longer_run_was_there(good):
    run = longest_run(alignment(), good, TEXT)
    size = 0 if run is None else run[1] - run[0]
    borders = [0, 1, 2, 4, 6, 7, 8]
    assert size == max((b - a for a in borders for b in borders if a <= b and all(good[a:b])), default=0)


def test_the_mean_fit_is_that_of_the_kept_words():
    kept = trim(alignment(), (1, 4), text=TEXT, num_samples=32_000)
    assert kept.alignment.scores == {"log_likelihood": -3.0}
