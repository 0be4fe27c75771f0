"""The first layers of a HuBERT in plain torch (Hsu et al. 2021, arXiv 2106.07447; after wav2vec 2.0, 2006.11477).

Shapes: B batch, S samples, T frames, C channels of the convolutions, D model, H heads, K taps of the first convolution.

The base models normalise the first convolution's output by group norm over the whole recording. That convolution is
linear, so mean and variance of its output follow from the mean and the covariance of the K samples under its taps
(``first_filters``): the norm becomes a filter of the recording's own, computed once from the waveform. Nothing else in
the convolutions looks further than their receptive field, so they run over blocks of any recordings side by side.
"""

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from transforms.cpu_layers import SpectralConv, WindowedConv, gelu_of, pack_linears, packs
from transforms.units.hubert_shape import HubertShape

_GROUP_EPS = 1e-5


class HubertNet(nn.Module):
    """Hidden states after ``layers`` blocks; those above are not even built.

    Args:
        mix: Weights of the states before the first block and after each; the result is their sum. None takes the last.
        state: Tensors by the names that ``transformers`` gives them, without a prefix.

    Raises:
        KeyError: A tensor is missing.
        ValueError: The model has fewer layers.
        RuntimeError: A tensor has another shape.
    """

    def __init__(
        self, shape: HubertShape, state: Mapping[str, Tensor], *, layers: int, mix: Tensor | None = None
    ) -> None:
        super().__init__()
        total = sum(name.endswith("attention.q_proj.weight") for name in state)
        if not 1 <= layers <= total:
            raise ValueError(f"has {total} layers, not {layers}")
        self.shape = shape
        self.dim, channels = state["feature_projection.projection.weight"].shape
        weights = [state[f"feature_extractor.conv_layers.{i}.conv.weight"] for i in range(len(shape.kernels))]
        self.convs = nn.ModuleList(
            nn.Conv1d(
                weight.shape[1],
                weight.shape[0],
                kernel,
                stride=stride,
                bias=f"feature_extractor.conv_layers.{i}.conv.bias" in state,
            )
            for i, (weight, kernel, stride) in enumerate(zip(weights, shape.kernels, shape.strides, strict=True))
        )
        normed = len(weights) if shape.conv_layer_norm else 1
        self.conv_norms = nn.ModuleList(nn.LayerNorm(weight.shape[0], eps=1e-5) for weight in weights[:normed])
        has_norm = "feature_projection.layer_norm.weight" in state
        self.project_norm = nn.LayerNorm(channels, eps=shape.eps) if has_norm else nn.Identity()
        self.project = nn.Linear(channels, self.dim)
        positions = _folded_weight_norm(state)
        self.positions: nn.Module = nn.Conv1d(
            self.dim,
            self.dim,
            positions.shape[2],
            padding=positions.shape[2] // 2,
            groups=self.dim // positions.shape[1],
        )
        hidden = state["encoder.layers.0.feed_forward.intermediate_dense.weight"].shape[0]
        self.layers = nn.ModuleList(_Layer(self.dim, hidden, shape) for _ in range(layers))
        # the norm comes first where the layers' norms come last, and last where they come first
        self.norm = nn.Identity() if shape.pre_norm and layers < total else nn.LayerNorm(self.dim, eps=shape.eps)
        self.load_state_dict(self._state(state, positions))
        self.mix: Tensor | None
        self.register_buffer("mix", mix)
        self.requires_grad_(False)
        self.eval()

    def pack(self) -> None:
        """Lay the weights out for the processor that they are on, where there is a faster way; not to be undone."""
        if packs(self.project.weight.device, self.project.weight.dtype):
            for index in range(1, len(self.convs)):  # the first is small, and mostly a filter of the recording's own
                self.convs[index] = WindowedConv(cast(nn.Conv1d, self.convs[index]))
            positions = cast(nn.Conv1d, self.positions)
            if positions.kernel_size[0] <= SpectralConv.SIZE // 2:
                self.positions = SpectralConv(positions)
        pack_linears(self)

    def first_filters(self, samples_S: Tensor) -> tuple[Tensor, Tensor]:
        """The first convolution with the recording's group norm in it: filters ``(C, K)`` and shifts ``(1, C)``."""
        first_C1K, norm = cast(Tensor, self.convs[0].weight), cast(nn.LayerNorm, self.conv_norms[0])
        windows_TK = samples_S.double().unfold(0, self.shape.kernels[0], self.shape.strides[0])
        mean_K = windows_TK.mean(0)
        centred_TK = windows_TK - mean_K
        covariance_KK = centred_TK.T @ centred_TK / len(centred_TK)
        weight_CK = first_C1K[:, 0].double()
        variance_C = ((weight_CK @ covariance_KK) * weight_CK).sum(1).clamp(min=0)
        scale_C = norm.weight.double() / (variance_C + _GROUP_EPS).sqrt()
        shift_C = norm.bias.double() - (weight_CK @ mean_K) * scale_C
        dtype = first_C1K.dtype
        return (weight_CK * scale_C[:, None]).to(dtype), shift_C[None].to(dtype)

    def convolve(self, samples_BS: Tensor, filters_BCK: Tensor | None, shifts_B1C: Tensor | None) -> Tensor:
        """Convolutions of blocks of equal length, ``(B, T, C)``.

        Args:
            filters_BCK: What ``first_filters`` gave for each block's recording, and the shifts; None for models with
                layer norms.
        """
        if filters_BCK is None or shifts_B1C is None:
            x_BTC = self._convolved(0, samples_BS[..., None])
        else:
            windows_BTK = samples_BS.unfold(1, self.shape.kernels[0], self.shape.strides[0])
            x_BTC = functional.gelu(torch.baddbmm(shifts_B1C, windows_BTK, filters_BCK.mT))
        for index in range(1, len(self.convs)):
            x_BTC = self._convolved(index, x_BTC)
        return x_BTC

    def transform(self, convolved_BTC: Tensor, inside_BT: Tensor | None) -> Tensor:
        """Hidden states ``(B, T, D)``; frames outside mean nothing. ``inside_BT`` is None where all are inside."""
        x_BTD = self.project(self.project_norm(convolved_BTC))
        keys_B11T = None
        if inside_BT is not None:
            x_BTD = x_BTD * inside_BT[..., None]
            keys_B11T = inside_BT[:, None, None]
        x_BTD = x_BTD + functional.gelu(self._positioned(x_BTD))
        if not self.shape.pre_norm:
            x_BTD = self.norm(x_BTD)
        mixed_BTD = None if self.mix is None else self.mix[0] * x_BTD
        for index, layer in enumerate(self.layers, start=1):
            x_BTD = layer(x_BTD, keys_B11T)
            if self.shape.pre_norm and index == len(self.layers):
                x_BTD = self.norm(x_BTD)
            if mixed_BTD is not None and self.mix is not None:
                mixed_BTD = mixed_BTD + self.mix[index] * x_BTD
        states_BTD: Tensor = x_BTD if mixed_BTD is None else mixed_BTD
        return states_BTD

    def _positioned(self, x_BTD: Tensor) -> Tensor:
        positioned_BTD: Tensor
        if isinstance(self.positions, nn.Conv1d):
            positioned_BTD = self.positions(x_BTD.mT)[..., : x_BTD.shape[1]].mT
        else:
            positioned_BTD = self.positions(x_BTD)
        return positioned_BTD

    def _convolved(self, index: int, x_BTC: Tensor) -> Tensor:
        conv = self.convs[index]
        if isinstance(conv, WindowedConv) and not self.shape.conv_layer_norm:
            return conv.gelu(x_BTC)
        out_BTC = conv(x_BTC.mT).mT if isinstance(conv, nn.Conv1d) else conv(x_BTC)
        return functional.gelu(self.conv_norms[index](out_BTC) if self.shape.conv_layer_norm else out_BTC)

    def _state(self, state: Mapping[str, Tensor], positions: Tensor) -> dict[str, Tensor]:
        pairs = {"project": "feature_projection.projection", "positions": "encoder.pos_conv_embed.conv"}
        if not isinstance(self.project_norm, nn.Identity):
            pairs["project_norm"] = "feature_projection.layer_norm"
        if not isinstance(self.norm, nn.Identity):
            pairs["norm"] = "encoder.layer_norm"
        for index in range(len(self.convs)):
            pairs[f"convs.{index}"] = f"feature_extractor.conv_layers.{index}.conv"
        for index in range(len(self.conv_norms)):
            pairs[f"conv_norms.{index}"] = f"feature_extractor.conv_layers.{index}.layer_norm"
        for index in range(len(self.layers)):
            pairs |= {f"layers.{index}.{ours}": f"encoder.layers.{index}.{theirs}" for ours, theirs in _MODULES.items()}
        found = {"positions.weight": positions}
        for name in self.state_dict():
            module, _, part = name.rpartition(".")
            if module.endswith("qkv"):
                prefix = f"encoder.{module.removesuffix('qkv')}attention"
                found[name] = torch.cat([state[f"{prefix}.{role}_proj.{part}"] for role in "qkv"])
            elif name not in found:
                found[name] = state[f"{pairs[module]}.{part}"]
        return found


_MODULES = {
    "out": "attention.out_proj",
    "attention_norm": "layer_norm",
    "mlp_in": "feed_forward.intermediate_dense",
    "mlp_out": "feed_forward.output_dense",
    "mlp_norm": "final_layer_norm",
}


class _Layer(nn.Module):
    """Self-attention and MLP; the norms stand before or after them."""

    def __init__(self, dim: int, hidden: int, shape: HubertShape) -> None:
        super().__init__()
        self.heads, self.pre_norm = shape.heads, shape.pre_norm
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.attention_norm = nn.LayerNorm(dim, eps=shape.eps)
        self.mlp_in = nn.Linear(dim, hidden)
        self.mlp_out = nn.Linear(hidden, dim)
        self.mlp_norm = nn.LayerNorm(dim, eps=shape.eps)

    def forward(self, x_BTD: Tensor, keys_B11T: Tensor | None) -> Tensor:
        if self.pre_norm:
            x_BTD = x_BTD + self._attend(self.attention_norm(x_BTD), keys_B11T)
            return x_BTD + self._mlp(self.mlp_norm(x_BTD))
        x_BTD = self.attention_norm(x_BTD + self._attend(x_BTD, keys_B11T))
        normed: Tensor = self.mlp_norm(x_BTD + self._mlp(x_BTD))
        return normed

    def _attend(self, x_BTD: Tensor, keys_B11T: Tensor | None) -> Tensor:
        batch, frames, dim = x_BTD.shape
        qkv = self.qkv(x_BTD).view(batch, frames, 3, self.heads, dim // self.heads)
        q_BHTE, k_BHTE, v_BHTE = qkv.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(q_BHTE, k_BHTE, v_BHTE, attn_mask=keys_B11T)
        attended: Tensor = self.out(mixed.transpose(1, 2).reshape(batch, frames, dim))
        return attended

    def _mlp(self, x_BTD: Tensor) -> Tensor:
        hidden: Tensor = self.mlp_out(gelu_of(self.mlp_in, x_BTD))
        return hidden


def _folded_weight_norm(state: Mapping[str, Tensor]) -> Tensor:
    """The positional convolution's weight from its direction and length (weight norm over the taps)."""
    prefix = "encoder.pos_conv_embed.conv."
    if f"{prefix}weight" in state:
        return state[f"{prefix}weight"]
    new = f"{prefix}parametrizations.weight."
    names = (f"{new}original0", f"{new}original1") if f"{new}original0" in state else None
    length, direction = (state[name] for name in names or (f"{prefix}weight_g", f"{prefix}weight_v"))
    folded: Tensor = direction * (length / torch.linalg.vector_norm(direction, dim=(0, 1), keepdim=True))
    return folded


def read_state(files: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A stored state under the names that ``HubertNet`` wants, from those of ``transformers`` or torchaudio."""
    renamed = {}
    for name, tensor in files.items():
        plain = name.removeprefix("hubert.").removeprefix("wav2vec2.").removeprefix("model.")
        plain = plain.replace("encoder.feature_projection.", "feature_projection.")
        renamed[plain.replace("encoder.transformer.", "encoder.")] = tensor.float()
    return renamed
