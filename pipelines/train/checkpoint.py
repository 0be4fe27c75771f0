"""Checkpoints: a folder a step, which appears under its name only when it is whole.

``model.safetensors``, ``optimizer.pt`` (opens with ``weights_only=True``), ``state.json`` (step, loader, counters).
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_model, save_model

from schemas.errors import UserError

_PARTIAL = ".partial-"


def step_folder(folder: Path, step: int) -> Path:
    return folder / f"step-{step:08d}"


def latest(folder: Path) -> Path | None:
    """The whole checkpoint of the highest step."""
    return max(folder.glob("step-*"), default=None)


def save(folder: Path, *, model: Any, optimizer: torch.optim.Optimizer, state: dict[str, Any], keep: int) -> None:
    """Write the checkpoint of ``state["step"]`` and remove all but the ``keep`` latest."""
    target = step_folder(folder, state["step"])
    if target.exists():
        return
    partial = folder / f"{_PARTIAL}{os.getpid()}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    save_model(model, str(partial / "model.safetensors"))
    torch.save(optimizer.state_dict(), partial / "optimizer.pt")
    (partial / "state.json").write_text(json.dumps(state), encoding="utf-8")
    for path in partial.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    partial.rename(target)
    for old in sorted(folder.glob("step-*"))[:-keep]:
        shutil.rmtree(old)


def clear_partials(folder: Path) -> None:
    """Remove what a killed run left unfinished."""
    for partial in folder.glob(f"{_PARTIAL}*"):
        shutil.rmtree(partial)


def restore(path: Path, *, model: Any, optimizer: torch.optim.Optimizer, device: torch.device) -> dict[str, Any]:
    """Load weights and optimizer in place; returns the state.

    Raises:
        UserError: The checkpoint cannot be read.
    """
    try:
        state: dict[str, Any] = json.loads((path / "state.json").read_text(encoding="utf-8"))
        load_model(model, str(path / "model.safetensors"), device=str(device))
        optimizer.load_state_dict(torch.load(path / "optimizer.pt", map_location=device, weights_only=True))
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise UserError(
            f"cannot resume from {path} ({error}); delete that folder to resume from an older one"
        ) from error
    return state
