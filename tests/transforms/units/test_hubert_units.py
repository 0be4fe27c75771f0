"""HuBERT units, on small models of the same architecture that the tests make."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import torchaudio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import HubertConfig, HubertForSequenceClassification, HubertModel

from schemas.errors import UserError
from transforms.kmeans import load_codebook
from transforms.units import hubert_model, hubert_net, hubert_source
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
    padded = features.extractor.padded(noise)
    model = HubertModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        expected = model(padded[None], output_hidden_states=True).hidden_states[layer][0].numpy()
    (found,) = features.features([noise])
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-4


def test_rarer_architectures_in_a_torch_file_are_read_too(tmp_path):
    """As DistilHuBERT: no norm before the projection; an odd positional convolution; a head on top; a state dict."""
    torch.manual_seed(0)
    settings = {
        **SIZES,
        **BASE,
        "feat_proj_layer_norm": False,
        "num_conv_pos_embeddings": 15,
        "classifier_proj_size": 4,
    }
    model = HubertForSequenceClassification(HubertConfig(**settings)).eval()
    model.save_pretrained(tmp_path, safe_serialization=False)
    assert not list(tmp_path.glob("*.safetensors"))
    features = HubertUnitsConfig(model=str(tmp_path), layer=2, codebook="unused", device="cpu").load_features()
    noise = np.random.default_rng(2).normal(0, 0.1, 9000).astype(np.float32)
    with torch.inference_mode():
        states = (
            model.hubert(features.extractor.padded(noise)[None], output_hidden_states=True).hidden_states[2][0].numpy()
        )
    assert np.abs(features.features([noise])[0] - states).max() < 1e-4


def test_padding_leaves_the_samples_in_place(folder):
    features = config(folder).load_features().extractor
    features._shape = replace(features._shape, normalise=False)
    noise = np.random.default_rng(3).normal(0, 0.1, 5000).astype(np.float32)
    padded = features.padded(noise).numpy()
    assert np.array_equal(padded[:5000], noise)
    assert not padded[5000:].any()


def test_layers_above_are_never_built(folder):
    assert len(config(folder, layer=1).load_features().extractor._net.layers) == 1


@pytest.mark.parametrize("size", [400, 3000])
def test_blocks_of_the_convolutions_do_not_matter(folder, noises, size, monkeypatch):
    whole = config(folder).load_features().extractor._convolved
    extractor = config(folder).load_features().extractor
    padded = [extractor.padded(noise) for noise in noises]
    expected = whole(padded)
    monkeypatch.setattr(hubert_model, "_BLOCK_SAMPLES", size)
    for found, states in zip(extractor._convolved(padded), expected, strict=True):
        assert torch.allclose(found, states, atol=1e-5)


def test_a_long_recording_in_windows_gives_nearly_the_same_units(folder, monkeypatch):
    noise = np.random.default_rng(5).normal(0, 0.1, 16_000 * 20).astype(np.float32)
    encoder = config(folder).load()
    (whole,) = encoder.encode([noise])
    monkeypatch.setattr(hubert_model, "WINDOW_SAMPLES", 96_000)
    (windowed,) = encoder.encode([noise])
    assert len(windowed) == len(whole)
    assert (windowed == whole).mean() >= 0.99


def test_units_are_the_nearest_centroids_of_the_features(folder, noises):
    backend = config(folder)
    codebook = load_codebook(backend.codebook_path)
    for ids, features in zip(backend.load().encode(noises), backend.load_features().features(noises), strict=True):
        assert ids.dtype == np.int32
        assert np.array_equal(ids, codebook.assign(features))
    assert np.array_equal(backend.code_vectors(), codebook.centroids)


def test_a_linear_quantizer_has_no_code_vectors(folder, tmp_path):
    (tmp_path / "quantizer.pt").touch()
    assert config(folder, codebook=str(tmp_path / "quantizer.pt")).code_vectors() is None


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_narrow_formats_stay_near_and_count_their_frames(folder, noises, precision):
    exact = config(folder).load_features().features(noises)
    near = config(folder, precision=precision).load_features().features(noises)
    assert config(folder, precision=precision).fingerprint == config(folder).fingerprint
    for found, states in zip(near, exact, strict=True):
        assert found.dtype == np.float32
        assert found.shape == states.shape
        assert not len(states) or np.abs(found - states).mean() <= 0.1 * np.abs(states).mean()


@pytest.mark.parametrize("folder", ["base"], indirect=True)
def test_a_compiled_model_gives_the_same_units(folder, noises, monkeypatch):
    """Traced as for a GPU, run without the code generator, which would take minutes."""
    traced = []

    def traces(function, **options):
        traced.append(options)
        return compiler(function, backend="eager", **options)

    compiler = torch.compile
    monkeypatch.setattr(torch, "compile", traces)
    found = config(folder, compile=True).load().encode(noises[1:4])
    assert traced == 2 * [{"dynamic": True}]
    assert config(folder, compile=True).fingerprint == config(folder).fingerprint
    for ids, expected in zip(found, config(folder).load().encode(noises[1:4]), strict=True):
        assert np.array_equal(ids, expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize(("precision", "share"), [("fp32", 0.99), ("bf16", 0.9), ("fp16", 0.9)])
def test_a_gpu_gives_the_units_of_the_cpu(folder, noises, precision, share):
    expected = np.concatenate(config(folder).load().encode(noises))
    found = np.concatenate(config(folder, device="cuda", precision=precision).load().encode(noises))
    assert (found == expected).mean() >= share


@given(st.lists(st.integers(0, 80_000), max_size=8))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_frames_follow_from_the_samples(folder, lengths):
    backend = config(folder)
    ids = backend.load().encode([np.zeros(length, np.float32) for length in lengths])
    assert [len(each) for each in ids] == [-(-length // backend.hop_samples) for length in lengths]


@pytest.mark.parametrize("large", [False, True])
def test_torchaudio_bundles_are_read(tmp_path, large, monkeypatch):
    torch.manual_seed(1)
    strides = [5, 2, 2, 2, 2, 2, 2]
    model = torchaudio.models.wav2vec2_model(
        extractor_mode="layer_norm" if large else "group_norm",
        extractor_conv_layer_config=[(16, k, s) for k, s in zip([10, 3, 3, 3, 3, 2, 2], strides, strict=True)],
        extractor_conv_bias=False,
        encoder_embed_dim=32,
        encoder_projection_dropout=0.0,
        encoder_pos_conv_kernel=16,
        encoder_pos_conv_groups=4,
        encoder_num_layers=3,
        encoder_num_heads=16 if large else 4,
        encoder_attention_dropout=0.0,
        encoder_ff_interm_features=48,
        encoder_ff_interm_dropout=0.0,
        encoder_dropout=0.0,
        encoder_layer_norm_first=large,
        encoder_layer_drop=0.0,
        aux_num_out=None,
    ).eval()
    name = "HUBERT_LARGE" if large else "HUBERT_BASE"
    file, shape = hubert_source._BUNDLES[name]
    torch.save(model.state_dict(), tmp_path / file)
    shape = replace(shape, heads=16 if large else 4)  # the test's model is narrower than 12 heads allow
    monkeypatch.setitem(hubert_source._BUNDLES, name, (file, shape))
    np.save(tmp_path / "km.npy", np.random.default_rng(0).normal(size=(20, 32)).astype(np.float32))
    backend = HubertUnitsConfig(
        model=f"torchaudio:{name}", weights=str(tmp_path), layer=2, codebook=str(tmp_path / "km.npy"), device="cpu"
    )
    features = backend.load_features()
    noise = np.random.default_rng(2).normal(0, 0.1, 12_000).astype(np.float32)
    with torch.inference_mode():
        expected = model.extract_features(features.extractor.padded(noise)[None], num_layers=2)[0][1][0].numpy()
    assert np.abs(features.features([noise])[0] - expected).max() < 1e-4
    assert backend.codebook_size == 20
    assert len(backend.load().encode([noise])[0]) == -(-12_000 // 320)


def test_bundles_that_are_not_there_are_the_users_mistake(tmp_path):
    def source(**changes):
        return HubertUnitsConfig(**{"layer": 1, "codebook": "none.npy", **changes}).source

    with pytest.raises(UserError, match="no bundle named"):
        source(model="torchaudio:HUBERT_TINY")
    with pytest.raises(UserError, match="hubert_fairseq_base_ls960"):
        source(model="torchaudio:HUBERT_BASE")
    with pytest.raises(UserError, match="no hubert_fairseq"):
        source(model="torchaudio:HUBERT_BASE", weights=str(tmp_path))


def test_another_architecture_is_refused_by_name(folder, tmp_path):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    settings = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**settings, "model_type": "wavlm"}))
    with pytest.raises(UserError, match="wavlm"):
        _ = config(tmp_path).hop_samples
    (tmp_path / "config.json").write_text(json.dumps(settings))
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(UserError, match="cannot open"):
        config(tmp_path).load()


ODD = {
    "num_attention_heads is 5, which does not divide hidden_size 32": {"num_attention_heads": 5},
    "num_attention_heads is 0, not a whole number above 0": {"num_attention_heads": 0},
    "hidden_size is '32', not a whole number": {"hidden_size": "32"},
    "conv_kernel, conv_stride, conv_dim are 7, 2, 7 sizes": {"conv_stride": [5, 2]},
    "conv_kernel, conv_stride, conv_dim are 7, 7, 8 sizes": {"conv_dim": [16] * 8},
    "conv_stride is [5, 2.5], not a list of whole numbers": {"conv_stride": [5, 2.5]},
    "conv_kernel is None, not a list": {"conv_kernel": None},
    "layer_norm_eps is '1e-5', not a number": {"layer_norm_eps": "1e-5"},
    "hidden_act is 'relu'; only 'gelu' is read": {"hidden_act": "relu"},
}


@pytest.mark.parametrize("message", ODD)
def test_an_odd_config_is_one_line_when_the_model_is_named(tmp_path, message):
    """And not in a worker: the sizes are asked for before anything is run."""
    HubertConfig(**SIZES, **BASE).save_pretrained(tmp_path)
    settings = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**settings, **ODD[message]}))
    with pytest.raises(UserError) as caught:
        _ = config(tmp_path).hop_samples
    assert str(caught.value).startswith(f"units.model: {tmp_path}/config.json: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"sampling_rate": 8000}', "sampling_rate is 8000; only 16000 is read"),
        ("[]", "no JSON object"),
        ("{", "Expecting property name"),
    ],
)
def test_a_preprocessor_for_other_audio_is_refused(folder, tmp_path, text, message):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "preprocessor_config.json").write_text(text)
    with pytest.raises(UserError) as caught:
        _ = config(tmp_path).hop_samples
    assert str(caught.value).startswith(f"units.model: {tmp_path}/preprocessor_config.json: {message}")


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
        _ = config(folder, layer=4).hop_samples
    with pytest.raises(UserError, match="model file not found"):
        _ = config(folder, codebook=str(tmp_path / "none.npz")).fingerprint
    with pytest.raises(UserError, match="no config"):
        _ = config(tmp_path).hop_samples
    with pytest.raises(UserError, match=r"set units\.allow_download to fetch"):
        _ = config(folder, model="nobody/no-such-model").hop_samples
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match=r"config\.json: hidden_size is None, not a whole number above 0"):
        _ = config(tmp_path).hop_samples
    np.savez(tmp_path / "narrow.npz", centroids=np.zeros((4, 8), np.float32))
    with pytest.raises(UserError, match="8 features a frame"):
        config(folder, codebook=str(tmp_path / "narrow.npz")).load()


def test_a_folder_stands_for_the_codebook_in_it(folder, tmp_path):
    assert config(folder, codebook=str(folder)).fingerprint == config(folder).fingerprint
    with pytest.raises(UserError, match=rf"units\.codebook: model file not found: {tmp_path}/codebook\.npz"):
        _ = config(folder, codebook=str(tmp_path)).fingerprint


@pytest.mark.parametrize("stored", [None, {"model": {"a": torch.zeros(2)}}, {0: torch.zeros(2)}, [torch.zeros(2)]])
def test_weights_that_are_none_are_said_in_one_line(stored, tmp_path):
    path = tmp_path / "pytorch_model.bin"
    path.write_bytes(b"")
    if stored is not None:
        torch.save(stored, path)
    with pytest.raises(UserError, match=rf"^model: .*{path}") as caught:
        hubert_model.load_weights(path)
    assert "\n" not in str(caught.value)


def test_the_network_compiles_as_one_graph(folder, monkeypatch):
    monkeypatch.setattr(hubert_net, "packs", lambda device, dtype: False)
    source = config(folder).source
    state = hubert_net.read_state(hubert_model.load_weights(source.files[0]))
    net = hubert_net.HubertNet(source.shape, state, layers=2)
    blocks_BS, filters = torch.randn(2, 4000), (None, None)
    if not source.shape.conv_layer_norm:
        weight, shift = net.first_filters(blocks_BS[0])
        filters = torch.stack([weight] * 2), torch.stack([shift] * 2)
    convolved_BTC = net.convolve(blocks_BS, *filters)
    inside_BT = torch.ones(convolved_BTC.shape[:2], dtype=torch.bool)
    for compiled, arguments in ((net.convolve, (blocks_BS, *filters)), (net.transform, (convolved_BTC, inside_BT))):
        found = torch._dynamo.explain(compiled)(*arguments)
        assert (found.graph_count, found.break_reasons) == (1, [])
