"""Runs the first layers of a HuBERT over batches of recordings of any length."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import HubertModel

from schemas.errors import UserError
from schemas.records import Waveform
from transforms.devices import Device, pick_device
from transforms.kmeans import Features
from transforms.units.batching import length_buckets
from transforms.windows import Window, windows

WINDOW_SAMPLES = 960_000  # 60 s: bounds the memory of a long recording
OVERLAP_SAMPLES = 64_000


class HubertFeatures:
    """Hidden states after ``layer`` blocks, as ``transformers`` gives them in ``hidden_states[layer]``.

    The convolutions run recording by recording, since the base model's first one normalises over the whole input;
    the transformer runs in padded batches under a mask.
    """

    def __init__(self, folder: Path, *, layer: int, hop_samples: int, device: Device) -> None:
        try:
            model = HubertModel.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, RuntimeError) as error:
            raise UserError(f"units.model: transformers cannot open {folder} as a HuBERT: {error}") from error
        config = model.config
        if layer > config.num_hidden_layers:
            raise UserError(f"units.layer: {folder} has {config.num_hidden_layers} layers, not {layer}")
        if layer < config.num_hidden_layers:
            model.encoder.layers = model.encoder.layers[:layer]
            if config.do_stable_layer_norm:  # its norm follows the last layer; in the other kind it precedes the first
                model.encoder.layer_norm = nn.Identity()
        self._device = pick_device(device)
        self._model = model.eval().to(self._device)
        self._hop = hop_samples
        self._lookahead = _receptive_field(config.conv_kernel, config.conv_stride) - hop_samples
        self._normalise = _normalises(folder, layer_norm=config.feat_extract_norm == "layer")
        self.feature_dim: int = config.hidden_size

    @torch.inference_mode()
    def features(self, waveforms: Sequence[Waveform]) -> list[Features]:
        """float32, shape ``(ceil(num_samples / hop), hidden size)`` each; the tail is padded with silence."""
        pieces: list[tuple[int, Window]] = []
        convolved_TD: list[Tensor] = []
        for owner, waveform in enumerate(waveforms):
            frames = -(-len(waveform) // self._hop)
            samples = self._padded(waveform, frames)
            for window in windows(frames, size=WINDOW_SAMPLES // self._hop, overlap=OVERLAP_SAMPLES // self._hop):
                cut = samples[window.start * self._hop : window.end * self._hop + self._lookahead]
                pieces.append((owner, window))
                convolved_TD.append(self._model.feature_extractor(cut[None])[0].T)
        parts: list[list[Tensor]] = [[] for _ in waveforms]
        states = self._transformed(convolved_TD)
        for (owner, window), states_TD in zip(pieces, states, strict=True):
            parts[owner].append(states_TD[window.keep_start - window.start : window.keep_end - window.start])
        empty = torch.empty(0, self.feature_dim)
        return [torch.cat(part).float().cpu().numpy() if part else empty.numpy() for part in parts]

    def _padded(self, waveform: Waveform, frames: int) -> Tensor:
        samples = torch.from_numpy(waveform).to(self._device)
        if self._normalise and len(waveform):
            samples = (samples - samples.mean()) / torch.sqrt(samples.var(correction=0) + 1e-7)
        return nn.functional.pad(samples, (0, frames * self._hop + self._lookahead - len(waveform)))

    def _transformed(self, convolved_TD: list[Tensor]) -> list[Tensor]:
        states: list[Tensor] = [torch.empty(0)] * len(convolved_TD)
        lengths = [len(features) for features in convolved_TD]
        for bucket in length_buckets(lengths):
            padded_BTD = pad_sequence([convolved_TD[i] for i in bucket], batch_first=True)
            at_T = torch.arange(padded_BTD.shape[1], device=self._device)
            inside_BT = at_T < torch.tensor([lengths[i] for i in bucket], device=self._device)[:, None]
            projected_BTD = self._model.feature_projection(padded_BTD)
            hidden_BTD = self._model.encoder(projected_BTD, attention_mask=inside_BT).last_hidden_state
            for i, states_TD in zip(bucket, hidden_BTD, strict=True):
                states[i] = states_TD[: lengths[i]]
        return states


def _receptive_field(kernels: Sequence[int], strides: Sequence[int]) -> int:
    """Samples that one output frame sees."""
    field, hop = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        field += (kernel - 1) * hop
        hop *= stride
    return field


def _normalises(folder: Path, *, layer_norm: bool) -> bool:
    """Whether the model wants zero mean and unit variance; models with layer norm in the convolutions do."""
    path = folder / "preprocessor_config.json"
    if not path.is_file():
        return layer_norm
    return bool(json.loads(path.read_text(encoding="utf-8")).get("do_normalize", True))
