"""Runs a wav2vec 2.0 sequence classifier second by second."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from schemas.errors import UserError
from schemas.records import SAMPLE_RATE_HZ, TokenIds, Waveform
from transforms.devices import Device
from transforms.units.hubert_model import HubertFeatures, load_weights
from transforms.units.hubert_source import HubertSource
from transforms.units.overflow import load_guarded
from transforms.units.precision import Precision


class Wav2Vec2StyleEncoder:
    """The likeliest class of each second, from the mean of its frames; the frames see the whole recording.

    With a single second this is what ``transformers`` gives. The last second may be shorter.
    """

    def __init__(self, source: HubertSource, *, device: Device, precision: Precision) -> None:
        weights = load_weights(source.files[0])
        layers = int(source.config["num_hidden_layers"])
        mix = weights["layer_weights"].softmax(0) if source.config.get("use_weighted_layer_sum") else None
        load = partial(HubertFeatures, source, layer=layers, device=device, mix=mix)
        self._features = load_guarded(lambda number_format: load(precision=number_format), precision, device)
        try:
            self._project, self._classify = (_linear(weights, name) for name in ("projector", "classifier"))
        except KeyError as error:
            raise UserError(f"style.model: {source.files[0]} holds no {error}") from error
        self._frames_per_second = SAMPLE_RATE_HZ // source.shape.hop_samples

    @torch.inference_mode()
    def encode(self, waveforms: Sequence[Waveform]) -> list[TokenIds]:
        codes = []
        for states_TD in self._features.hidden(waveforms):
            if not len(states_TD):
                codes.append(np.empty(0, dtype=np.int32))
                continue
            step = self._frames_per_second
            seconds = [states_TD[at : at + step].mean(0) for at in range(0, len(states_TD), step)]
            logits_SK = self._classify.to(states_TD.device)(self._project.to(states_TD.device)(torch.stack(seconds)))
            codes.append(logits_SK.argmax(1).to(torch.int32).cpu().numpy())
        return codes


def _linear(weights: dict[str, Tensor], name: str) -> nn.Linear:
    weight = weights[f"{name}.weight"]
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.load_state_dict({"weight": weight.float(), "bias": weights[f"{name}.bias"].float()})
    return layer.requires_grad_(False)
