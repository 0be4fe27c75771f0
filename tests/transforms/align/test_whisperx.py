"""WhisperX's align on a small model that the test makes, and the real Whisper tiny.en; no network."""

import json
import socket
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    Wav2Vec2Config,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForCTC,
    Wav2Vec2Processor,
)

from schemas.errors import RecordError, UserError
from schemas.records import SourceRow
from transforms.align.whisperx import WhisperxConfig
from transforms.align.whisperx_asr import WhisperTranscriberConfig
from transforms.text.verbalise import verbalise

LETTERS = "abcdefghijklmnopqrstuvwxyz'"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A random wav2vec2 with a CTC head over letters, as `hf download` would leave it."""
    path = tmp_path_factory.mktemp("wav2vec2")
    vocabulary = {"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3, "|": 4}
    vocabulary |= {letter.upper(): len(vocabulary) + place for place, letter in enumerate(LETTERS)}
    (path / "vocab.json").write_text(json.dumps(vocabulary))
    tokenizer = Wav2Vec2CTCTokenizer(str(path / "vocab.json"))
    extractor = Wav2Vec2FeatureExtractor(sampling_rate=16_000, do_normalize=False)
    Wav2Vec2Processor(extractor, tokenizer).save_pretrained(path)
    torch.manual_seed(0)
    shape = {
        "vocab_size": len(vocabulary),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "conv_dim": [16] * 7,
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 4,
    }
    Wav2Vec2ForCTC(Wav2Vec2Config(**shape)).save_pretrained(path)
    (path / "preprocessor_config.json").write_text(extractor.to_json_string())
    return path


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def config(folder, **changes):
    return WhisperxConfig(**{"models": {"en": str(folder)}, "device": "cpu", **changes})


def row(text: str, language: str = "en") -> SourceRow:
    return SourceRow("a", "a.wav", text, language=language)


@pytest.mark.usefixtures("no_network")
def test_every_word_of_a_prompt_is_placed_in_order_inside_the_audio(folder, prompt):
    waveform, text = prompt("demo-echodone")
    words = config(folder).load().align_row(row(text), waveform).words
    assert [(word.text, word.char_start, word.char_end) for word in words] == [
        (word.text, word.char_start, word.char_end) for word in verbalise(text, "en")
    ]
    assert words[0].start_sample >= 0
    assert words[-1].end_sample <= len(waveform)
    for word in words:
        assert word.start_sample < word.end_sample
        assert 0 <= word.score <= 1
    for left, right in pairwise(words):
        assert left.end_sample <= right.start_sample


def test_letters_that_the_model_lacks_are_placed_too(folder, prompt):
    waveform, _ = prompt("hello-world")
    words = config(folder).load().align_row(row("hello мир ñandú"), waveform).words
    assert [word.text for word in words] == ["hello", "мир", "ñandú"]


@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.2])
def test_more_words_than_audio_is_a_record_error(folder, seconds):
    with pytest.raises(RecordError) as caught:
        config(folder).load().align_row(row("many words " * 30), np.zeros(int(seconds * 16_000), np.float32))
    assert caught.value.code == "alignment_failed"


def test_a_language_without_a_model_is_a_record_error(folder, prompt):
    waveform, text = prompt("hello-world")
    aligner = config(folder).load()
    assert aligner.align_row(row(text, "en-GB"), waveform).words
    with pytest.raises(RecordError) as caught:
        aligner.align_row(row("hola", "es"), waveform)
    assert caught.value.code == "unsupported_language"


def test_what_is_missing_is_named_with_the_command_that_gets_it(folder, tmp_path):
    with pytest.raises(UserError, match=r"align\.models\.fr: no folder .*hf download .*french"):
        config(folder, models={"fr": str(tmp_path / "nowhere")}).load()
    with pytest.raises(UserError, match=r"lacks .*vocab\.json, model\.safetensors; `hf download"):
        config(folder, models={"en": str(tmp_path)}).load()
    with pytest.raises(UserError, match=r"align\.asr: no model\.bin .*hf download"):
        WhisperTranscriberConfig(model=str(tmp_path)).load()


def test_the_fingerprint_follows_the_weights_not_their_place(folder, tmp_path):
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    same = config(tmp_path)
    assert same.fingerprint == config(folder).fingerprint
    assert same.fingerprint != config(folder, models={"es": str(folder)}).fingerprint
    model = Wav2Vec2ForCTC.from_pretrained(folder)
    torch.nn.init.ones_(model.lm_head.bias)
    other = tmp_path / "other"
    Wav2Vec2Processor.from_pretrained(folder).save_pretrained(other)
    (other / "vocab.json").write_bytes((folder / "vocab.json").read_bytes())
    (other / "preprocessor_config.json").write_bytes((folder / "preprocessor_config.json").read_bytes())
    model.save_pretrained(other)
    assert config(other).fingerprint != same.fingerprint


@pytest.mark.usefixtures("no_network")
def test_a_recording_without_transcript_is_transcribed_then_aligned(folder, prompt):
    settings = config(folder, transcribe=True)
    waveform, text = prompt("demo-echodone")
    heard = settings.transcriber.load().transcribe(waveform, "en-US")
    expected = [word.text for word in verbalise(text, "en")]
    words = settings.load().align_row(row(heard), waveform).words
    same = len(set(expected) & {word.text for word in words})
    assert same >= 0.8 * len(set(expected))


def test_silence_and_foreign_languages_are_record_errors():
    transcriber = WhisperTranscriberConfig(device="cpu").load()
    with pytest.raises(RecordError) as caught:
        transcriber.transcribe(np.zeros(32_000, np.float32), "en")
    assert (caught.value.code, caught.value.outcome) == ("no_speech", "filtered")
    with pytest.raises(RecordError) as caught:
        transcriber.transcribe(np.zeros(32_000, np.float32), "es")
    assert caught.value.code == "unsupported_language"


def test_nothing_is_transcribed_unless_asked(folder):
    assert config(folder).transcriber is None
