"""HuBERT units, on small models of the same architecture that the tests make."""

import json

import numpy as np
import pytest
import torch
from transformers import HubertConfig, HubertModel

from schemas.errors import UserError
from transforms.units.hubert import HubertUnitsConfig

SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}
BASE = {"conv_dim": [16] * 7}
AT_25_HZ = {
    "conv_dim": [16] * 8,
    "conv_kernel": [10, 3, 3, 3, 3, 2, 2, 2],
    "conv_stride": [5, 2, 2, 2, 2, 2, 2, 2],
    "num_feat_extract_layers": 8,
}
LARGE = {"conv_dim": [16] * 7, "feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}
KINDS = {"base": BASE, "25hz": AT_25_HZ, "large": LARGE}


@pytest.fixture(scope="module", params=sorted(KINDS))
def folder(request, tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp(request.param)
    HubertModel(HubertConfig(**SIZES, **KINDS[request.param])).save_pretrained(path)
    rng = np.random.default_rng(0)
    np.savez(path / "codebook.npz", centroids=rng.normal(size=(20, 32)).astype(np.float32))
    return path


def config(folder, **changes):
    return HubertUnitsConfig(
        **{"model": str(folder), "layer": 2, "codebook": str(folder / "codebook.npz"), "device": "cpu", **changes}
    )


@pytest.fixture(scope="module")
def noises():
    rng = np.random.default_rng(1)
    return [rng.normal(0, 0.1, size).astype(np.float32) for size in (16_000, 9_000, 8_999, 1, 0, 12_345)]


def test_frame_counts_follow_the_strides(folder, noises):
    backend = config(folder)
    assert backend.hop_samples == (640 if "25hz" in folder.name else 320)
    counts = [len(ids) for ids in backend.load().encode(noises)]
    assert counts == [-(-len(noise) // backend.hop_samples) for noise in noises]


def test_batch_mates_do_not_matter(folder, noises):
    extractor = config(folder).load_features()
    together = extractor.features(noises)
    for noise, features in zip(noises, together, strict=True):
        assert np.allclose(features, extractor.features([noise])[0], atol=1e-4)


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_features_are_the_hidden_states_of_transformers(folder, layer):
    backend = config(folder, layer=layer)
    noise = np.random.default_rng(2).normal(0, 0.1, backend.hop_samples * 30 + 400).astype(np.float32)
    features = backend.load_features()
    padded = features._padded(noise, -(-len(noise) // backend.hop_samples))
    model = HubertModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        expected = model(padded[None], output_hidden_states=True).hidden_states[layer][0].numpy()
    (found,) = features.features([noise])
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-4


def test_padding_leaves_the_samples_in_place(folder):
    features = config(folder).load_features()
    features._normalise = False
    noise = np.random.default_rng(3).normal(0, 0.1, 5000).astype(np.float32)
    padded = features._padded(noise, -(-5000 // features._hop)).numpy()
    assert np.array_equal(padded[:5000], noise)
    assert not padded[5000:].any()


def test_layers_above_are_dropped(folder):
    assert len(config(folder, layer=1).load_features()._model.encoder.layers) == 1


def test_preprocessor_config_decides_the_normalisation(folder, tmp_path):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    before = config(tmp_path).fingerprint
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"do_normalize": True}))
    noise = np.random.default_rng(4).normal(0, 0.1, 16_000).astype(np.float32)
    extractor = config(tmp_path).load_features()
    loud, soft = extractor.features([noise, noise / 8])
    assert np.abs(loud - soft).max() < 1e-2
    assert config(tmp_path).fingerprint != before


def test_mistakes_are_the_users(folder, tmp_path):
    with pytest.raises(UserError, match="3 layers, not 4"):
        config(folder, layer=4).load()
    with pytest.raises(UserError, match="no such file"):
        _ = config(folder, codebook=str(tmp_path / "none.npz")).fingerprint
    with pytest.raises(UserError, match="no config"):
        _ = config(tmp_path).hop_samples
    with pytest.raises(UserError, match="allow_download"):
        _ = config(folder, model="nobody/no-such-model").hop_samples
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match="no HuBERT config"):
        _ = config(tmp_path).hop_samples
    np.savez(tmp_path / "narrow.npz", centroids=np.zeros((4, 8), np.float32))
    with pytest.raises(UserError, match="8 features a frame"):
        config(folder, codebook=str(tmp_path / "narrow.npz")).load()
