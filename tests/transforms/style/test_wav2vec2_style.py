"""The classifier backend, on small models of the same architecture that the tests make."""

import json

import numpy as np
import pytest
import torch
from transformers import Wav2Vec2Config, Wav2Vec2ForSequenceClassification, Wav2Vec2Model

from schemas.errors import UserError
from transforms.registry import config_class
from transforms.style.wav2vec2 import Wav2Vec2StyleConfig

SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
    "conv_dim": [16] * 7,
    "classifier_proj_size": 24,
    "num_labels": 30,
}
KINDS = {
    "base": {},
    "weighted": {"use_weighted_layer_sum": True},
    "large": {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "use_weighted_layer_sum": True},
}


@pytest.fixture(scope="module", params=sorted(KINDS))
def folder(request, tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp(request.param)
    model = Wav2Vec2ForSequenceClassification(Wav2Vec2Config(**SIZES, **KINDS[request.param]))
    for parameter in model.parameters():  # spread the classes: fresh weights are nearly blind
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    model.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def noises():
    rng = np.random.default_rng(1)
    return [rng.normal(0, 0.1, size).astype(np.float32) for size in (50_000, 16_000, 15_999, 700, 0, 33_001)]


def test_a_class_every_second_begun_whatever_the_batch(folder, noises):
    config = config_class("style", "wav2vec2")(model=str(folder), device="cpu")
    assert isinstance(config, Wav2Vec2StyleConfig)
    assert config.codebook_size == 30
    encoder = config.load()
    together = encoder.encode(noises)
    assert [len(ids) for ids in together] == [-(-len(noise) // 16_000) for noise in noises]
    for noise, ids in zip(noises, together, strict=True):
        assert ids.dtype == np.int32
        assert np.array_equal(ids, encoder.encode([noise])[0])


def test_one_second_is_classified_as_transformers_does(folder):
    model = Wav2Vec2ForSequenceClassification.from_pretrained(folder).eval()
    encoder = Wav2Vec2StyleConfig(model=str(folder), device="cpu").load()
    found, expected = [], []
    for seed in range(8):
        noise = np.random.default_rng(seed).normal(0, 0.02 * 2**seed, 16_000).astype(np.float32)
        with torch.inference_mode():
            padded = encoder._features.extractor.padded(noise)
            expected.append(int(model(padded[None]).logits[0].argmax()))
        found.append(int(encoder.encode([noise])[0][0]))
    assert found == expected


def test_another_model_is_refused(folder, tmp_path):
    Wav2Vec2Model(Wav2Vec2Config(**SIZES)).save_pretrained(tmp_path)
    with pytest.raises(UserError, match="no Wav2Vec2ForSequenceClassification"):
        _ = Wav2Vec2StyleConfig(model=str(tmp_path)).codebook_size
    settings = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**settings, "model_type": "hubert"}))
    with pytest.raises(UserError, match=r"style\.model.*hubert"):
        _ = Wav2Vec2StyleConfig(model=str(tmp_path)).codebook_size
    assert Wav2Vec2StyleConfig(model=str(folder)).fingerprint
