"""`plait generate`: prompts from the shell."""

import shutil

import numpy as np
import pytest
import soundfile as sf

from pipelines.infer.command import generate, load_model, load_vocoder, parse_prompt, write_parts
from pipelines.infer.model import SpeechTextModel
from pipelines.infer.parts import Speech, Text
from schemas.errors import UserError
from schemas.records import Stream
from transforms.text.tokenizer import fit_sentencepiece, load_tokenizer


def test_prompts_are_text_and_speech_in_order():
    first, second = parse_prompt(["text:Hello: you", "speech:a.wav"])
    assert first == Text("Hello: you")
    assert isinstance(second, Speech)
    assert second.audio == "a.wav"


@pytest.mark.parametrize("item", ["hello", "txt:hello", ":", "video:a.mp4"])
def test_anything_else_is_the_users_mistake(item):
    with pytest.raises(UserError, match="write text:WORDS or speech:FILE"):
        parse_prompt([item])


def test_speech_goes_to_one_wav_and_text_to_lines(tmp_path):
    stream = Stream("units", 640, 500, np.array([3, 4], np.int32), "f")
    tone = np.full(1280, 0.25, np.float32)
    parts = [Text("hi"), Speech(audio=tone, streams=(stream,)), Speech(audio=tone, streams=(stream,))]
    lines = write_parts(parts, tmp_path / "new" / "answer.wav")
    assert lines[0] == "hi"
    assert lines[1] == "[SPEECH][Hu3][Hu4]"
    waveform, rate = sf.read(tmp_path / "new" / "answer.wav")
    assert (len(waveform), rate) == (2560, 16_000)


def test_a_folder_without_a_model_is_the_users_mistake(tmp_path):
    with pytest.raises(UserError, match=r"plait\.json"):
        load_model(str(tmp_path), vocoder=load_vocoder())


def test_a_wav_that_cannot_be_written_is_said_before_the_model_opens(tmp_path):
    (tmp_path / "file").write_text("")
    for wav, message in (
        (tmp_path / "file" / "a.wav", "cannot write to"),
        (tmp_path, "--wav: .* is a folder"),
        (tmp_path / "a.xyz", r"--wav: .*a\.xyz: name a file that ends in \.wav or \.flac"),
        (tmp_path / "a.mp3", "name a file that ends"),
        (tmp_path / "answer", "name a file that ends"),
    ):
        with pytest.raises(UserError, match=message):
            generate("nowhere", ["text:red"], output="speech", wav=str(wav), vocoder=None, job=None)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("model.safetensors", b"", "cannot be opened as a model"),
        ("model.safetensors", b"x" * 50, "cannot be opened as a model"),
        ("model.safetensors", None, "cannot be opened as a model"),
        ("config.json", b"{", "cannot be opened as a model"),
        ("config.json", None, "cannot be opened as a model"),
        ("plait.json", b"{", r"plait\.json: damaged"),
        ("plait.json", b"[]", r"plait\.json: damaged"),
        ("plait.json", b"\xff", r"plait\.json: damaged"),
        ("plait.json", b'{"format": "plait/model/1"}', r"plait\.json: damaged"),
        ("plait.json", b'{"format": "plait/model/9"}', "is of another version of plait"),
        ("text_tokenizer/tokenizer.model", b"x", "cannot be opened as a text tokenizer"),
    ],
)
def test_a_damaged_model_is_one_line(folder, tmp_path, name, content, message):
    copy = tmp_path / "model"
    shutil.copytree(folder, copy)
    if content is None:
        (copy / name).unlink()
    else:
        (copy / name).write_bytes(content)
    with pytest.raises(UserError, match=message) as said:
        SpeechTextModel.load(copy)
    assert "\n" not in str(said.value)
    assert str(copy) in str(said.value)


def test_another_text_tokenizer_than_the_models_is_refused_by_fingerprint(folder, tmp_path):
    copy = tmp_path / "model"
    shutil.copytree(folder, copy)
    fit_sentencepiece(["one two three", "four five six"] * 20, vocab_size=300, output=copy / "text_tokenizer")
    other, own = (load_tokenizer(place / "text_tokenizer").fingerprint for place in (copy, folder))
    with pytest.raises(UserError, match=f"text_tokenizer: it is {other}, the model was trained with {own}"):
        SpeechTextModel.load(copy)


def test_speech_that_nobody_spoke_is_printed_as_tokens(tmp_path):
    assert write_parts([Speech(tokens=(302, 303))], tmp_path / "answer.wav") == ["[SPEECH] 2 tokens: 302 303"]
    assert not (tmp_path / "answer.wav").exists()


@pytest.mark.parametrize(("vocoder", "who"), [(None, "vocoder"), ("none", "encoder")])
def test_the_bundled_voice_and_encoders_are_refused_by_a_model_of_other_units(folder, tmp_path, vocoder, who):
    with pytest.raises(UserError, match=rf"{who}: its units tokens.*toy-units"):
        generate(str(folder), ["text:red"], output="speech", wav=str(tmp_path / "a.wav"), vocoder=vocoder, job=None)
