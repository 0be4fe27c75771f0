import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import UserError
from transforms.text.tokenizer import SentencePieceTokenizer, fit_sentencepiece, load_tokenizer

WORDS = ["please", "enter", "your", "agent", "number", "<s>", "</s>", "[TEXT]", "21%"]
TRANSCRIPTS = Path(__file__).parents[3] / "examples" / "asterisk-en" / "transcripts.tsv"


def corpus_lines() -> list[str]:
    return [line.split("\t")[2] for line in TRANSCRIPTS.read_text(encoding="utf-8").splitlines()[1:]]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory) -> SentencePieceTokenizer:
    return SentencePieceTokenizer(
        fit_sentencepiece(corpus_lines(), vocab_size=600, output=tmp_path_factory.mktemp("sp"))
    )


@given(st.text().filter(lambda text: "\u2581" not in text))
def test_any_text_comes_back(tokenizer, text):
    assert tokenizer.decode(tokenizer.encode(text)) == text


@given(
    st.lists(
        st.sampled_from(["please", "enter", "your", "agent", "number", "<s>", "</s>", "[TEXT]", "21%"]), min_size=1
    )
)
def test_words_encode_alike_wherever_a_span_is_cut(tokenizer, words):
    apart = [token for word in words for token in tokenizer.encode(word)]
    assert tokenizer.encode(" ".join(words)) == apart
    assert tokenizer.bos_id not in apart
    assert tokenizer.eos_id not in apart


def test_fitting_twice_gives_the_same_bytes(tmp_path, tokenizer):
    again = fit_sentencepiece(corpus_lines(), vocab_size=600, output=tmp_path)
    assert again.read_bytes() == tokenizer.model
    assert load_tokenizer(tmp_path).fingerprint == tokenizer.fingerprint
    other = fit_sentencepiece(corpus_lines(), vocab_size=601, output=tmp_path / "other")
    assert load_tokenizer(other).fingerprint != tokenizer.fingerprint
    assert tokenizer.vocab_size == 600


def test_a_tiny_corpus_gives_a_smaller_vocabulary(tmp_path):
    small = load_tokenizer(fit_sentencepiece(["a b"], vocab_size=4000, output=tmp_path))
    assert small.vocab_size < 300
    assert small.decode(small.encode("b a z é")) == "b a z é"


@pytest.mark.parametrize(("lines", "size"), [([], 500), (["", " "], 500), (["hello"], 100)])
def test_what_cannot_be_fitted_is_said(tmp_path, lines, size):
    with pytest.raises(UserError):
        fit_sentencepiece(lines, vocab_size=size, output=tmp_path)


def test_a_missing_tokenizer_is_said(tmp_path):
    with pytest.raises(UserError, match="no text tokenizer"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize("name", ["tokenizer.model", "tokenizer.json"])
@pytest.mark.parametrize("content", [b"x", b"\0" * 1000, b"{}"])
def test_a_damaged_tokenizer_is_named_on_one_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=r"cannot be opened as a text tokenizer \([^\n]+\); copy it anew$") as said:
        load_tokenizer(tmp_path)
    assert str(tmp_path) in str(said.value)


def test_pickling_keeps_the_model(tokenizer):
    again = pickle.loads(pickle.dumps(tokenizer))
    assert again.encode("agent number") == tokenizer.encode("agent number")
