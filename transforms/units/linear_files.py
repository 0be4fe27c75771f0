"""Linear and MLP quantizers: logits over the codes, perhaps with a CTC blank.

A file holds the weights and biases of consecutive linear layers, nothing else: ``.safetensors``, or a torch state dict
(``.pt``, ``.pth``), read without running code in it. The layers stand in the order of a state dict where they chain in
it; else, and in safetensors, which keep no order, in that of their names.
"""

import re
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
    left = set(tensors) - {f"{name}.{part}" for name in names for part in ("weight", "bias")}
    natural = [sorted(names, key=_natural)]
    orders = natural if path.suffix == ".safetensors" else [names, *natural]
    layers = next((chain for order in orders if (chain := _chain(tensors, order))), None)
    if layers is None or left:
        raise UserError(f"units.codebook: {path} is no chain of linear layers (tensors: {', '.join(tensors)})")
    if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
        raise UserError(f"units.codebook: {path} holds NaN or infinity; take another checkpoint of it")
    return LinearLayers(layers)


def _chain(tensors: dict[str, Floats], names: list[str]) -> tuple[tuple[Floats, Floats], ...] | None:
    """The layers in the order of the names, each taking what the one before gives; None where they don't."""
    weights = [tensors[f"{name}.weight"] for name in names]
    biases = [
        tensors.get(f"{name}.bias", np.zeros(weight.shape[:1], np.float32))
        for name, weight in zip(names, weights, strict=True)
    ]
    layers = tuple(zip(weights, biases, strict=True))
    fits = all(weight.ndim == 2 and bias.shape == weight.shape[:1] for weight, bias in layers)
    chained = fits and all(len(a) == b.shape[1] for a, b in pairwise(weights))
    return layers if layers and chained else None


def _natural(name: str) -> list[int | str]:
    """Texts and numbers by turns, so that ``l10`` comes after ``l2``."""
    return [int(part) if place % 2 else part for place, part in enumerate(re.split(r"(\d+)", name))]


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
