"""Where a HuBERT's weights lie and what its configuration says. Needs no torch.

Two layouts are read: a folder that ``transformers`` wrote (or a hub's snapshot of one) and the files of torchaudio's
bundles, named ``torchaudio:HUBERT_BASE`` and so on.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from schemas.errors import UserError
from transforms.units.hubert_shape import HubertShape, read_normalise, read_shape

TORCHAUDIO = "torchaudio:"
T = TypeVar("T")

_WEIGHTS = ("model.safetensors", "pytorch_model.bin")


@dataclass(frozen=True, slots=True)
class HubertSource:
    """``files``: the weights first, then whatever else decides the features. ``config`` is empty for a bundle."""

    files: tuple[Path, ...]
    shape: HubertShape
    config: dict[str, Any] = field(default_factory=dict)


_KERNELS, _STRIDES = (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)
_BUNDLES: dict[str, tuple[str, HubertShape]] = {
    name: (f"hubert_fairseq_{stem}.pth", HubertShape(_KERNELS, _STRIDES, heads, large, large, large))
    for name, stem, heads, large in (
        ("HUBERT_BASE", "base_ls960", 12, False),
        ("HUBERT_LARGE", "large_ll60k", 16, True),
        ("HUBERT_XLARGE", "xlarge_ll60k", 16, True),
    )
}


def find_source(model: str, *, weights: str | None, allow_download: bool) -> HubertSource:
    """The files that a config names.

    Raises:
        UserError: They are not there, or are no HuBERT.
    """
    if model.startswith(TORCHAUDIO):
        return _bundle(model.removeprefix(TORCHAUDIO), weights)
    if weights is not None:
        raise UserError(f"units.weights: only {TORCHAUDIO} models take it; {model!r} holds its own weights")
    return read_folder(model, role="units", architecture="hubert", allow_download=allow_download)


def read_folder(
    model: str, *, role: str, architecture: Literal["hubert", "wav2vec2"], allow_download: bool
) -> HubertSource:
    """A folder of ``transformers``, or a hub id. The two architectures are the same network.

    Raises:
        UserError: It is not there, or is another architecture; the message starts with the ``role``'s key.
    """
    key = f"{role}.model"
    folder = _folder(key, model, allow_download=allow_download)
    path, preprocessor = folder / "config.json", folder / "preprocessor_config.json"
    normalise = _read(key, preprocessor, read_normalise) if preprocessor.is_file() else None
    config, shape = _read(
        key, path, lambda config: (config, read_shape(config, architecture=architecture, normalise=normalise))
    )
    file = next((folder / name for name in _WEIGHTS if (folder / name).is_file()), None)
    if file is None:
        raise UserError(f"{key}: no {' or '.join(_WEIGHTS)} in {folder}")
    return HubertSource((file, *(path for path in (path, preprocessor) if path.is_file())), shape, config)


def _bundle(name: str, weights: str | None) -> HubertSource:
    if name not in _BUNDLES:
        raise UserError(f"units.model: no bundle named {name!r} (there are: {', '.join(_BUNDLES)})")
    stem, shape = _BUNDLES[name]
    if weights is None:
        raise UserError(f"units.weights: name the folder that holds {stem}, the file of torchaudio's {name}")
    path = Path(weights) / stem
    if not path.is_file():
        raise UserError(f"units.weights: no {stem} in {weights}; torchaudio keeps it in torch.hub's checkpoints folder")
    return HubertSource((path,), shape)


def _folder(key: str, model: str, *, allow_download: bool) -> Path:
    folder = Path(model)
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise UserError(f"{key}: no config.json in {folder}; name a folder written by transformers")
        return folder
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(
            snapshot_download(
                model,
                local_files_only=not allow_download,
                allow_patterns=["config.json", "preprocessor_config.json", *_WEIGHTS],
            )
        )
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError) as error:
        hint = "" if allow_download else f"; set {key.partition('.')[0]}.allow_download to fetch it"
        raise UserError(f"{key}: {model!r} is neither a folder nor in the hub's cache{hint}") from error


def _read(key: str, path: Path, take: Callable[[dict[str, Any]], T]) -> T:
    """What ``take`` makes of a JSON object; its ValueError is the user's mistake."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(value, dict):
            raise ValueError("no JSON object")
        return take(value)
    except ValueError as error:
        raise UserError(f"{key}: {path}: {error}") from error
