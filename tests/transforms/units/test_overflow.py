import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import HubertConfig, HubertModel

from schemas.errors import UserError
from transforms.units.hubert import HubertUnitsConfig
from transforms.units.overflow import GuardedFeatures


class FakeExtractor:
    """A recording's only state is its first sample, infinite above ``most``."""

    feature_dim = 1

    def __init__(self, most):
        self.most, self.runs = most, 0

    def hidden(self, waveforms):
        self.runs += 1
        return [torch.tensor([[x[0] if x[0] <= self.most else np.inf]]) for x in waveforms]


@given(st.lists(st.integers(0, 9)))
def test_what_overflows_alone_is_run_again(firsts):
    narrow, wide = FakeExtractor(5), FakeExtractor(np.inf)
    features = GuardedFeatures(narrow, lambda: wide).features([np.array([first], np.float32) for first in firsts])
    assert [float(states_TD[0, 0]) for states_TD in features] == firsts
    assert (narrow.runs, wide.runs) == (1, int(any(first > 5 for first in firsts)))


@pytest.mark.parametrize("wide", [None, FakeExtractor(7)])
def test_what_is_not_finite_even_in_fp32_is_refused(wide):
    guarded = GuardedFeatures(FakeExtractor(5), None if wide is None else lambda: wide)
    assert guarded.features([np.ones(1, np.float32)])[0] == 1
    for run in (guarded.hidden, guarded.features):
        with pytest.raises(UserError, match="its states are not finite"):
            run([np.array([first], np.float32) for first in (1, 6, 8)])


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_damaged_weights_give_neither_units_nor_features(precision, tmp_path):
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    HubertModel(HubertConfig(**sizes, conv_dim=[16] * 7, num_conv_pos_embedding_groups=4)).save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    weights["encoder.layers.0.feed_forward.output_dense.weight"][0, 0] = torch.nan
    save_file(weights, tmp_path / "model.safetensors")
    np.save(tmp_path / "km.npy", np.zeros((2, 32), np.float32))
    config = HubertUnitsConfig(
        model=str(tmp_path), layer=1, codebook=str(tmp_path / "km.npy"), device="cpu", precision=precision
    )
    noise = [np.random.default_rng(0).normal(0, 0.1, 5000).astype(np.float32)]
    for run in (config.load().encode, config.load_features().features):
        with pytest.raises(UserError, match="its states are not finite: damaged weights"):
            run(noise)


def test_a_hubert_that_overflows_in_fp16_has_the_features_of_fp32(tmp_path):
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    HubertModel(HubertConfig(**sizes, conv_dim=[16] * 7, num_conv_pos_embedding_groups=4)).save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    weights["encoder.layers.0.feed_forward.output_dense.weight"] *= 3e6
    save_file(weights, tmp_path / "model.safetensors")
    noise = [np.random.default_rng(n).normal(0, 0.1, n).astype(np.float32) for n in (9000, 5000)]
    found, expected = (
        HubertUnitsConfig(model=str(tmp_path), layer=1, codebook="", device="cpu", precision=precision)
        .load_features()
        .features(noise)
        for precision in ("fp16", "fp32")
    )
    for left, right in zip(found, expected, strict=True):
        assert np.array_equal(left, right)
