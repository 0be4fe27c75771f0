"""Checkpoints: a folder a step, which appears under its name only when it is whole.

``model.safetensors``, ``optimizer.pt`` (by parameter names; opens with ``weights_only=True``), ``state.json`` (step,
loader, counters), and what else an exported model has, so that it opens as one. They hold whole tensors whatever the
number of ranks, so another number of ranks can go on.
"""

import json
import pickle
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)

from pipelines.files import new_folder
from pipelines.train.distributed import World
from schemas.errors import EngineError, UserError, on_one_line

_PARTIAL = ".partial-"
_STEP = "step-"


def step_folder(folder: Path, step: int) -> Path:
    return folder / f"{_STEP}{step:08d}"


def latest(folder: Path) -> Path | None:
    """The whole checkpoint of the highest step."""
    return max(folder.glob(f"{_STEP}*"), default=None)


def whole_weights(model: Any) -> dict[str, torch.Tensor]:
    """All weights on the CPU, unsharded, a shared one under its first name; empty on all ranks but the first."""
    state: dict[str, Any] = get_model_state_dict(model, options=_whole())
    names = {name for name, _ in model.named_parameters()} | {name for name, _ in model.named_buffers()}
    return {name: tensor.contiguous() for name, tensor in state.items() if name in names}


def save(
    folder: Path,
    *,
    model: Any,
    optimizer: torch.optim.Optimizer,
    state: dict[str, Any],
    keep: int,
    every: int | None = None,
    best: int | None = None,
    describe: Callable[[Path], None],
    world: World,
) -> None:
    """Write the checkpoint of ``state["step"]``, then remove all but the ``keep`` latest, those of steps that ``every``
    divides and that of step ``best``.

    Every rank must call it; the first one writes. ``describe`` adds what makes the folder a model.
    """
    target = step_folder(folder, state["step"])
    if world.any(target.exists()):
        return
    weights = whole_weights(model)
    moments = get_optimizer_state_dict(model, optimizer, options=_whole())
    if world.is_first:
        with writing(target), new_folder(target) as partial:
            save_file(weights, partial / "model.safetensors", metadata={"format": "pt"})
            torch.save(moments, partial / "optimizer.pt")
            (partial / "state.json").write_text(json.dumps(state), encoding="utf-8")
            describe(partial)
        for old in sorted(folder.glob(f"{_STEP}*"))[:-keep]:
            step = int(old.name.removeprefix(_STEP))
            if step != best and (every is None or step % every):
                # first its name, so that half a checkpoint is none
                shutil.rmtree(old.rename(folder / f"{_PARTIAL}{old.name}"))
    world.wait()


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Around what writes below ``place`` and does nothing else.

    Raises:
        EngineError: It cannot be written, as on a full disk, for which torch has no error of its own.
    """
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        raise EngineError(
            f"cannot write {place} ({on_one_line(error)}); what is finished is kept, make room and run again"
        ) from error


def clear_partials(folder: Path) -> None:
    """Remove what a killed run left unfinished."""
    for partial in folder.glob(f"{_PARTIAL}*"):
        shutil.rmtree(partial)


def read_state(path: Path) -> dict[str, Any]:
    """The state that was saved beside the weights; whether it is of this run is to be asked before they are loaded.

    Raises:
        UserError: It cannot be read.
    """
    try:
        state: dict[str, Any] = json.loads((path / "state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error
    return state


def restore(path: Path, *, model: Any, optimizer: torch.optim.Optimizer) -> None:
    """Load weights and optimizer in place; both files are mapped, so that the ranks of a machine share their pages.

    Raises:
        UserError: They cannot be read.
    """
    try:
        weights = load_file(path / "model.safetensors")
        named = dict(model.named_parameters())
        if lost := [name for name in named if name not in weights]:
            raise ValueError(f"no weights for {', '.join(lost[:3])}")
        options = StateDictOptions(full_state_dict=True, strict=False)
        set_model_state_dict(model, weights, options=options)
        moments = torch.load(path / "optimizer.pt", map_location="cpu", mmap=True, weights_only=True)
        set_optimizer_state_dict(model, optimizer, moments, options=StateDictOptions(full_state_dict=True))
    except torch.OutOfMemoryError:
        raise
    except (OSError, EOFError, ValueError, KeyError, RuntimeError, pickle.UnpicklingError, SafetensorError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> UserError:
    return UserError(
        f"cannot resume from {path} ({on_one_line(error)}); where that folder is damaged, delete it to resume from an "
        "older one"
    )


def _whole() -> StateDictOptions:
    return StateDictOptions(full_state_dict=True, cpu_offload=True)
