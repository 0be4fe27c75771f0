"""Runs the first layers of a HuBERT over batches of recordings of any length."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from schemas.errors import UserError
from schemas.records import Waveform
from transforms.devices import Device, exact_inference, pick_device
from transforms.kmeans import Features
from transforms.units.batching import GPU_PADDED_FRAMES, length_buckets
from transforms.units.hubert_net import HubertNet, read_state
from transforms.units.hubert_source import HubertSource
from transforms.units.precision import Precision, pick_dtype
from transforms.units.transfer import integers_on, to_device
from transforms.windows import Window, windows

WINDOW_SAMPLES = 960_000  # 60 s: bounds the memory of a long recording
OVERLAP_SAMPLES = 64_000
_BLOCK_SAMPLES = 40_960  # the convolutions' blocks: what they pass on stays in a CPU's cache
_GPU_BLOCK_SAMPLES = 20_480
_CPU_BLOCKS, _GPU_BLOCKS = 1, 512  # run side by side
_CPU_FRAMES = 1_000  # of a padded batch: 12,000 are 4 % slower, as a layer's 150 MB leave the cache


class HubertFeatures:
    """Hidden states after ``layer`` blocks, as ``transformers`` gives them in ``hidden_states[layer]``.

    The convolutions run over blocks of equal length, whose norms come from their recordings; the transformer runs in
    padded batches under a mask. A recording above 60 s is cut into overlapping windows for the transformer alone; 99 %
    of its units at least are those of the whole.
    """

    def __init__(
        self,
        source: HubertSource,
        *,
        layer: int,
        device: Device = "auto",
        precision: Precision = "auto",
        compiled: bool = False,
        mix: Tensor | None = None,
    ) -> None:
        path = source.files[0]
        state = load_weights(path)
        try:
            net = HubertNet(source.shape, read_state(state), layers=layer, mix=mix)
        except ValueError as error:
            raise UserError(f"units.layer: {path} {error}") from error
        except (KeyError, RuntimeError) as error:
            raise UserError(f"model: {path} does not hold the tensors of its config: {error}") from error
        self._device = pick_device(device)
        self._dtype = pick_dtype(precision, self._device)
        self._net = net.to(self._device, self._dtype)
        net.pack()
        self._convolve, self._transform = net.convolve, net.transform
        if compiled:
            self._convolve = torch.compile(net.convolve, dynamic=True)
            self._transform = torch.compile(net.transform, dynamic=True)
        self._shape = source.shape
        self._hop = source.shape.hop_samples
        self._on_cpu = on_cpu = self._device.type == "cpu"
        self._blocks = _CPU_BLOCKS if on_cpu else _GPU_BLOCKS
        self._max_frames = _CPU_FRAMES if on_cpu else GPU_PADDED_FRAMES
        self.feature_dim: int = net.dim

    def features(self, waveforms: Sequence[Waveform]) -> list[Features]:
        """float32, shape ``(ceil(num_samples / hop), hidden size)`` each; the tail is padded with silence."""
        return [states_TD.cpu().numpy() for states_TD in self.hidden(waveforms)]

    @exact_inference()
    def hidden(self, waveforms: Sequence[Waveform]) -> list[Tensor]:
        """The same as float32 tensors on the model's device."""
        convolved_TC = self._convolved([self._whole(samples) for samples in to_device(waveforms, self._device)])
        pieces: list[tuple[int, Window]] = [
            (owner, window)
            for owner, features_TC in enumerate(convolved_TC)
            for window in windows(
                len(features_TC), size=WINDOW_SAMPLES // self._hop, overlap=OVERLAP_SAMPLES // self._hop
            )
        ]
        lengths = [window.end - window.start for _, window in pieces]
        states: list[Tensor] = [torch.empty(0)] * len(pieces)
        for bucket in length_buckets(lengths, max_frames=self._max_frames):
            cuts = [convolved_TC[pieces[i][0]][pieces[i][1].start : pieces[i][1].end] for i in bucket]
            padded_BTC = pad_sequence(cuts, batch_first=True)
            inside_BT = None
            if len(cuts[-1]) < len(cuts[0]):  # longest first
                at_T = torch.arange(padded_BTC.shape[1], device=self._device)
                inside_BT = at_T < integers_on([len(cut) for cut in cuts], self._device)[:, None]
            for i, states_TD in zip(bucket, self._transform(padded_BTC, inside_BT), strict=True):
                window = pieces[i][1]
                states[i] = states_TD[window.keep_start - window.start : window.keep_end - window.start].float()
        parts: list[list[Tensor]] = [[] for _ in waveforms]
        for (owner, _), states_TD in zip(pieces, states, strict=True):
            parts[owner].append(states_TD)
        empty = torch.empty(0, self.feature_dim, device=self._device)
        return [torch.cat(part) if part else empty for part in parts]

    def padded(self, waveform: Waveform) -> Tensor:
        """What the network is given of a recording, on the device."""
        return self._whole(*to_device([waveform], self._device))

    def _whole(self, samples: Tensor) -> Tensor:
        """Whole frames, and as many samples of silence as the last one sees beyond its own."""
        if not len(samples):
            return samples
        if self._shape.normalise:
            samples = (samples - samples.mean()) / torch.sqrt(samples.var(correction=0) + 1e-7)
        tail = -len(samples) % self._hop + self._shape.lookahead_samples
        return nn.functional.pad(samples, (0, tail))

    def _convolved(self, padded_S: Sequence[Tensor]) -> list[Tensor]:
        """The convolutions' output of every recording, ``(T, C)``.

        A recording is cut into blocks of one length; the last one goes back over frames of the one before it, so that
        nothing is padded. On a CPU the blocks of a recording are as even as they can be, which wastes nothing; a GPU
        wants the blocks of all recordings to be of one length.
        """
        filters = [
            None if self._shape.conv_layer_norm or not len(samples) else self._net.first_filters(samples)
            for samples in padded_S
        ]
        most = max(1, (_BLOCK_SAMPLES if self._on_cpu else _GPU_BLOCK_SAMPLES) // self._hop)
        blocks: list[tuple[int, int, int]] = []  # frames, owner, first frame
        for owner, samples in enumerate(padded_S):
            frames = (len(samples) - self._shape.lookahead_samples) // self._hop if len(samples) else 0
            size = -(-frames // max(1, -(-frames // most))) if self._on_cpu else min(frames, most)
            blocks += [(size, owner, min(start, frames - size)) for start in range(0, frames, max(size, 1))]
        channels = self._net.project.in_features
        whole = [
            torch.empty(
                (len(samples) - self._shape.lookahead_samples) // self._hop if len(samples) else 0,
                channels,
                dtype=self._dtype,
                device=self._device,
            )
            for samples in padded_S
        ]
        for size, same in groupby(sorted(blocks), key=lambda block: block[0]):
            equal = list(same)
            for group in (equal[at : at + self._blocks] for at in range(0, len(equal), self._blocks)):
                length = size * self._hop + self._shape.lookahead_samples
                cuts = [padded_S[owner][start * self._hop :][:length] for _, owner, start in group]
                chosen = [filters[owner] for _, owner, _ in group]
                given = [pair for pair in chosen if pair is not None]
                weights = [torch.stack([pair[part] for pair in given]) if given else None for part in (0, 1)]
                out_BTC = self._convolve(torch.stack(cuts).to(self._dtype), *weights)
                for (_, owner, start), out_TC in zip(group, out_BTC, strict=True):
                    whole[owner][start : start + size] = out_TC
        return whole


def load_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a ``.safetensors`` file or a torch state dict, read without running code in it.

    Raises:
        UserError: The file is neither.
    """
    try:
        if path.suffix == ".safetensors":
            tensors: Any = load_file(path)
        else:
            tensors = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a malformed file makes a reader raise is the file's fault
        why = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(f"model: cannot open {path} as weights: {why}") from error
    named = isinstance(tensors, dict) and all(isinstance(name, str) for name in tensors)
    if not named or not all(isinstance(tensor, Tensor) for tensor in tensors.values()):
        raise UserError(f"model: {path} is no state dict of a model: tensors by name, not nested, and nothing else")
    return dict(tensors)
