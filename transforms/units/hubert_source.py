"""Where a HuBERT's weights lie and what its configuration says. Needs no torch.

Two layouts are read: a folder that ``transformers`` wrote (or a hub's snapshot of one) and the files of torchaudio's
bundles, named ``torchaudio:HUBERT_BASE`` and so on.
"""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from schemas.errors import UserError

TORCHAUDIO = "torchaudio:"
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")


@dataclass(frozen=True, slots=True)
class HubertShape:
    """What the tensors' own shapes don't tell.

    Args:
        kernels: Of the convolutions, in samples of their input.
        strides: Likewise; their product is the hop.
        heads: Attention heads a layer.
        pre_norm: Layer norms come before attention and MLP ("stable layer norm"), as in the large models.
        conv_layer_norm: Every convolution has a layer norm; else the first has a group norm over the recording.
        normalise: The model wants zero mean and unit variance.
        eps: Of the layer norms.
    """

    kernels: tuple[int, ...]
    strides: tuple[int, ...]
    heads: int
    pre_norm: bool
    conv_layer_norm: bool
    normalise: bool
    eps: float = 1e-5

    @property
    def hop_samples(self) -> int:
        return math.prod(self.strides)

    @property
    def lookahead_samples(self) -> int:
        """Samples past its own hop that an output frame sees."""
        field, hop = 1, 1
        for kernel, stride in zip(self.kernels, self.strides, strict=True):
            field += (kernel - 1) * hop
            hop *= stride
        return field - hop


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
    config = _read_config(key, folder, architecture)
    shape = _read_shape(key, folder, config)
    file = next((folder / name for name in _WEIGHTS if (folder / name).is_file()), None)
    if file is None:
        raise UserError(f"{key}: no {' or '.join(_WEIGHTS)} in {folder}")
    others = [folder / name for name in ("config.json", "preprocessor_config.json")]
    return HubertSource((file, *(path for path in others if path.is_file())), shape, config)


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


def _read_config(key: str, folder: Path, architecture: str) -> dict[str, Any]:
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{key}: {path} is no JSON ({error})") from error
    if not isinstance(config, dict):
        raise UserError(f"{key}: {path} is no model's config")
    expected: dict[str, str | bool] = {"model_type": architecture, "hidden_act": "gelu"}
    expected |= {"feat_extract_activation": "gelu", "conv_pos_batch_norm": False, "add_adapter": False}
    for name, only in expected.items():
        if config.get(name, only) != only:
            raise UserError(f"{key}: {path}: {name} is {config[name]!r}; only {only!r} is read")
    return config


def _read_shape(key: str, folder: Path, config: dict[str, Any]) -> HubertShape:
    try:
        conv_layer_norm = config.get("feat_extract_norm", "group") == "layer"
        return HubertShape(
            kernels=tuple(config["conv_kernel"]),
            strides=tuple(config["conv_stride"]),
            heads=int(config["num_attention_heads"]),
            pre_norm=bool(config.get("do_stable_layer_norm", False)),
            conv_layer_norm=conv_layer_norm,
            normalise=_normalises(folder, otherwise=conv_layer_norm),
            eps=float(config.get("layer_norm_eps", 1e-5)),
        )
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{key}: {folder / 'config.json'} is no HuBERT config ({error!r})") from error


def _normalises(folder: Path, *, otherwise: bool) -> bool:
    """As the preprocessor says; without one, models with layer norm in the convolutions do."""
    path = folder / "preprocessor_config.json"
    if not path.is_file():
        return otherwise
    return bool(json.loads(path.read_text(encoding="utf-8")).get("do_normalize", True))
