"""Hugging Face classifiers from local folders: real architectures, tiny and untrained."""

import numpy as np
import pytest
import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertTokenizerFast,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForSequenceClassification,
)

from pipelines.evaluate.classifiers import speech_judge, text_judge, toxicity_scorer
from pipelines.evaluate.lexicon import SENTIMENTS
from schemas.errors import UserError

LABELS = {0: "NEG", 1: "neutral", 2: "POS"}
TEXTS = ["good day", "bad", "day day day bad good"] * 7


@pytest.fixture(scope="module")
def text_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text")
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "day"]))
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = BertConfig(vocab_size=8, id2label=LABELS, label2id={n: i for i, n in LABELS.items()}, **sizes)
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def speech_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("speech")
    labels = {0: "happy", 1: "LABEL_1"}
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = Wav2Vec2Config(
        conv_dim=(8, 8),
        conv_stride=(10, 8),
        conv_kernel=(10, 8),
        num_conv_pos_embeddings=4,
        vocab_size=4,
        num_conv_pos_embedding_groups=2,
        classifier_proj_size=8,
        num_feat_extract_layers=2,
        id2label=labels,
        label2id={n: i for i, n in labels.items()},
        **sizes,
    )
    torch.manual_seed(0)
    Wav2Vec2ForSequenceClassification(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(sampling_rate=16_000).save_pretrained(folder)
    return folder


def test_text_is_judged_alike_in_any_batch(text_folder):
    judge = text_judge(f"hf:{text_folder}", labels={})
    found = judge(TEXTS)
    assert found == [judge([text])[0] for text in TEXTS]
    assert set(found) <= set(SENTIMENTS)
    assert judge([]) == []
    swapped = text_judge(f"hf:{text_folder}", labels={"NEG": "positive", "POS": "negative"})(TEXTS)
    turn = {"positive": "negative", "negative": "positive", "neutral": "neutral"}
    assert swapped == [turn[sentiment] for sentiment in found]


def test_a_score_is_the_labels_probability(text_folder):
    by_label = [toxicity_scorer(f"hf:{text_folder}", label=label.lower())(TEXTS[:3]) for label in LABELS.values()]
    assert np.sum(by_label, axis=0) == pytest.approx([1, 1, 1], abs=1e-5)
    with pytest.raises(UserError, match=r"no label 'toxic' \(there are: NEG, neutral, POS\)"):
        toxicity_scorer(f"hf:{text_folder}", label="toxic")
    with pytest.raises(UserError, match="is not hf:FOLDER"):
        toxicity_scorer("etox", label="toxic")


def test_speech_is_judged_and_labels_must_mean_something(speech_folder):
    with pytest.raises(UserError, match="the label 'LABEL_1' is no sentiment"):
        speech_judge(f"hf:{speech_folder}", text=list, labels={})
    judge = speech_judge(f"hf:{speech_folder}", text=list, labels={"LABEL_1": "sad"})
    rng = np.random.default_rng(0)
    waveforms = [rng.normal(size=length).astype(np.float32) for length in (4000, 16_000)]
    assert set(judge(waveforms)) <= {"positive", "negative"}
    assert judge([np.zeros(0, np.float32)]) == ["neutral"]


def test_what_cannot_be_opened_is_the_users_mistake(tmp_path, text_folder):
    with pytest.raises(UserError, match=r"no config\.json"):
        text_judge(f"hf:{tmp_path}", labels={})
    with pytest.raises(UserError, match="cannot be opened as a classifier"):
        speech_judge(f"hf:{text_folder}", text=list, labels={})
    with pytest.raises(UserError, match="neither transcript nor hf:FOLDER"):
        speech_judge("tone", text=list, labels={})


def test_the_transcript_is_judged_as_text():
    judge = speech_judge("transcript", text=lambda texts: [f"<{text}>" for text in texts], labels={})
    import soundfile as sf

    (found,) = judge([sf.read("examples/suites/sentiment/audio/p01.ogg", dtype="float32")[0]])
    assert "wonderful" in found
