"""Whisper's encoder in plain torch, without the padding to 30 s (Radford et al. 2022, arXiv 2212.04356).

Shapes: B batch, M mel bands, F mel frames (100 Hz), T encoder frames (50 Hz), D model, H heads.

A batch is padded with zeros. Everything that could carry a neighbour's padding into a recording is masked: the input
of both convolutions and the keys of the attention.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from transforms.cpu_layers import gelu_of


class Block(nn.Module):
    """Pre-norm self-attention and MLP."""

    def __init__(self, dim: int, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.attention_out = nn.Linear(dim, dim)
        self.mlp_norm = nn.LayerNorm(dim)
        self.mlp_in = nn.Linear(dim, hidden)
        self.mlp_out = nn.Linear(hidden, dim)

    def forward(self, x_BTD: Tensor, keys_B11T: Tensor) -> Tensor:
        batch, frames, dim = x_BTD.shape
        qkv = self.qkv(self.attention_norm(x_BTD)).view(batch, frames, 3, self.heads, dim // self.heads)
        q_BHTE, k_BHTE, v_BHTE = qkv.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(q_BHTE, k_BHTE, v_BHTE, attn_mask=keys_B11T)
        x_BTD = x_BTD + self.attention_out(mixed.transpose(1, 2).reshape(batch, frames, dim))
        hidden: Tensor = self.mlp_out(gelu_of(self.mlp_in, self.mlp_norm(x_BTD)))
        return x_BTD + hidden


class WhisperEncoder(nn.Module):
    """The first ``layers`` blocks. The final layer norm is applied only after the model's own last block."""

    def __init__(self, variables: Mapping[str, npt.NDArray[np.generic]], *, layers: int) -> None:
        super().__init__()
        dim, mel_bands, _ = variables["conv1/weight"].shape
        total_layers = sum(name.endswith("self_attention/linear_0/weight") for name in variables)
        if not 1 <= layers <= total_layers:
            raise ValueError(f"layer {layers} of a model with {total_layers}")
        hidden = variables["layer_0/ffn/linear_0/weight"].shape[0]
        heads = int(variables["num_heads"])
        self.conv1 = nn.Conv1d(mel_bands, dim, 3, padding=1)
        self.conv2 = nn.Conv1d(dim, dim, 3, stride=2, padding=1)
        self.blocks = nn.ModuleList(Block(dim, hidden, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(dim) if layers == total_layers else nn.Identity()
        self.positions_TD: Tensor
        self.register_buffer("positions_TD", _tensor(variables["position_encodings/encodings"]))
        self.load_state_dict(_state_dict(variables, layers, total_layers))
        self.eval()

    @torch.inference_mode()
    def forward(self, mel_BMF: Tensor, frames_B: Tensor) -> Tensor:
        """Hidden states ``(B, T, D)`` with ``T = F / 2``; frames past ``frames_B`` are meaningless.

        ``mel_BMF`` is zero past ``2 * frames_B``.
        """
        mel_frames = torch.arange(mel_BMF.shape[2], device=mel_BMF.device)
        inside_BF = mel_frames < 2 * frames_B[:, None]
        x = functional.gelu(self.conv1(mel_BMF)) * inside_BF[:, None]
        x_BTD = functional.gelu(self.conv2(x)).transpose(1, 2)
        x_BTD = x_BTD + self.positions_TD[: x_BTD.shape[1]]
        keys_B11T = inside_BF[:, None, None, ::2]
        for block in self.blocks:
            x_BTD = block(x_BTD, keys_B11T)
        normed: Tensor = self.norm(x_BTD)
        return normed


def _state_dict(variables: Mapping[str, npt.NDArray[np.generic]], layers: int, total: int) -> dict[str, Tensor]:
    pairs = {"positions_TD": "position_encodings/encodings"}
    for conv in ("conv1", "conv2"):
        pairs |= {f"{conv}.{part}": f"{conv}/{part}" for part in ("weight", "bias")}
    modules = {
        "qkv": "self_attention/linear_0",
        "attention_out": "self_attention/linear_1",
        "mlp_in": "ffn/linear_0",
        "mlp_out": "ffn/linear_1",
    }
    norms = {"attention_norm": "self_attention/layer_norm", "mlp_norm": "ffn/layer_norm"}
    for index in range(layers):
        for ours, theirs in modules.items():
            pairs |= {f"blocks.{index}.{ours}.{part}": f"layer_{index}/{theirs}/{part}" for part in ("weight", "bias")}
        for ours, theirs in norms.items():
            pairs[f"blocks.{index}.{ours}.weight"] = f"layer_{index}/{theirs}/gamma"
            pairs[f"blocks.{index}.{ours}.bias"] = f"layer_{index}/{theirs}/beta"
    if layers == total:
        pairs |= {"norm.weight": "layer_norm/gamma", "norm.bias": "layer_norm/beta"}
    return {ours: _tensor(variables[theirs]) for ours, theirs in pairs.items()}


def _tensor(array: npt.NDArray[np.generic]) -> Tensor:
    return torch.from_numpy(array.astype(np.float32))
