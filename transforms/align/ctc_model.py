"""What the aligner needs of a CTC model, in two steps, and the ``transformers`` one.

The steps are apart because padding is harmless in one and not in the other: convolutions with a norm over time
(``feat_extract_norm == "group"``) see the padding, so they run a recording at a time; the transformer is masked.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from schemas.errors import UserError


@dataclass(frozen=True, slots=True)
class Traits:
    """What of a model decides how it is fed and read.

    Args:
        vocabulary: Token to column; of the columns ``[0, size)``.
        hop_samples, field_samples: Step and receptive field of a frame.
        pad_safe: The convolutions see no padding behind a recording.
        normalise_epsilon: A recording is brought to zero mean and unit variance, with this added to its variance;
            None where the model takes it as it is.
    """

    vocabulary: dict[str, int]
    size: int
    blank: int
    separator: int | None
    hop_samples: int
    field_samples: int
    pad_safe: bool
    normalise_epsilon: float | None


class CtcModel(Protocol):
    @property
    def traits(self) -> Traits: ...

    @property
    def module(self) -> torch.nn.Module: ...

    def features(self, audio_BN: Tensor) -> Tensor:
        """The convolutions: ``(B, N)`` samples to ``(B, T, C)``."""
        ...

    def logits(self, features_BTC: Tensor, lengths_B: Tensor) -> Tensor:
        """The rest: ``(B, T, V)``; frames from ``lengths_B`` on are masked."""
        ...


def frame_grid(kernels: list[int], strides: list[int]) -> tuple[int, int]:
    """Hop and receptive field, in samples, of a stack of convolutions."""
    hop, field = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        field += (kernel - 1) * hop
        hop *= stride
    return hop, field


class HuggingFaceCtc:
    """A ``Wav2Vec2ForCTC`` (Baevski et al. 2020, arXiv 2006.11477)."""

    def __init__(self, network: Any, traits: Traits) -> None:
        self._network = network
        self.traits = traits
        self.module: torch.nn.Module = network

    def features(self, audio_BN: Tensor) -> Tensor:
        features_BCT: Tensor = self._network.wav2vec2.feature_extractor(audio_BN)
        return features_BCT.transpose(1, 2)

    def logits(self, features_BTC: Tensor, lengths_B: Tensor) -> Tensor:
        base = self._network.wav2vec2
        hidden, _ = base.feature_projection(features_BTC)
        mask = torch.arange(hidden.shape[1], device=hidden.device)[None] < lengths_B[:, None]
        hidden = base.encoder(hidden, attention_mask=mask, return_dict=True).last_hidden_state
        logits: Tensor = self._network.lm_head(hidden)
        return logits


def load_folder(folder: Path) -> HuggingFaceCtc:
    """Raises: UserError: The folder holds another kind of model."""
    from transformers import Wav2Vec2CTCTokenizer, Wav2Vec2ForCTC

    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if config.get("architectures") not in (None, ["Wav2Vec2ForCTC"]) or config.get("model_type") != "wav2vec2":
        raise UserError(f"align.model: {folder} holds {config.get('architectures')}, not a Wav2Vec2ForCTC")
    try:
        tokenizer = Wav2Vec2CTCTokenizer.from_pretrained(folder)
        network, report = Wav2Vec2ForCTC.from_pretrained(folder, output_loading_info=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"align.model: cannot open {folder} as a Wav2Vec2ForCTC: {error}") from error
    missing = sorted(name for name in report["missing_keys"] if "masked_spec_embed" not in name)
    if missing:
        raise UserError(f"align.model: the weights in {folder} lack {missing[0]} and {len(missing) - 1} more")
    if network.config.add_adapter:
        raise UserError(f"align.model: {folder} has an adapter on top, which is not supported")
    vocabulary = tokenizer.get_vocab()
    hop, field = frame_grid(list(network.config.conv_kernel), list(network.config.conv_stride))
    traits = Traits(
        vocabulary=vocabulary,
        size=network.config.vocab_size,
        blank=network.config.pad_token_id,
        separator=vocabulary.get(tokenizer.word_delimiter_token),
        hop_samples=hop,
        field_samples=field,
        pad_safe=network.config.feat_extract_norm == "layer",
        normalise_epsilon=1e-7 if _normalises(folder) else None,  # that of transformers' feature extractor
    )
    return HuggingFaceCtc(network.eval(), traits)


def _normalises(folder: Path) -> bool:
    path = folder / "preprocessor_config.json"
    if not path.is_file():
        return True  # what the feature extractor of transformers does unless told otherwise
    return bool(json.loads(path.read_text(encoding="utf-8")).get("do_normalize", True))
