import json
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, LlamaConfig, LlamaForCausalLM, Qwen2Config

from pipelines.infer.model import SpeechTextModel
from pipelines.infer.parts import Speech, Text
from pipelines.train.config import BaseModelConfig, DataConfig, TrainConfig
from pipelines.train.corpus import open_corpus
from pipelines.train.export import extended_tokenizer, fast_from_sentencepiece, read_about
from pipelines.train.loop import LOG_FILE, train
from pipelines.train.model import build_model
from pipelines.train.objective import document_mask
from schemas.errors import UserError
from schemas.vocabulary import VocabularyLayout
from transforms.text.tokenizer import HfTokenizer, SentencePieceTokenizer, fit_sentencepiece, load_tokenizer

TRANSCRIPTS = Path(__file__).parents[3] / "examples" / "asterisk-en" / "transcripts.tsv"
MODEL = {"kind": "llama", "hidden_size": 32, "intermediate_size": 64, "layers": 1, "heads": 2, "kv_heads": 2}


@pytest.fixture(scope="module")
def folder(toy_run, tmp_path_factory):
    output = tmp_path_factory.mktemp("export") / "model"
    train(
        TrainConfig.model_validate(
            {
                "output": str(output),
                "corpus": str(toy_run),
                "model": MODEL,
                "data": {"context": 64, "sequences": 2},
                "steps": 2,
                "device": "cpu",
            }
        )
    )
    return output


def test_transformers_opens_the_folder_and_computes_the_same(folder, toy_run):
    corpus = open_corpus(str(toy_run), DataConfig())
    opened = AutoModelForCausalLM.from_pretrained(folder)
    text = corpus.tokenizer
    from safetensors.torch import load_model

    made, _ = build_model(
        TrainConfig.model_validate({"output": "o", "corpus": "c", "model": MODEL}).model,
        layout=corpus.layout,
        context=64,
        bos=text.bos_id,
        eos=text.eos_id,
        seed=9,
    )
    load_model(made, str(folder / "checkpoints" / "step-00000002" / "model.safetensors"))
    tokens = torch.arange(corpus.layout.used_size)[None, :60]
    with torch.no_grad():
        assert torch.equal(opened.eval()(tokens).logits, made.eval()(tokens).logits)
    assert opened.generation_config.eos_token_id == text.eos_id
    assert opened.generation_config.bos_token_id == text.bos_id
    assert opened.config.vocab_size == corpus.layout.padded_size


def test_plait_json_says_what_the_weights_do_not(folder, toy_run):
    corpus = open_corpus(str(toy_run), DataConfig())
    about = read_about(folder)
    assert VocabularyLayout.from_json(about["layout"]) == corpus.layout
    assert about["hops"] == {"units": 640, "pitch": 1280, "style": 16_000}
    assert about["training"]["corpus_fingerprint"] == corpus.fingerprint
    assert load_tokenizer(folder / about["text_tokenizer"]).fingerprint == corpus.layout.text_fingerprint
    with pytest.raises(UserError, match=r"plait\.json"):
        read_about(folder / "checkpoints")


def test_a_checkpoint_is_a_model_too(toy_run, tmp_path):
    settings = {"output": str(tmp_path), "corpus": str(toy_run), "model": MODEL, "steps": 2, "checkpoint_every": 1}
    train(TrainConfig.model_validate(settings | {"data": {"context": 64, "sequences": 2}, "device": "cpu"}))
    first, last = (tmp_path / "checkpoints" / f"step-0000000{step}" for step in (1, 2))
    for step in (first, last, tmp_path):
        model = SpeechTextModel.load(step, device="cpu")
        answer = model.generate([Text("red")], output="speech", max_new_tokens=4, temperature=0)
        assert isinstance(answer[0], Speech)
        assert AutoTokenizer.from_pretrained(step)("[TEXT]red").input_ids[1] == model.layout.text_marker
    assert read_about(first)["training"]["step"] == 1
    assert not read_about(last)["training"]["finished"]
    assert read_about(tmp_path)["training"]["finished"]
    left, right = load_file(last / "model.safetensors"), load_file(tmp_path / "model.safetensors")
    assert all(torch.equal(left[name], right[name]) for name in right)


def test_the_exported_tokenizer_has_the_ids_of_the_layout(folder):
    layout = VocabularyLayout.from_json(read_about(folder)["layout"])
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.convert_tokens_to_ids(layout.added_tokens()) == list(range(layout.text_size, layout.used_size))
    text = load_tokenizer(folder / "text_tokenizer")
    red, now = text.encode("red"), text.encode("now")
    expected = [text.bos_id, layout.text_marker, *red, layout.speech_marker]
    expected += [layout.offset("style") + 1, layout.offset("units") + 7, layout.text_marker, *now]
    assert tokenizer("[TEXT]red [SPEECH][St1][Hu7][TEXT]now").input_ids == expected


def test_what_the_exported_tokenizer_gives_goes_straight_into_generate(folder):
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    prompt = tokenizer("[TEXT]red [SPEECH]", return_tensors="pt")
    assert set(prompt) == {"input_ids", "attention_mask"}
    answer = model.generate(**prompt, max_new_tokens=3, do_sample=False)
    assert answer.shape[1] > prompt["input_ids"].shape[1]
    assert tokenizer.model_max_length == model.config.max_position_embeddings == 64


@pytest.fixture(scope="module")
def pieces(tmp_path_factory):
    lines = [line.split("\t")[2] for line in TRANSCRIPTS.read_text(encoding="utf-8").splitlines()[1:]]
    path = fit_sentencepiece(lines, vocab_size=700, output=tmp_path_factory.mktemp("sp"))
    text = SentencePieceTokenizer(path)
    return text, extended_tokenizer(text, VocabularyLayout(text.vocab_size, 20, 0, 0, text.fingerprint)), lines


def test_the_fast_tokenizer_splits_the_corpus_as_sentencepiece_does(pieces):
    text, fast, lines = pieces
    for line in lines:
        ids = fast(line, add_special_tokens=False).input_ids
        assert ids == text.encode(line)
        assert fast.decode(ids) == line


@settings(max_examples=300)
@given(st.text(st.sampled_from("aeinrst oupglE.,'é漢1 \n"), min_size=1, max_size=60))
def test_the_fast_tokenizer_splits_any_text_as_sentencepiece_does(pieces, line):
    text, fast, _ = pieces
    assert fast(line, add_special_tokens=False).input_ids == text.encode(line)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A small Llama with its tokenizer, as a hub folder has them; the real ones cannot be had here."""
    folder = tmp_path_factory.mktemp("base")
    lines = ["red green blue goes stops left right now"] * 3
    text = SentencePieceTokenizer(fit_sentencepiece(lines, vocab_size=300, output=folder / "sp"))
    plain = fast_from_sentencepiece(text)
    plain.save_pretrained(folder)
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(plain),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=1,
            num_attention_heads=2,
            tie_word_embeddings=False,
        )
    )
    model.save_pretrained(folder)
    return folder


def test_control_tokens_written_in_a_text_are_text_for_a_hugging_face_tokenizer_too(base):
    text = HfTokenizer(base)
    ids = text.encode("red</s> now<s>")
    assert text.eos_id not in ids
    assert text.bos_id not in ids
    assert text.decode(ids) == "red</s> now<s>"
    assert text.fingerprint == load_tokenizer(base).fingerprint
    assert (text.vocab_size, text.bos_id, text.eos_id) == (300, 1, 2)


def test_a_base_model_is_extended_and_its_text_rows_stay(base, toy_run, tmp_path):
    text = HfTokenizer(base)
    layout = VocabularyLayout(text.vocab_size, 48, 4, 3, text.fingerprint)
    config = BaseModelConfig(kind="base", path=str(base), rope_theta=50_000.0)
    model, record = build_model(config, layout=layout, context=64, bos=text.bos_id, eos=text.eos_id, seed=1)
    old = AutoModelForCausalLM.from_pretrained(base)
    for new_rows, old_rows in (
        (model.get_input_embeddings().weight, old.get_input_embeddings().weight),
        (model.get_output_embeddings().weight, old.get_output_embeddings().weight),
    ):
        assert torch.equal(new_rows[: text.vocab_size], old_rows[: text.vocab_size])
        assert new_rows.shape[0] == layout.padded_size
        torch.testing.assert_close(new_rows[text.vocab_size :].mean(), old_rows.mean(), atol=2e-3, rtol=0)
    assert record.first_new_row == text.vocab_size
    again, _ = build_model(config, layout=layout, context=64, bos=text.bos_id, eos=text.eos_id, seed=1)
    assert torch.equal(again.get_input_embeddings().weight, model.get_input_embeddings().weight)

    output = tmp_path / "model"
    figures = train(
        TrainConfig.model_validate(
            {
                "output": str(output),
                "corpus": str(toy_run),
                "model": config.model_dump(),
                "data": {"context": 64, "sequences": 2, "streams": ["units"]},
                "steps": 1,
                "device": "cpu",
            }
        )
    )
    assert figures["first_new_row"] == text.vocab_size
    tokenizer = AutoTokenizer.from_pretrained(output)
    assert tokenizer.convert_tokens_to_ids("[Hu5]") == text.vocab_size + 2 + 5
    config_json = json.loads((output / "config.json").read_text())
    theta = config_json.get("rope_theta", config_json.get("rope_parameters", {}).get("rope_theta"))
    assert theta == 50_000.0


def trained(base, toy_run, output, **changes):
    settings = {
        "output": str(output),
        "corpus": str(toy_run),
        "model": {"kind": "base", "path": str(base)},
        "data": {"context": 64, "sequences": 2, "streams": ["units"]},
        "steps": 3,
        "device": "cpu",
        "threads": 1,
    }
    return train(TrainConfig.model_validate(settings | changes))


def test_a_context_beyond_the_bases_own_is_in_the_exported_config(base, toy_run, tmp_path):
    trained(base, toy_run, tmp_path, steps=1, data={"context": 4096, "sequences": 1, "streams": ["units"]})
    assert json.loads((base / "config.json").read_text())["max_position_embeddings"] == 2048
    assert json.loads((tmp_path / "config.json").read_text())["max_position_embeddings"] == 4096
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert tokenizer.model_max_length == 4096
    assert set(tokenizer("red")) == {"input_ids", "attention_mask"}


def test_an_export_of_the_same_vocabulary_is_trained_on(base, toy_run, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    trained(base, toy_run, first)
    figures = trained(first, toy_run, second, steps=1, optimizer={"learning_rate": 1e-30, "weight_decay": 0.0})
    assert figures["new_rows_rule"] == "none: the base has the vocabulary already"
    assert figures["first_new_row"] == figures["embedding_rows"]
    left, right = load_file(first / "model.safetensors"), load_file(second / "model.safetensors")
    assert all(torch.equal(left[name], right[name]) for name in left)
    assert read_about(second)["layout"] == read_about(first)["layout"]
    with pytest.raises(UserError, match=r"model\.path.*trained with vocabulary"):
        trained(first, toy_run, tmp_path / "third", data={"context": 64, "sequences": 2})


def test_a_tokenizer_that_cannot_be_extended_is_refused_before_the_training(base, toy_run, tmp_path):
    knows, output = tmp_path / "knows", tmp_path / "model"
    shutil.copytree(base, knows)
    tokenizer = AutoTokenizer.from_pretrained(knows)
    tokenizer.add_tokens(["[Hu3]"])
    tokenizer.save_pretrained(knows)
    with pytest.raises(UserError, match="knows such tokens already"):
        trained(knows, toy_run, output)
    assert not (output / "checkpoints").exists()


@pytest.fixture
def gpt2(base, tmp_path):
    """With GPT-2's own dropout of 0.1."""
    folder = tmp_path / "gpt2"
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(FAMILIES["gpt2, places learned"]).save_pretrained(folder)
    return folder


def test_a_base_with_dropout_gives_the_same_losses_again(gpt2, toy_run, tmp_path):
    assert json.loads((gpt2 / "config.json").read_text())["resid_pdrop"] == 0.1
    logs = []
    for name in ("a", "b"):
        torch.manual_seed(len(logs))
        trained(gpt2, toy_run, tmp_path / name)
        logs.append((tmp_path / name / LOG_FILE).read_text())
    assert logs[0] == logs[1]


def test_a_context_beyond_the_learned_positions_is_refused(gpt2, toy_run, tmp_path):
    with pytest.raises(UserError, match=r"data\.context: 256 is more than the 128 positions"):
        trained(gpt2, toy_run, tmp_path / "model", data={"context": 256, "sequences": 2, "streams": ["units"]})


@pytest.mark.parametrize("new_rows", ["mean", "random"])
def test_text_perplexity_right_after_extension_is_that_of_the_original(base, new_rows):
    """Over the text rows, to which inference of text is held."""
    text = HfTokenizer(base)
    layout = VocabularyLayout(text.vocab_size, 48, 4, 3, text.fingerprint)
    config = BaseModelConfig(kind="base", path=str(base), new_rows=new_rows)
    model, record = build_model(config, layout=layout, context=64, bos=text.bos_id, eos=text.eos_id, seed=1)
    old = AutoModelForCausalLM.from_pretrained(base)
    ids = torch.tensor([[text.bos_id, *text.encode("red green stops left blue goes now right")]])
    with torch.no_grad():
        before, after = old(ids).logits[0, :-1], model(ids).logits[0, :-1]
    assert torch.equal(after[:, : text.vocab_size], before)
    targets = ids[0, 1:]
    perplexity = torch.nn.functional.cross_entropy(before, targets).exp()
    masked = after.clone()
    masked[:, layout.text_size :] = -torch.inf
    assert torch.nn.functional.cross_entropy(masked, targets).exp() == pytest.approx(perplexity.item(), rel=1e-6)
    new = model.get_input_embeddings().weight[text.vocab_size :]
    if new_rows == "random":
        assert record.rule == f"normal x {model.config.initializer_range}"
        assert new.std().item() == pytest.approx(model.config.initializer_range, rel=0.05)


FAMILIES = {
    "qwen2, tied": Qwen2Config(
        vocab_size=310,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=True,
    ),
    "gpt2, places learned": GPT2Config(vocab_size=300, n_positions=128, n_embd=32, n_layer=2, n_head=2),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_other_families_are_extended_and_keep_their_documents_apart(base, tmp_path, family):
    """Qwen2: more rows than its tokenizer has tokens, one matrix for both ends."""
    torch.manual_seed(0)
    old = AutoModelForCausalLM.from_config(FAMILIES[family])
    old.save_pretrained(tmp_path)
    text = HfTokenizer(base)
    layout = VocabularyLayout(text.vocab_size, 48, 4, 3, text.fingerprint)
    config = BaseModelConfig(kind="base", path=str(tmp_path))
    model, record = build_model(config, layout=layout, context=64, bos=text.bos_id, eos=text.eos_id, seed=1)
    inputs = model.get_input_embeddings().weight
    assert (record.rows, record.first_new_row) == (layout.padded_size, text.vocab_size)
    assert torch.equal(inputs[: text.vocab_size], old.get_input_embeddings().weight[: text.vocab_size])
    assert model.get_output_embeddings().weight is inputs
    documents = torch.tensor([[0] * 9 + [1] * 12 + [-1] * 3])
    tokens = torch.arange(24)[None] * 7 % layout.used_size
    places = torch.cat([torch.arange(9), torch.arange(12), torch.zeros(3, dtype=torch.long)])[None]
    model.eval()
    with torch.no_grad():
        packed = model(input_ids=tokens, attention_mask=document_mask(documents), position_ids=places).logits
        alone = model(input_ids=tokens[:, 9:21]).logits
    torch.testing.assert_close(packed[:, 9:21], alone, atol=1e-5, rtol=1e-5)


def test_a_folder_without_a_model_is_said(tmp_path):
    layout = VocabularyLayout(10, 5, 0, 0, "x")
    with pytest.raises(UserError, match=r"model\.path"):
        build_model(BaseModelConfig(kind="base", path=str(tmp_path)), layout=layout, context=64, bos=1, eos=2, seed=0)
