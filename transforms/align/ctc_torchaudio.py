"""The CTC models that torchaudio describes, with weights from a file that the user has."""

import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from schemas.errors import UserError
from schemas.records import SAMPLE_RATE_HZ
from transforms.align.ctc_model import Traits, frame_grid

_HOME = "https://download.pytorch.org/torchaudio/models/"


class TorchaudioCtc:
    """A ``torchaudio.models.Wav2Vec2Model`` with a CTC head."""

    def __init__(self, network: Any, traits: Traits) -> None:
        self._network = network
        self.traits = traits
        self.module: torch.nn.Module = network

    def features(self, audio_BN: Tensor) -> Tensor:
        features_BTC: Tensor = self._network.feature_extractor(audio_BN, None)[0]
        return features_BTC

    def logits(self, features_BTC: Tensor, lengths_B: Tensor) -> Tensor:
        logits: Tensor = self._network.aux(self._network.encoder(features_BTC, lengths_B))
        return logits


def bundle_url(name: str) -> str:
    """Where a bundle's weights are.

    Raises:
        UserError: torchaudio has no CTC bundle of this name.
    """
    path = str(_bundle(name)._path)
    return path if path.startswith("https") else _HOME + path


def load_bundle(name: str, weights: Path) -> TorchaudioCtc:
    """Raises: UserError: No such bundle, or the file holds something else."""
    from torchaudio.models import wav2vec2_model

    bundle = _bundle(name)
    try:
        state = torch.load(weights, map_location="cpu", weights_only=True)
        # fairseq's dictionary has entries that were never trained; the bundle says which
        for key in ("aux.weight", "aux.bias"):
            kept = [row for row in range(len(state[key])) if row not in bundle._remove_aux_axis]
            state[key] = state[key][kept]
        network = wav2vec2_model(**bundle._params)
        network.load_state_dict(state)
    except (OSError, KeyError, TypeError, RuntimeError, pickle.UnpicklingError) as error:
        raise UserError(f"align.weights: {weights} holds no weights of torchaudio:{name}: {error}") from error
    labels = bundle._labels
    vocabulary = {label: column for column, label in enumerate(labels, start=1)}
    layers = bundle._params["extractor_conv_layer_config"]
    hop, field = frame_grid([kernel for _, kernel, _ in layers], [stride for _, _, stride in layers])
    traits = Traits(
        vocabulary=vocabulary,
        size=len(labels) + 1,
        blank=0,
        separator=vocabulary.get("|"),
        hop_samples=hop,
        field_samples=field,
        pad_safe=bundle._params["extractor_mode"] == "layer_norm",
        normalise_epsilon=1e-5 if bundle._normalize_waveform else None,  # that of torch's layer norm
    )
    return TorchaudioCtc(network.eval(), traits)


def _bundle(name: str) -> Any:
    import torchaudio

    bundle: Any = getattr(torchaudio.pipelines, name, None)
    if not hasattr(bundle, "_labels") or getattr(bundle, "_model_type", "") != "Wav2Vec2":
        raise UserError(
            f"align.model: torchaudio has no CTC bundle {name!r}; there are MMS_FA, WAV2VEC2_ASR_BASE_960H and others"
        )
    if bundle.sample_rate != SAMPLE_RATE_HZ:
        raise UserError(f"align.model: torchaudio:{name} wants {bundle.sample_rate:g} Hz")
    return bundle
