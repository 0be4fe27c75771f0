"""What a HuBERT's configuration says of its network, and whether that is one. Needs no torch."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from schemas.records import SAMPLE_RATE_HZ

_ONLY: dict[str, str | bool] = {
    "hidden_act": "gelu",
    "feat_extract_activation": "gelu",
    "conv_pos_batch_norm": False,
    "add_adapter": False,
}
_COUNTS = ("hidden_size", "num_attention_heads", "num_hidden_layers", "intermediate_size")
_PER_CONVOLUTION = ("conv_kernel", "conv_stride", "conv_dim")


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


def read_shape(
    config: Mapping[str, Any], *, architecture: Literal["hubert", "wav2vec2"], normalise: bool | None = None
) -> HubertShape:
    """Of a ``config.json`` of ``transformers``.

    Args:
        normalise: As the preprocessor says; without one, models with layer norm in the convolutions do.

    Raises:
        ValueError: It is another network, or its sizes don't fit together; the message begins with the key.
    """
    for name, only in {"model_type": architecture, **_ONLY}.items():
        if config.get(name, only) != only:
            raise ValueError(f"{name} is {config[name]!r}; only {only!r} is read")
    for name in _COUNTS:
        if not _is_count(config.get(name)):
            raise ValueError(f"{name} is {config.get(name)!r}, not a whole number above 0")
    lists = {name: config.get(name) for name in _PER_CONVOLUTION}
    for name, sizes in lists.items():
        if not isinstance(sizes, list | tuple) or not sizes or not all(_is_count(size) for size in sizes):
            raise ValueError(f"{name} is {sizes!r}, not a list of whole numbers above 0")
    lengths = [len(lists[name]) for name in _PER_CONVOLUTION]  # type: ignore[arg-type]
    if len(set(lengths)) > 1:
        raise ValueError(f"{', '.join(_PER_CONVOLUTION)} are {', '.join(map(str, lengths))} sizes, not as many each")
    width, heads = config["hidden_size"], config["num_attention_heads"]
    if width % heads:
        raise ValueError(f"num_attention_heads is {heads}, which does not divide hidden_size {width}")
    eps = config.get("layer_norm_eps", 1e-5)
    if not isinstance(eps, int | float):
        raise ValueError(f"layer_norm_eps is {eps!r}, not a number")
    conv_layer_norm = config.get("feat_extract_norm", "group") == "layer"
    return HubertShape(
        kernels=tuple(config["conv_kernel"]),
        strides=tuple(config["conv_stride"]),
        heads=heads,
        pre_norm=bool(config.get("do_stable_layer_norm", False)),
        conv_layer_norm=conv_layer_norm,
        normalise=conv_layer_norm if normalise is None else normalise,
        eps=float(eps),
    )


def read_normalise(preprocessor: Mapping[str, Any]) -> bool:
    """Of a ``preprocessor_config.json``: whether the model wants zero mean and unit variance.

    Raises:
        ValueError: It is for audio at another rate.
    """
    rate_hz = preprocessor.get("sampling_rate", SAMPLE_RATE_HZ)
    if rate_hz != SAMPLE_RATE_HZ:
        raise ValueError(f"sampling_rate is {rate_hz!r}; only {SAMPLE_RATE_HZ} is read")
    return bool(preprocessor.get("do_normalize", True))


def _is_count(value: object) -> bool:
    return type(value) is int and value > 0
