"""The network of masked prediction: ``transformers``' HuBERT and a head of cluster embeddings.

Shapes: B batch, S samples, T frames, D model, E embedding, K clusters.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import HubertConfig, HubertModel

from schemas.errors import UserError
from schemas.records import SAMPLE_RATE_HZ
from transforms.units.hubert_shape import HubertShape, read_shape

_TEMPERATURE = 0.1
_EMBEDDING = 256
_DEFAULTS: dict[str, Any] = {
    "feat_extract_norm": "layer",
    "conv_bias": True,
    "layerdrop": 0.0,  # drawn from a global state, so that a resumed training would differ
    "hidden_dropout": 0.1,
    "attention_dropout": 0.1,
    "activation_dropout": 0.0,
    "feat_proj_dropout": 0.1,
    "mask_feature_prob": 0.0,
}


@dataclass(frozen=True, slots=True)
class Geometry:
    """Samples that frames stand for."""

    hop_samples: int
    lookahead_samples: int


class Network:
    """A HuBERT in the making."""

    def __init__(self, model: HubertModel, shape: HubertShape) -> None:
        self.model = model
        self.geometry = Geometry(shape.hop_samples, shape.lookahead_samples)
        self.hop_samples = shape.hop_samples

    def save(self, folder: Path) -> None:
        """A folder that ``transformers`` and the ``hubert`` backend open."""
        self.model.save_pretrained(folder)
        preprocessor = {
            "feature_extractor_type": "Wav2Vec2FeatureExtractor",
            "do_normalize": True,
            "sampling_rate": SAMPLE_RATE_HZ,
            "feature_size": 1,
            "padding_side": "right",
            "padding_value": 0.0,
            "return_attention_mask": True,
        }
        text = json.dumps(preprocessor, indent=1, sort_keys=True) + "\n"
        (folder / "preprocessor_config.json").write_text(text, encoding="utf-8")


def build_model(architecture: dict[str, Any], *, seed: int) -> Network:
    """A network with new weights.

    Raises:
        UserError: The architecture has an unknown key, sizes that don't fit together, or what no units backend reads.
    """
    known = HubertConfig().to_dict()
    unknown = sorted(set(architecture) - set(known))
    if unknown:
        raise UserError(f"fit.architecture.{unknown[0]}: no such key of transformers' HubertConfig")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            config = HubertConfig(**{**_DEFAULTS, **architecture})
            shape = read_shape(config.to_dict(), architecture="hubert", normalise=True)
            return Network(HubertModel(config), shape)
        except (ValueError, TypeError, RuntimeError) as error:
            raise UserError(f"fit.architecture: {str(error).splitlines()[0]}") from error


class Pretraining(nn.Module):
    """Cosine of a frame's projection and each cluster's embedding over a temperature, as the paper has it."""

    def __init__(self, network: Network, *, clusters: int, seed: int) -> None:
        super().__init__()
        self.encoder = network.model
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.project = nn.Linear(network.model.config.hidden_size, _EMBEDDING)
            self.clusters_KE = nn.Parameter(torch.empty(clusters, _EMBEDDING).uniform_())

    def forward(self, samples_BS: Tensor, inside_BT: Tensor, masked_BT: Tensor, heard_BT: Tensor) -> Tensor:
        """Logits of the masked frames in order, then of the heard ones, shape ``(frames, K)``."""
        convolved_BTC = self.encoder.feature_extractor(samples_BS).transpose(1, 2)
        hidden_BTD = self.encoder.feature_projection(convolved_BTC)
        blank_D = cast(Tensor, self.encoder.masked_spec_embed).to(hidden_BTD.dtype)
        hidden_BTD = torch.where(masked_BT[..., None], blank_D, hidden_BTD)
        states_BTD = self.encoder.encoder(hidden_BTD, attention_mask=inside_BT).last_hidden_state
        chosen_ND = torch.cat([states_BTD[masked_BT], states_BTD[heard_BT]])
        points_NE = functional.normalize(self.project(chosen_ND).float(), dim=-1)
        return points_NE @ functional.normalize(self.clusters_KE.float(), dim=-1).T / _TEMPERATURE
