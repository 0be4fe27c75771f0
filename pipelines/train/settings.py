"""Which settings of a training decide its losses, and whether a run may go on with others than it began with."""

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipelines.train.config import DataConfig, TrainConfig
from schemas.errors import UserError
from transforms.backend import digest_json

SETTINGS_FILE = "train.json"
_FREE_TO_CHANGE = {
    "output": True,
    "corpus": True,
    "checkpoint_every": True,
    "keep_checkpoints": True,
    "keep_every": True,
    "threads": True,
    "device": True,
    "compile": True,
    "activation_checkpointing": True,
    "evaluation": True,
    "samples": True,
    "tensorboard": True,
}


def settings_fingerprint(config: TrainConfig) -> str:
    return digest_json(_deciding(config))


def check_resumed(config: TrainConfig, state: dict[str, Any], folder: Path) -> None:
    """Compare a run's settings with those of the checkpoint ``state``.

    Raises:
        UserError: They differ in one that decides the losses; the message names it with both values.
    """
    if state["settings"] != settings_fingerprint(config) and not _may_grow(config, state):
        raise UserError(
            f"output: {folder} holds a run with other settings ({_differences(config, folder)}); go on with the old "
            "ones, choose another output, or delete its checkpoints"
        )


def free_of_data(data: DataConfig) -> set[str]:
    """Keys that decide no batch: the workers, and sources that are not named."""
    return {"workers", *(name for name in ("texts", "speech") if not getattr(data, name))}


def _deciding(config: TrainConfig) -> dict[str, Any]:
    """``steps`` is among them where the schedule looks at it; micro-batches change rounding alone and count as 1."""
    free: dict[str, Any] = {**_FREE_TO_CHANGE, "data": free_of_data(config.data)}
    if config.optimizer.schedule == "constant":
        free["steps"] = True
    settings = config.model_dump(mode="json", exclude=free)
    settings["data"]["micro_batches"] = 1
    return settings


def _may_grow(config: TrainConfig, state: dict[str, Any]) -> bool:
    """Whether only ``steps`` differs, and grows while a wsd schedule was still at its peak for the old number."""
    before = state.get("steps", 0)
    grows = config.optimizer.schedule == "wsd" and state["step"] <= before - config.optimizer.decay_steps
    shorter = config.model_copy(update={"steps": before})
    return grows and config.steps > before and state["settings"] == settings_fingerprint(shorter)


def _differences(config: TrainConfig, folder: Path) -> str:
    """What differs from ``train.json``, as far as that can be read."""
    try:
        before = TrainConfig.model_validate_json((folder / SETTINGS_FILE).read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return f"{SETTINGS_FILE} in it cannot be read to say which"
    old, new = _flat(_deciding(before)), _flat(_deciding(config))
    changed = [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]
    said = [f"{name} was {json.dumps(old.get(name))}, is {json.dumps(new.get(name))}" for name in changed]
    return "; ".join(said) or "those of another version of plait"


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat
