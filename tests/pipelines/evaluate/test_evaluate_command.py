"""`plait evaluate`: the table, the JSON, the list, the registry, mistakes of the user; a real encoder with a model."""

import json
import re

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.evaluate.command import (
    bundled_data,
    data_digest,
    evaluate,
    listing,
    read_settings,
    render,
    write_results,
)
from pipelines.evaluate.pairs import Comparison, compare
from pipelines.evaluate.public_sets import NOT_PUBLISHED, PUBLIC_SETS
from pipelines.evaluate.registry import SUITES, suite_named
from pipelines.infer.model import SpeechTextModel
from pipelines.infer.parts import Text
from schemas.errors import UserError
from schemas.vocabulary import VocabularyLayout
from tests.pipelines.evaluate.fake_models import BUNDLED, request_of
from transforms.text.tokenizer import fit_sentencepiece, load_tokenizer
from transforms.units.whisper import WhisperUnitsConfig


@pytest.mark.parametrize("name", SUITES)
def test_every_suite_has_a_small_set_and_a_public_one(name):
    suite = suite_named(name)
    assert bundled_data(suite).is_dir()
    assert suite.public
    assert set(suite.public) <= set(PUBLIC_SETS)


def test_no_digest_is_invented():
    stated = {name: found.digest for name, found in PUBLIC_SETS.items() if found.digest != NOT_PUBLISHED}
    assert set(stated) == {"LibriSpeech", "sLM21"}
    assert stated["LibriSpeech"] == "md5 32fa31d27d2e1cad72775fee3f4849a9 (openslr.org/resources/12/md5sum.txt)"
    assert not re.search("[0-9a-f]{32}", stated["sLM21"])


def test_the_small_sets_stay_small():
    sizes = [path.stat().st_size for path in BUNDLED.rglob("*") if path.is_file()]
    assert sum(sizes) < 4e6


def test_the_list_names_all():
    text = "\n".join(listing())
    for name in [*SUITES, *PUBLIC_SETS]:
        assert name in text
    result = CliRunner().invoke(app, ["evaluate", "list"])
    assert result.exit_code == 0
    assert "swuggy" in result.stdout


def test_the_result_says_what_it_was_computed_from(tmp_path):
    found = evaluate("units", model=None, limit=2, overrides=["phones='39'"])
    table = render(found)
    assert "PNMI" in table
    assert "bundled small set" in table
    (path,) = write_results(found, tmp_path / "new" / "units.json")
    stored = json.loads(path.read_text())
    assert stored["format"] == "plait/evaluation/1"
    assert (stored["suite"], stored["limit"], stored["seed"]) == ("units", 2, 0)
    assert stored["settings"] == {"job": None, "phones": "39"}
    assert stored["about"]["encoder"] == WhisperUnitsConfig().fingerprint
    assert {"task": "units", "measure": "PNMI", "items": 174, "value": stored["figures"][0]["value"]} == stored[
        "figures"
    ][0]
    assert [row["key"] for row in stored["items"]] == ["00", "01"]
    assert str(BUNDLED.resolve()) not in path.read_text()


def test_data_are_told_apart_by_their_files(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/a.txt").write_text("one")
    before = data_digest(tmp_path)
    assert data_digest(tmp_path) == before
    (tmp_path / "sub/a.txt").write_text("three")
    assert data_digest(tmp_path) != before
    longer = data_digest(tmp_path)
    (tmp_path / "sub/a.txt").write_text("seven")
    assert data_digest(tmp_path) != longer
    assert data_digest(tmp_path / "sub/a.txt") == data_digest(tmp_path / "sub/a.txt")


def test_an_item_beyond_the_context_is_left_out_and_named(tmp_path):
    small, said = untrained(tmp_path, context=40), []
    word = (Text("fox"),)
    fine = Comparison("story-6", "topic", better=word, worse=(Text("dog"),))
    long = Comparison("story-7", "topic", better=word, worse=word, prompt=(Text("the quick brown fox " * 30),))
    scopes = {"topic": ("continuation",)}

    def found(comparisons):
        return compare(small, comparisons, scopes=scopes, max_failed_ratio=0.01, seed=0, say=said.append)

    outcome = found([long, fine])
    assert [*outcome.figures[:2]] == list(found([fine]).figures)
    assert outcome.value("topic", "comparisons left out") == 1
    assert re.fullmatch(
        r"left out topic story-7: prompt and candidate have [0-9]+ tokens; the model's context is 40", said[0]
    )


def test_a_result_that_cannot_be_written_is_said_before_the_model_opens(tmp_path):
    (tmp_path / "file").write_text("")
    for out, message in ((tmp_path / "file" / "r.json", "cannot write"), (tmp_path, "is a folder; name a file")):
        result = CliRunner().invoke(app, ["evaluate", "blimp", "--model", "nowhere", "--out", str(out)])
        assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
        assert message in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["swugy", "--model", "x"], "did you mean swuggy"),
        (["swuggy"], "name a model, --model FOLDER"),
        (["units", "--model", "x"], "leave out --model"),
        (["swuggy", "--model", "x", "--set", "splits=test"], "splits: unknown key; did you mean split"),
        (["stsp", "--model", "x", "--set", "runs"], "expected key=value"),
        (["stsp", "--model", "x", "--set", "shots=["], "--set shots=[: not valid YAML"),
        (["stsp", "--model", "x", "--set", "runs=0"], "runs: input should be greater than or equal to 1"),
        (["sblimp", "--model", "x", "--data", "nowhere"], r"nowhere/syntactic/dev/gold.csv: no such file"),
        (["blimp", "--model", "nowhere"], "plait.json in nowhere"),
    ],
)
def test_mistakes_are_one_line(arguments, message):
    result = CliRunner().invoke(app, ["evaluate", *arguments])
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert message in result.stderr


def test_settings_are_typed():
    assert read_settings(suite_named("stsp").settings, ["directions=[S->S]", "runs=1"], name="stsp").runs == 1
    with pytest.raises(UserError, match="directions"):
        read_settings(suite_named("stsp").settings, ["directions=[S->X]"], name="stsp")


def untrained(folder, *, context):
    """With the bundled units: what matters is that real recordings pass."""
    fit_sentencepiece(["the quick brown fox", "a lazy dog sleeps"] * 20, vocab_size=300, output=folder)
    tokenizer, units = load_tokenizer(folder), WhisperUnitsConfig()
    layout = VocabularyLayout(
        tokenizer.vocab_size,
        500,
        0,
        0,
        text_fingerprint=tokenizer.fingerprint,
        stream_fingerprints=(f"units={units.fingerprint}",),
    )
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    llama = LlamaForCausalLM(LlamaConfig(vocab_size=layout.padded_size, **sizes))
    return SpeechTextModel(
        llama, layout=layout, tokenizer=tokenizer, hops={"units": units.hop_samples}, context=context, encoders=[units]
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return untrained(tmp_path_factory.mktemp("tokenizer"), context=2048)


TEMPLATE = """\
format: plait/few-shot/1
shots: 1
question: [speech]
answer: [text: "{text}"]
decoding: {output: text, max_new_tokens: 4}
"""
SPOKEN = """\
format: plait/few-shot/1
shots: 1
question: [text: "{text}"]
answer: [speech]
decoding: {output: speech, max_new_tokens: 4}
"""


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("swuggy", {}),
        ("wuggy", {}),
        ("sblimp", {}),
        ("blimp", {}),
        ("storycloze", {}),
        ("topic-storycloze", {"directions": ["S->T"]}),
        ("asr", {"template": "short.yaml"}),
        ("tts", {"template": "spoken.yaml"}),
        ("intent", {"template": "short.yaml", "shots": 2}),
        ("stsp", {"runs": 1, "shots": 3, "directions": ["S->T"]}),
        ("toxicity", {"directions": ["T->T"]}),
        ("similarity", {}),
    ],
)
def test_suites_run_on_a_real_model(model, tmp_path, name, settings):
    (tmp_path / "short.yaml").write_text(TEMPLATE)
    (tmp_path / "spoken.yaml").write_text(SPOKEN)
    if "template" in settings:
        settings = {**settings, "template": str(tmp_path / settings["template"])}
    suite = suite_named(name)
    outcome = suite.run(lambda: model, request_of(suite, limit=2, **settings))
    assert outcome.figures
    assert all(figure.value is None or np.isfinite(figure.value) for figure in outcome.figures)
    again = suite.run(lambda: model, request_of(suite, limit=2, **settings))
    assert [figure.value for figure in again.figures] == [figure.value for figure in outcome.figures]
    json.dumps([figure.to_json() for figure in outcome.figures] + list(outcome.rows) + [dict(outcome.about)])


def test_too_many_examples_for_the_context_are_refused_or_fitted(tmp_path):
    (tmp_path / "short.yaml").write_text(TEMPLATE)
    small = untrained(tmp_path, context=100)
    suite, settings = suite_named("asr"), {"template": str(tmp_path / "short.yaml"), "shots": 6}
    with pytest.raises(UserError, match="--set shots=N"):
        suite.run(lambda: small, request_of(suite, limit=1, **settings))
    outcome = suite.run(lambda: small, request_of(suite, limit=1, fit=True, **settings))
    assert outcome.value("ASR", "examples before a query") < 6
    assert len(outcome.rows[0]["shots"]) == outcome.value("ASR", "examples before a query")
