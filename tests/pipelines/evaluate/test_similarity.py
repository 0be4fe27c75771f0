"""Hidden states of the same words in speech and text: known states, an untrained model's, bad data."""

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from pipelines.evaluate.hidden import ModelWords, SpokenText, WordStates
from pipelines.evaluate.layer_plot import layer_plot
from pipelines.evaluate.registry import suite_named
from pipelines.evaluate.suites.similarity import (
    SimilaritySettings,
    evaluate_similarity,
    highest_cosine,
    read_spoken_texts,
)
from pipelines.infer.model import SpeechTextModel
from pipelines.infer.parts import Speech
from schemas.errors import UserError
from schemas.vocabulary import VocabularyLayout
from tests.pipelines.evaluate.fake_models import BUNDLED, request_of
from tests.toy_corpus import INFOS, toy_utterance
from transforms.streams import merge_streams
from transforms.text.tokenizer import fit_sentencepiece, load_tokenizer

LAYERS = 3
WORDS = [f"word{letter}" for letter in "abcdefghijklmnop"]
ITEMS = [SpokenText(f"r{number}", "", Speech(), 0, ()) for number in range(8)]


class FakeReader:
    """Two words a recording; ``states(word, rng)`` gives the text state and the speech state of a word."""

    def __init__(self, states):
        self.states, self.rng = states, np.random.default_rng(0)

    def words(self, item):
        found = []
        for index in (2 * int(item.key[1:]), 2 * int(item.key[1:]) + 1):
            text, speech = self.states(index, self.rng)
            found.append(WordStates(WORDS[index], *(np.tile(v, (LAYERS, 2, 1)) for v in (text, speech))))
        return found


def one_hot(index):
    return np.eye(len(WORDS))[index]


def scores(states):
    outcome = evaluate_similarity(FakeReader(states), ITEMS, min_letters=3, seed=0, say=lambda _: None)
    return {figure.measure: figure.value for figure in outcome.figures if figure.task == "layer 2"}, outcome


def test_known_states_get_the_figures_they_must():
    perfect, outcome = scores(lambda index, rng: (one_hot(index), 3 * one_hot(index)))
    assert perfect == {
        "similarity, same word": 1.0,
        "similarity, another word": 0.0,
        "difference": 1.0,
        "nearer to its own speech": 1.0,
    }
    assert [figure.task for figure in outcome.figures] == [f"layer {n}" for n in range(LAYERS) for _ in range(4)]
    against, _ = scores(lambda index, rng: (one_hot(index), -one_hot(index)))
    assert (against["difference"], against["nearer to its own speech"]) == (-1.0, 0.0)
    flat, _ = scores(lambda index, rng: (np.ones(4), np.ones(4)))
    assert (flat["difference"], flat["nearer to its own speech"]) == (pytest.approx(0), 0.5)
    guessed, _ = scores(lambda index, rng: (rng.normal(size=64), rng.normal(size=64)))
    assert abs(guessed["difference"]) < 0.15
    assert 0.15 < guessed["nearer to its own speech"] < 0.85


def test_the_highest_cosine_is_that_of_the_best_pair():
    rng = np.random.default_rng(0)
    text, speech = rng.normal(size=(2, 3, 5)), rng.normal(size=(2, 4, 5))
    found = highest_cosine(text, speech)
    for layer in range(2):
        pairs = [float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)) for a in text[layer] for b in speech[layer]]
        assert found[layer] == pytest.approx(max(pairs))
    assert highest_cosine(10 * text, 0.1 * speech) == pytest.approx(found)


def test_one_recording_has_nothing_to_be_compared_with():
    with pytest.raises(UserError, match="two recordings at least"):
        evaluate_similarity(
            FakeReader(lambda i, rng: (one_hot(i), one_hot(i))), ITEMS[:1], min_letters=3, seed=0, say=lambda _: None
        )


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    fit_sentencepiece([toy_utterance(n).text for n in range(40)], vocab_size=300, output=folder)
    tokenizer = load_tokenizer(folder)
    layout = VocabularyLayout(
        tokenizer.vocab_size,
        *(info.codebook_size for info in INFOS),
        text_fingerprint=tokenizer.fingerprint,
        stream_fingerprints=tuple(f"{info.kind}={info.fingerprint}" for info in INFOS),
    )
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=layout.padded_size, hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2
    )
    hops = {info.kind: info.hop_samples for info in INFOS}
    return SpeechTextModel(LlamaForCausalLM(config), layout=layout, tokenizer=tokenizer, hops=hops, context=200)


def spoken_text(number):
    toy = toy_utterance(number)
    return SpokenText(toy.utterance_id, toy.text, Speech(streams=toy.streams), toy.num_samples, toy.words)


@pytest.mark.parametrize("number", range(3))
def test_every_token_belongs_to_one_word(model, number):
    item = spoken_text(number)
    words = ModelWords(model).words(item)
    assert [word.word for word in words] == item.text.split()
    assert sum(word.text.shape[1] for word in words) == len(model.tokenizer.encode(item.text))
    merged = merge_streams(item.speech.streams, layout=model.layout)
    assert sum(word.speech.shape[1] for word in words) == len(merged.tokens)
    assert {word.text.shape[::2] for word in words} == {(3, 16)}
    embeddings = model.model.get_input_embeddings().weight.detach().numpy()
    assert words[0].text[0, 0] == pytest.approx(embeddings[model.tokenizer.encode(item.text)[0]])
    assert words[0].speech[0, 0] == pytest.approx(embeddings[merged.tokens[0]])


def test_an_untrained_model_holds_no_word_alike(model):
    outcome = evaluate_similarity(
        ModelWords(model), [spoken_text(n) for n in range(6)], min_letters=3, seed=0, say=lambda _: None
    )
    for figure in outcome.figures:
        if figure.measure == "difference":
            assert figure.interval[0] < 0.05
            assert abs(figure.value) < 0.15
    assert outcome.files[".svg"].count("<polyline") == 2


def test_a_recording_longer_than_the_context_is_named(model):
    item = spoken_text(1)
    model.context, context = 20, model.context
    with pytest.raises(UserError, match=r"toy-0001: .* the model's context is 20"):
        ModelWords(model).words(item)
    model.context = context


def test_the_small_set_has_the_times_of_its_words():
    items = read_spoken_texts(BUNDLED / "prompts", SimilaritySettings(), limit=3)
    assert [item.key for item in items] == sorted(item.key for item in items)
    assert [word.text for word in items[0].words] == ["the", "conference", "cannot", "be", "extended"]
    assert items[0].words[-1].end_sample <= items[0].num_samples


def test_missing_times_are_the_users_mistake(tmp_path):
    with pytest.raises(UserError, match=r"words\.ctm: no word times"):
        read_spoken_texts(tmp_path, SimilaritySettings(), limit=None)
    (tmp_path / "words.ctm").write_text("other 1 0.0 0.1 the\n")
    (tmp_path / "queries.tsv").write_text(
        "id\taudio\ttext\na\t" + str((BUNDLED / "../asterisk-en/audio/activated.flac").resolve()) + "\tActivated.\n"
    )
    suite = suite_named("similarity")
    with pytest.raises(UserError, match=r"activated\.flac \(a\): no alignment file names this utterance"):
        suite.run(lambda: 1 / 0, request_of(suite, data=tmp_path))


def test_the_plot_is_a_file_of_its_own():
    from xml.etree import ElementTree

    svg = layer_plot({"a < b": [0.1, 0.5, 0.4], "c": [0.0, 0.1, 0.2]}, title="x & y")
    root = ElementTree.fromstring(svg)
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"a < b", "c", "layer", "cosine"} <= set(texts)
