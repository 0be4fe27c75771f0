"""The fast layers give what PyTorch's own give, whatever the shapes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from transforms.cpu_layers import PackedLinear, SpectralConv, WindowedConv, gelu_of, pack_linears, packs

CPU = torch.device("cpu")
pytestmark = pytest.mark.skipif(not packs(CPU, torch.float32), reason="no x86 processor, or a PyTorch without oneDNN")
sizes = st.integers(1, 70)


def close(found: torch.Tensor, expected: torch.Tensor) -> bool:
    return found.shape == expected.shape and torch.allclose(found, expected, rtol=1e-4, atol=1e-5)


@torch.inference_mode()
@given(rows=sizes, inputs=sizes, outputs=sizes, bias=st.booleans(), seed=st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_linear(rows: int, inputs: int, outputs: int, bias: bool, seed: int) -> None:
    torch.manual_seed(seed)
    layer, x = nn.Linear(inputs, outputs, bias=bias), torch.randn(2, rows, inputs)
    packed = PackedLinear(layer.weight, layer.bias)
    assert close(packed(x), layer(x))
    assert close(gelu_of(packed, x), functional.gelu(layer(x)))
    assert torch.equal(gelu_of(layer, x), functional.gelu(layer(x)))


@torch.inference_mode()
@given(rows=sizes, others=st.integers(0, 900), seed=st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_a_row_does_not_depend_on_the_others(rows: int, others: int, seed: int) -> None:
    torch.manual_seed(seed)
    layer, x = nn.Linear(48, 33), torch.randn(rows, 48)
    packed = PackedLinear(layer.weight, layer.bias)
    assert torch.equal(packed(torch.cat([x, torch.randn(others, 48)]))[:rows], packed(x))


@torch.inference_mode()
@given(
    kernel=st.integers(1, 5),
    stride=st.integers(1, 5),
    more=st.integers(0, 40),
    bias=st.booleans(),
    batch=st.integers(1, 3),
)
@settings(max_examples=40, deadline=None)
def test_strided_convolution(kernel: int, stride: int, more: int, bias: bool, batch: int) -> None:
    torch.manual_seed(kernel)
    conv, x_BTC = nn.Conv1d(24, 17, kernel, stride=stride, bias=bias), torch.randn(batch, kernel + more, 24)
    windowed, expected = WindowedConv(conv), conv(x_BTC.mT).mT
    assert close(windowed(x_BTC), expected)
    assert close(gelu_of(windowed, x_BTC), functional.gelu(expected))


@torch.inference_mode()
@given(taps=st.sampled_from([1, 2, 15, 128, 256]), frames=st.integers(1, 700), batch=st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_grouped_convolution_of_many_taps(taps: int, frames: int, batch: int) -> None:
    torch.manual_seed(frames)
    conv = nn.Conv1d(12, 8, taps, padding=taps // 2, groups=4)
    x_BTC = torch.randn(batch, frames, 12)
    assert close(SpectralConv(conv)(x_BTC), conv(x_BTC.mT)[..., :frames].mT)


@pytest.mark.parametrize("options", [{"padding": 3}, {"padding": 8, "stride": 2}, {"padding": 8, "bias": False}])
def test_another_convolution_is_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="padding"):
        SpectralConv(nn.Conv1d(4, 4, 16, **options))


def test_all_linear_layers_of_a_model_are_packed_in_fp32_alone() -> None:
    model = nn.Sequential(nn.Linear(8, 8), nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 4))).eval()
    x = torch.randn(5, 8)
    with torch.inference_mode():
        expected = model(x)
        pack_linears(model.bfloat16())
        assert not any(isinstance(module, PackedLinear) for module in model.modules())
        pack_linears(model.float())
        assert sum(isinstance(module, PackedLinear) for module in model.modules()) == 2
        torch.testing.assert_close(model(x), expected, rtol=0.05, atol=0.05)  # its weights were bf16 meanwhile
