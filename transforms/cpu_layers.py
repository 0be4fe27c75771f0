"""Linear layers and convolutions at a processor's full speed, for inference in fp32.

PyTorch gives fp32 matrix products to MKL, which on processors that Intel did not make uses vectors of half the width
that they have. oneDNN, which PyTorch carries for its convolutions, uses all of it: 240 GFLOPS against 109 on a core of
an AMD EPYC (Zen 5). Its products also do not depend on how many rows there are, MKL's do at a handful of rows.

Shapes: B batch, T frames, C channels in, O out, G groups of channels, W spectral windows, F frequencies.
"""

import platform
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

_ROWS = 1024  # that the layout of a packed weight is chosen for; any number of rows may follow


class PackedLinear(nn.Module):
    """An ``nn.Linear`` whose weight lies as oneDNN reads it. Holds no parameters: it is not trained or saved."""

    def __init__(self, weight_OI: Tensor, bias_O: Tensor | None) -> None:
        super().__init__()
        self.out_features, self.in_features = weight_OI.shape
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight_OI.detach().contiguous(), _ROWS)
        self._bias_O = None if bias_O is None else bias_O.detach()

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias_O, "none", [], ""))

    def gelu(self, x: Tensor) -> Tensor:
        """The layer and the (exact) GELU of what it gives, in one pass over memory."""
        return cast(Tensor, torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias_O, "gelu", [], "none"))


class WindowedConv(nn.Module):
    """An unpadded, ungrouped ``nn.Conv1d`` over ``(B, T, C)``: a linear layer over windows of its input."""

    def __init__(self, conv: nn.Conv1d) -> None:
        super().__init__()
        (self._kernel,), (self._stride,) = conv.kernel_size, conv.stride
        self._linear = PackedLinear(conv.weight.permute(0, 2, 1).flatten(1), conv.bias)

    def forward(self, x_BTC: Tensor) -> Tensor:
        windowed: Tensor = self._linear(self._windows(x_BTC))
        return windowed

    def gelu(self, x_BTC: Tensor) -> Tensor:
        """The convolution and the (exact) GELU of what it gives."""
        return self._linear.gelu(self._windows(x_BTC))

    def _windows(self, x_BTC: Tensor) -> Tensor:
        return x_BTC.unfold(1, self._kernel, self._stride).transpose(2, 3).flatten(2)


class SpectralConv(nn.Module):
    """A grouped ``nn.Conv1d`` of many taps over ``(B, T, C)``, as many frames out as in, by overlap-save.

    128 taps in 16 groups, as HuBERT has them for its positions, cost a fifth of the direct way.
    """

    SIZE = 256

    def __init__(self, conv: nn.Conv1d) -> None:
        super().__init__()
        (self._taps,), self._groups = conv.kernel_size, conv.groups
        self._hop = self.SIZE - self._taps + 1
        if self._hop < 1 or conv.padding != (self._taps // 2,) or conv.stride != (1,) or conv.bias is None:
            raise ValueError(f"{conv}: wants a stride of 1, padding by half, a bias and at most {self.SIZE} taps")
        spectra_OCF = torch.fft.rfft(conv.weight.detach().double(), self.SIZE).conj()
        spectra_FGCO = spectra_OCF.unflatten(0, (self._groups, -1)).permute(3, 0, 2, 1)
        self._spectra = spectra_FGCO.flatten(0, 1).to(torch.complex64).contiguous()
        self._bias_O = conv.bias.detach()

    def forward(self, x_BTC: Tensor) -> Tensor:
        batch, frames, _ = x_BTC.shape
        count = -(-frames // self._hop)
        before = self._taps // 2
        after = count * self._hop + self._taps - 1 - before - frames
        windows_BWCT = functional.pad(x_BTC, (0, 0, before, after)).unfold(1, self.SIZE, self._hop)
        spectra_WGCF = torch.fft.rfft(windows_BWCT).flatten(0, 1).unflatten(1, (self._groups, -1))
        inputs_FGWC = spectra_WGCF.permute(3, 1, 0, 2)
        outputs = torch.bmm(inputs_FGWC.flatten(0, 1), self._spectra)
        outputs_WFO = outputs.view(*inputs_FGWC.shape[:3], -1).permute(2, 0, 1, 3).flatten(2)
        valid_WTO: Tensor = torch.fft.irfft(outputs_WFO, self.SIZE, dim=1)[:, : self._hop]
        return valid_WTO.reshape(batch, count * self._hop, -1)[:, :frames] + self._bias_O


def gelu_of(layer: nn.Module, x: Tensor) -> Tensor:
    """GELU of what a layer gives, in one pass where the layer can."""
    if isinstance(layer, (PackedLinear, WindowedConv)):  # Dynamo cannot build the union of the two
        return layer.gelu(x)
    return functional.gelu(layer(x))


def packs(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether the layers here are the faster ones: fp32 on an x86 processor, with a PyTorch that has them."""
    return (
        device.type == "cpu"
        and dtype == torch.float32
        and platform.machine().lower() in ("x86_64", "amd64")
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
    )


def pack_linears(model: nn.Module) -> None:
    """Put a ``PackedLinear`` in the place of every linear layer of a model in fp32 on a processor; else do nothing."""
    first = next(model.parameters(), None)
    if first is None or not packs(first.device, first.dtype):
        return
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.Linear:
                setattr(module, name, PackedLinear(child.weight, child.bias))
