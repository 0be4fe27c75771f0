"""What comes bit by bit is, joined, what comes at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.infer.model import SpeechTextModel
from pipelines.infer.parts import Speech, Text, speak_tokens
from pipelines.infer.streaming import SpeechStream, TextStream
from schemas.errors import UserError
from schemas.vocabulary import VocabularyLayout
from tests.pipelines.infer.conftest import FINGERPRINTS, tokens_of
from tests.toy_corpus import INFOS, toy_utterance

HOPS = {info.kind: info.hop_samples for info in INFOS}
SIZES = {info.kind: info.codebook_size for info in INFOS}
EXPRESSIVE = VocabularyLayout(300, SIZES["units"], SIZES["pitch"], SIZES["style"], "text")
BASE = VocabularyLayout(300, SIZES["units"], 0, 0, "text")
TOLERANCE = 2e-4  # of the vocoder's own chunks against the whole


def joined(parts):
    """Parts with neighbours of one modality made one."""
    runs = []
    for part in parts:
        if not runs or type(runs[-1][0]) is not type(part):
            runs.append([])
        runs[-1].append(part)
    made = []
    for run in runs:
        if isinstance(run[0], Text):
            made.append(Text("".join(part.text for part in run)))
        else:
            audio = [part.audio for part in run if part.audio is not None]
            tokens = tuple(token for part in run for token in part.tokens)
            made.append(Speech(audio=np.concatenate(audio) if audio else None, tokens=tokens))
    return made


@pytest.fixture(scope="module")
def speaking(folder, voice):
    return SpeechTextModel.load(folder, vocoder=voice, device="cpu")


@pytest.mark.parametrize("output", ["text", "speech", "any"])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_stream_is_the_answer_of_generate(speaking, output, seed):
    options = {"output": output, "seed": seed, "temperature": 1.0, "min_new_tokens": 60, "max_new_tokens": 70}
    prompt = [Text("red goes"), Speech(streams=toy_utterance(2).streams)]
    (answer,) = speaking.generate([prompt], **options)
    parts = list(speaking.stream(prompt, first_chunk_s=0.1, **options))
    assert tokens_of(joined(parts)) == tokens_of(answer)
    if output != "any":
        assert len(parts) > len(answer)
    for mine, whole in zip(joined(parts), answer, strict=True):
        if isinstance(mine, Speech):
            np.testing.assert_allclose(mine.audio, whole.audio, atol=TOLERANCE)


def test_parts_come_before_the_answer_is_whole(speaking, monkeypatch):
    drawn = []
    whole = speaking.model.forward

    def forward(*args, **kwargs):
        drawn.append(1)
        return whole(*args, **kwargs)

    monkeypatch.setattr(speaking.model, "forward", forward)
    parts = speaking.stream([Text("red")], output="speech", min_new_tokens=100, max_new_tokens=100, first_chunk_s=0.1)
    assert len(next(parts).audio) >= 1_600
    assert len(drawn) < 80
    assert len(list(parts)) > 1
    assert len(drawn) == 100


def test_without_a_voice_tokens_come_one_by_one(folder):
    mute = SpeechTextModel.load(folder, device="cpu")
    parts = list(mute.stream([Text("red")], output="speech", temperature=0, max_new_tokens=9))
    assert [len(part.tokens) for part in parts] == [1] * len(parts)
    assert all(part.audio is None for part in parts)


def test_mistakes_show_before_the_first_part(speaking):
    with pytest.raises(UserError, match="context"):
        speaking.stream([Text("red " * 200)], output="text")


def random_tokens(layout: VocabularyLayout, count: int, seed: int) -> list[int]:
    """Units, and now and then pitch and style, from some place on."""
    rng = np.random.default_rng(seed)
    starts = rng.integers(0, max(count // 2, 1), 2)
    tokens = []
    for index in range(count):
        kind = "units"
        if layout.pitch_size and rng.random() < 0.3:
            kind = "pitch" if rng.random() < 0.8 else "style"
            kind = kind if index >= starts[int(kind == "style")] else "units"
        tokens.append(layout.offset(kind) + int(rng.integers(layout.codebook_size(kind))))
    return tokens


@settings(max_examples=6, deadline=None)
@given(
    layout=st.sampled_from([EXPRESSIVE, BASE]),
    count=st.integers(0, 220),
    seed=st.integers(0, 999),
    chunk_s=st.sampled_from([0.0, 0.3, 2.0]),
)
def test_chunks_of_audio_are_the_audio_of_the_whole(voice, layout, count, seed, chunk_s):
    def speak(tokens):
        return speak_tokens(tokens, layout=layout, hops=HOPS, fingerprints=FINGERPRINTS, vocoder=voice, speaker=None)

    tokens = random_tokens(layout, count, seed)
    stream = SpeechStream(layout=layout, vocoder=voice, unit_hop=640, speak=speak, chunk_s=chunk_s)
    parts = [part for token in tokens for part in stream.push(token)]
    early = len(parts)
    parts += stream.finish()
    if not tokens:
        assert parts == []
        return
    (mine,) = joined(parts)
    whole = speak(tokens)
    assert mine.tokens == tuple(tokens)
    np.testing.assert_allclose(mine.audio, whole.audio, atol=TOLERANCE)
    if layout is BASE and count >= 150 and chunk_s < 1:
        assert early
    # Chunks grow, so that their number does with the logarithm of the length.
    if chunk_s:
        assert len(parts) <= 3 + np.log(1 + len(mine.audio) / (chunk_s * 16_000)) / np.log(1.5)


@given(text=st.text(max_size=12), ids=st.lists(st.integers(0, 299), max_size=20))
def test_text_comes_in_whole_characters(model, text, ids):
    for tokens in (model.tokenizer.encode(text), ids):
        stream = TextStream(model.tokenizer)
        pieces = [part.text for token in tokens for part in stream.push(token % model.tokenizer.vocab_size)]
        assert not any(piece.endswith("\ufffd") for piece in pieces)
        pieces += [part.text for part in stream.finish()]
        assert "".join(pieces) == model.tokenizer.decode([token % model.tokenizer.vocab_size for token in tokens])
