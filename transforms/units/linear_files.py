"""Linear and MLP quantizers: logits over the codes, perhaps with a CTC blank.

A file holds the weights and biases of consecutive linear layers, nothing else: ``.safetensors``, or a torch state dict
(``.pt``, ``.pth``), read without running code in it.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from schemas.errors import UserError
from schemas.records import TokenIds

Activation = Literal["relu", "gelu", "leaky_relu", "tanh", "silu"]
SUFFIXES = (".safetensors", ".pt", ".pth")
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LinearLayers:
    """Weights ``(out, in)`` and biases ``(out,)``, first to last."""

    layers: tuple[tuple[Floats, Floats], ...]

    @property
    def feature_dim(self) -> int:
        return int(self.layers[0][0].shape[1])

    @property
    def size(self) -> int:
        return len(self.layers[-1][0])


def read_linear(path: Path) -> LinearLayers:
    """Raises ``UserError`` where the file's tensors are not a chain of linear layers."""
    status = path.stat()
    return _read(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=2)
def _read(path: Path, mtime_ns: int, size: int) -> LinearLayers:
    tensors = _tensors(path)
    names = [name.removesuffix(".weight") for name in tensors if name.endswith(".weight")]
    layers = []
    for name in sorted(names, key=_natural):
        weight = tensors[f"{name}.weight"]
        bias = tensors.get(f"{name}.bias", np.zeros(weight.shape[:1], np.float32))
        layers.append((weight, bias))
    left = set(tensors) - {f"{name}.{part}" for name in names for part in ("weight", "bias")}
    fits = all(weight.ndim == 2 and bias.shape == weight.shape[:1] for weight, bias in layers)
    chained = fits and all(len(a[0]) == b[0].shape[1] for a, b in pairwise(layers))
    if not layers or left or not chained:
        raise UserError(f"units.codebook: {path} is no chain of linear layers (tensors: {', '.join(tensors)})")
    if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
        raise UserError(f"units.codebook: {path} holds NaN or infinity; take another checkpoint of it")
    return LinearLayers(tuple(layers))


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in name.split(".")]


def _tensors(path: Path) -> dict[str, Floats]:
    from pickle import UnpicklingError

    try:
        if path.suffix == ".safetensors":
            from safetensors.numpy import load_file

            return {name: array.astype(np.float32) for name, array in load_file(path).items()}
        import torch

        stored: Any = torch.load(path, map_location="cpu", weights_only=True)
        return {name: tensor.float().numpy() for name, tensor in _state_dict(stored).items()}
    except Exception as error:  # whatever a malformed file makes a reader raise is the file's fault
        if isinstance(error, UnpicklingError) and "unsupported global" in str(error).lower():
            raise UserError(f"units.codebook: {path} would run code when it is loaded; refused") from error
        why = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(f"units.codebook: cannot read {path}: {why}") from error


def _state_dict(stored: Any) -> dict[str, Any]:
    """The state dict, which checkpoints often keep one level down."""
    import torch

    levels = [stored[name] for name in ("model", "state_dict") if name in stored] if isinstance(stored, dict) else []
    state = next((inner for inner in levels if isinstance(inner, dict)), stored)
    if not isinstance(state, dict):
        raise ValueError("no dictionary of tensors")
    for name, tensor in state.items():
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
            raise ValueError(f"no dictionary of tensors: {name!r} is no tensor's name")
    return state


def take_left_neighbour(ids: TokenIds, blank: int) -> TokenIds:
    """Blanks replaced by the nearest code to their left; those before the first code stay blank."""
    at = np.arange(len(ids))
    source = np.maximum.accumulate(np.where(ids != blank, at, 0)) if len(ids) else at
    return ids[source]
