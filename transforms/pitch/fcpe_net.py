"""FCPE in plain torch, for batches (Luo et al. 2025, arXiv 2509.15140; weights of ``torchfcpe``, MIT).

Shapes: B batch, F frames (100 Hz), M mel bands, D model, G norm groups, K pitch bins.

Convolutions see frames outside a recording as zeros, so every input of one is masked. The only place where frames far
apart meet is a group norm over the whole recording: its moments are gathered first, over valid frames alone
(``moments``), and then given to ``forward``. With them a frame depends on ``CONTEXT_FRAMES`` to either side, so a long
recording may be cut into overlapping windows and gives what it gives as a whole.

Everything is channels-last. On one CPU core a depthwise convolution of 31 taps costs 0.8 ms per 6 s in that layout and
8 to 11 ms in the usual one, a third of the whole model.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

CONTEXT_FRAMES = 92  # two convolutions of 3 taps, six of 31
_GROUPS = 4
_TAPS = 31
_EPS = 1e-5
_BASE_HZ = 10.0  # cents are counted from here
_NEAR_BINS = 4  # either side of the likeliest bin


class _Block(nn.Module):
    """A Conformer convolution module, added to its input."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.widen = nn.Linear(dim, 4 * dim)
        self.depthwise = nn.Conv2d(2 * dim, 2 * dim, (1, _TAPS), padding=(0, _TAPS // 2), groups=2 * dim)
        self.narrow = nn.Linear(2 * dim, dim)

    def forward(self, x_BFD: Tensor, inside_BF1: Tensor) -> Tensor:
        gated = functional.glu(self.widen(self.norm(x_BFD)), -1) * inside_BF1
        mixed = self.depthwise(gated.transpose(1, 2)[:, :, None])  # (B, 2D, 1, F), stored channels-last
        narrowed: Tensor = self.narrow(functional.silu(mixed)[:, :, 0].transpose(1, 2))
        return x_BFD + narrowed


class FcpeNet(nn.Module):
    """Log-mel to F0.

    Args:
        weights: The model's tensors under the names that ``torchfcpe`` gives them.

    Raises:
        KeyError: A tensor is missing.
        RuntimeError: A tensor has another shape.
    """

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        dim, bands, taps = weights["input_stack.0.weight"].shape
        layers = sum(name.endswith("conformer.net.0.weight") for name in weights)
        self.conv_in = nn.Conv1d(bands, dim, taps, padding=taps // 2)
        self.group_scale = nn.Parameter(torch.empty(dim))
        self.group_shift = nn.Parameter(torch.empty(dim))
        self.conv_mid = nn.Conv1d(dim, dim, taps, padding=taps // 2)
        self.blocks = nn.ModuleList(_Block(dim) for _ in range(layers))
        self.norm = nn.LayerNorm(dim)
        self.bins = nn.Linear(dim, len(weights["cent_table"]))
        self.cents_K: Tensor
        self.register_buffer("cents_K", torch.empty(len(weights["cent_table"])))
        self.load_state_dict(_state_dict(weights, layers))
        self.requires_grad_(False)
        self.eval()
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last)

    @property
    def group_channels(self) -> int:
        return len(self.group_scale) // _GROUPS

    def moments(self, mel_BFM: Tensor, counted_BF: Tensor) -> Tensor:
        """Sums and sums of squares of the first convolution's output over the counted frames, float64, ``(B, G, 2)``.

        Those of the windows of a recording add up; ``forward`` wants them divided by frames times channels a group.
        """
        x_BFD = (self._first(mel_BFM) * counted_BF[..., None]).contiguous()
        x_BFGC = x_BFD.view(*x_BFD.shape[:2], _GROUPS, -1)
        sums = x_BFGC.sum((1, 3), dtype=torch.float64)
        squares = (x_BFGC * x_BFGC).sum((1, 3), dtype=torch.float64)
        return torch.stack([sums, squares], -1)

    def forward(self, mel_BFM: Tensor, inside_BF: Tensor, moments_BG2: Tensor, *, threshold: float) -> Tensor:
        """F0 in Hz, 0 where the confidence is at most ``threshold``, shape ``(B, F)``.

        Args:
            mel_BFM: Zero outside.
            inside_BF: The recording's frames.
            moments_BG2: Mean and mean square of every group over the whole recording.
        """
        inside_BF1 = inside_BF[..., None].to(mel_BFM.dtype)
        mean_BG, square_BG = moments_BG2.unbind(-1)
        deviation_BG = ((square_BG - mean_BG**2).clamp(min=0) + _EPS).sqrt()
        scale_BD = self.group_scale / deviation_BG.repeat_interleave(self.group_channels, 1)
        shift_BD = self.group_shift - mean_BG.repeat_interleave(self.group_channels, 1) * scale_BD
        scale_B1D, shift_B1D = (value[:, None].to(mel_BFM.dtype) for value in (scale_BD, shift_BD))
        normed = functional.leaky_relu(torch.addcmul(shift_B1D, self._first(mel_BFM), scale_B1D)) * inside_BF1
        x_BFD = self.conv_mid(normed.transpose(1, 2)).transpose(1, 2).contiguous()
        for block in self.blocks:
            x_BFD = block(x_BFD, inside_BF1)
        return self._decode(self.bins(self.norm(x_BFD)).float().sigmoid(), threshold)

    def _first(self, mel_BFM: Tensor) -> Tensor:
        first: Tensor = self.conv_in(mel_BFM.transpose(1, 2)).transpose(1, 2)
        return first

    def _decode(self, bins_BFK: Tensor, threshold: float) -> Tensor:
        """The mean of the cents near the likeliest bin, weighted; a bin past the end counts as the last one."""
        confidence_BF1, best_BF1 = bins_BFK.max(-1, keepdim=True)
        offsets = torch.arange(-_NEAR_BINS, _NEAR_BINS + 1, device=bins_BFK.device)
        near_BFN = (best_BF1 + offsets).clamp(0, bins_BFK.shape[-1] - 1)
        weight_BFN = bins_BFK.gather(-1, near_BFN)
        cents_BF = (self.cents_K.float()[near_BFN] * weight_BFN).sum(-1) / weight_BFN.sum(-1)
        return torch.where(confidence_BF1[..., 0] > threshold, _BASE_HZ * 2 ** (cents_BF / 1200), 0.0)


def _state_dict(weights: Mapping[str, Tensor], layers: int) -> dict[str, Tensor]:
    pairs = {
        "conv_in": "input_stack.0",
        "conv_mid": "input_stack.3",
        "norm": "norm",
        **{
            f"blocks.{index}.{ours}": f"net.encoder_layers.{index}.conformer.net.{theirs}"
            for index in range(layers)
            for ours, theirs in {"norm": "0", "widen": "2", "depthwise": "4.conv", "narrow": "6"}.items()
        },
    }
    state = {f"{ours}.{part}": weights[f"{theirs}.{part}"] for ours, theirs in pairs.items() for part in _PARTS}
    for name, value in state.items():
        if name.endswith(("widen.weight", "narrow.weight")):
            state[name] = value[..., 0]
        elif name.endswith("depthwise.weight"):
            state[name] = value[:, :, None]
    direction, length = weights["output_proj.weight_v"], weights["output_proj.weight_g"]
    return state | {
        "group_scale": weights["input_stack.1.weight"],
        "group_shift": weights["input_stack.1.bias"],
        "bins.weight": direction * (length / direction.norm(dim=1, keepdim=True)),
        "bins.bias": weights["output_proj.bias"],
        "cents_K": weights["cent_table"],
    }


_PARTS = ("weight", "bias")
