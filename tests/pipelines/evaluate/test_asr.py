from pathlib import Path

import pytest
import soundfile as sf
from hypothesis import given
from hypothesis import strategies as st

from pipelines.evaluate.asr import normalise_english, transcribe, word_error_rate
from schemas.errors import UserError

PROMPTS = Path(__file__).parents[3] / "examples" / "asterisk-en" / "audio"
WORDS = st.lists(st.sampled_from(["red", "green", "blue", "stop"]), min_size=1, max_size=6)


def test_errors_are_counted_over_the_whole_corpus() -> None:
    references = ["red green blue stop", "go"]
    hypotheses = ["red green stop", "go on"]  # a deletion and an insertion over five words
    assert word_error_rate(references, hypotheses) == pytest.approx(2 / 5)
    assert word_error_rate(["a b c d"], ["a x c d"]) == pytest.approx(1 / 4)


def test_case_punctuation_and_the_way_of_writing_numbers_do_not_count() -> None:
    assert word_error_rate(["Press twenty-one, please."], ["press 21 please"]) == 0.0
    assert word_error_rate(["It's 5 dollars"], ["it is $5"]) == 0.0
    assert normalise_english("Thirteen!") == "13"


@given(references=st.lists(WORDS, min_size=1, max_size=4))
def test_the_truth_has_no_errors_and_silence_has_all(references: list[list[str]]) -> None:
    texts = [" ".join(words) for words in references]
    assert word_error_rate(texts, texts) == 0.0
    assert word_error_rate(texts, ["" for _ in texts]) == 1.0


def test_words_where_none_were_said_are_errors() -> None:
    assert word_error_rate(["go", "..."], ["go", "you know"]) == 2.0


def test_what_cannot_be_scored_is_refused() -> None:
    with pytest.raises(UserError, match="2 references but 1"):
        word_error_rate(["a", "b"], ["a"])
    with pytest.raises(UserError, match="no word"):
        word_error_rate(["..."], ["a"])


def test_whisper_reads_a_prompt_the_same_way_each_time() -> None:
    waveform = sf.read(PROMPTS / "conf-nonextended.flac", dtype="float32")[0]
    short = waveform[:2000]
    texts = transcribe([waveform, short])
    assert word_error_rate(["The conference cannot be extended."], texts[:1]) == 0.0
    assert transcribe([waveform, short]) == texts
