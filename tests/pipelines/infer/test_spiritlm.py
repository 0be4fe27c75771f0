"""A checkpoint in the layout of the Spirit LM release: random weights, the published ids."""

import json

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.utils import sentencepiece_model_pb2_new as sentencepiece_model_pb2

from pipelines.infer.command import open_model
from pipelines.infer.model import SpeechTextModel
from pipelines.infer.parts import Speech, Text
from schemas.errors import UserError
from schemas.records import Stream
from tests.pipelines.infer.conftest import FakeEncoderConfig
from tests.toy_corpus import INFOS


def write_sentencepiece(path, *, pieces: int) -> None:
    """A BPE of Llama's shape: specials, bytes, letters, and made-up words up to ``pieces``."""
    proto = sentencepiece_model_pb2.ModelProto()
    kinds = proto.SentencePiece.Type
    proto.trainer_spec.model_type = proto.trainer_spec.BPE
    proto.trainer_spec.byte_fallback = True
    proto.trainer_spec.vocab_size = pieces
    proto.normalizer_spec.name = "identity"
    proto.normalizer_spec.add_dummy_prefix = True
    proto.normalizer_spec.remove_extra_whitespaces = False

    def add(piece, score=0.0, kind=kinds.NORMAL):
        proto.pieces.add(piece=piece, score=score, type=kind)

    add("<unk>", kind=kinds.UNKNOWN)
    add("<s>", kind=kinds.CONTROL)
    add("</s>", kind=kinds.CONTROL)
    for byte in range(256):
        add(f"<0x{byte:02X}>", kind=kinds.BYTE)
    letters = "\u2581abcdefghijklmnopqrstuvwxyz"
    words = [left + right for left in letters for right in letters[1:]]
    words += [word + letter for word in words for letter in letters[1:]]
    words += [word + letter for word in words[702:] for letter in letters[1:]]
    room = pieces - 259 - len(letters)
    for rank, word in enumerate(words[:room]):
        add(word, score=-float(rank))
    for rank, letter in enumerate(letters):
        add(letter, score=-float(room + rank))
    assert len(proto.pieces) == pieces
    path.write_bytes(proto.SerializeToString())


def write_checkpoint(folder, *, rows: int, pieces: int = 32_000):
    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    config = LlamaConfig(vocab_size=rows, max_position_embeddings=256, tie_word_embeddings=True, **sizes)
    LlamaForCausalLM(config).save_pretrained(folder)
    write_sentencepiece(folder / "tokenizer.model", pieces=pieces)
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return write_checkpoint(tmp_path_factory.mktemp("base"), rows=32_512)


@pytest.fixture(scope="module")
def expressive(tmp_path_factory):
    return write_checkpoint(tmp_path_factory.mktemp("expressive"), rows=32_768)


def test_the_ids_are_the_published_ones(base, expressive):
    layout = SpeechTextModel.load(expressive, device="cpu").layout
    named = dict(zip(layout.added_tokens(), range(layout.text_size, layout.used_size), strict=True))
    expected = {"[Text]": 32000, "[Speech]": 32001, "[Hu0]": 32002, "[Hu500]": 32502, "[Pi0]": 32503, "[Pi63]": 32566}
    expected |= {"[St0]": 32567, "[St99]": 32666}
    assert {name: named[name] for name in expected} == expected
    assert layout.padded_size == 32_768
    small = SpeechTextModel.load(base, device="cpu").layout
    assert (small.used_size, small.padded_size) == (32_503, 32_512)
    assert small.codebook_size("pitch") == small.codebook_size("style") == 0


@pytest.mark.parametrize("output", ["text", "speech", "any"])
def test_it_answers_text_and_stays_within_the_layout(base, expressive, output):
    for folder in (base, expressive):
        model = SpeechTextModel.load(folder, device="cpu")
        assert model.context == 256
        (answer,) = model.generate(
            [[Text("the cat")]], output=output, temperature=2.0, top_p=1.0, min_new_tokens=30, max_new_tokens=30
        )
        spoken = [token for part in answer if isinstance(part, Speech) for token in part.tokens]
        kinds = {model.layout.decode_id(token)[0] for token in spoken}
        assert kinds <= ({"units"} if folder == base else {"units", "pitch", "style"})
        if output != "any":
            assert len(spoken) == (30 if output == "speech" else 0)


def test_units_are_never_taken_for_the_releases_silently(base):
    encoder = FakeEncoderConfig(INFOS[0])
    encoder.codebook_size = 501
    with pytest.raises(UserError, match=r"encoder: its units tokens are toy-units.*Spirit LM's own.*codebooks"):
        SpeechTextModel.load(base, encoders=[encoder], device="cpu")
    stream = Stream("units", 640, 501, torch.arange(20).numpy(), "toy-units")
    with pytest.raises(UserError, match=r"prompt: its units tokens are toy-units.*codebooks"):
        SpeechTextModel.load(base, device="cpu").score([], [[Speech(streams=(stream,))]])
    (known,) = SpeechTextModel.load(base, device="cpu").score([], [[Speech(tokens=tuple(range(32_002, 32_022)))]])
    stated = SpeechTextModel.load_spiritlm(base, codebooks={"units": "toy-units"}, encoders=[encoder], device="cpu")
    (score,) = stated.score([], [[Speech(streams=(stream,))]])
    assert score == known
    assert score.tokens == 20


def test_the_shell_opens_it_without_the_bundled_voice(base, expressive):
    for folder in (base, expressive):
        model = open_model(str(folder), vocoder=None, job=None)
        assert model.vocoder is None
        with pytest.raises(UserError, match=r"needs the units encoder .*Spirit LM's own.*--job"):
            model.generate([[Speech(torch.zeros(16_000).numpy())]], output="text")


def test_another_layout_is_named(base, tmp_path):
    write_checkpoint(tmp_path / "odd", rows=32_064)
    with pytest.raises(UserError, match=r"32064 rows; .*32512 \(BASE\) or 32768 \(EXPRESSIVE\)"):
        SpeechTextModel.load_spiritlm(tmp_path / "odd", device="cpu")
    with pytest.raises(UserError, match=r"no plait\.json"):
        SpeechTextModel.load(tmp_path / "odd", device="cpu")
    write_checkpoint(tmp_path / "short", rows=32_512, pieces=31_000)
    with pytest.raises(UserError, match="31000 text tokens"):
        SpeechTextModel.load(tmp_path / "short", device="cpu")
    with pytest.raises(UserError, match=r"config\.json"):
        SpeechTextModel.load_spiritlm(tmp_path, device="cpu")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/config.json").write_text("{")
    with pytest.raises(UserError, match=r"config\.json: not JSON"):
        SpeechTextModel.load(tmp_path / "broken", device="cpu")
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare/config.json").write_text(json.dumps({"model_type": "llama", "vocab_size": 32_512}))
    with pytest.raises(UserError, match=r"tokenizer\.model is missing"):
        SpeechTextModel.load_spiritlm(tmp_path / "bare", device="cpu")
