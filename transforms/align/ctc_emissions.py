"""Log-probabilities of a CTC model for recordings of any length, none depending on its batch mates."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from schemas.records import SAMPLE_RATE_HZ, Waveform
from transforms.align.ctc_model import CtcModel
from transforms.cpu_layers import pack_linears
from transforms.devices import pick_device
from transforms.units.batching import length_buckets
from transforms.windows import windows

if TYPE_CHECKING:
    from transforms.align.ctc import CtcConfig

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Emitter:
    """Runs a model over padded, masked batches of recordings and of windows of long ones."""

    def __init__(self, config: "CtcConfig", model: CtcModel) -> None:
        self.device = pick_device(config.device)
        self._dtype = _DTYPES[config.precision]
        pack_linears(model.module.to(self.device, self._dtype))
        self._model = model
        self.traits = model.traits
        hop = self.traits.hop_samples
        self._window_frames = int(config.window_s * SAMPLE_RATE_HZ) // hop
        self._overlap_frames = int(config.overlap_s * SAMPLE_RATE_HZ) // hop
        self._batch_frames = int(config.batch_s * SAMPLE_RATE_HZ) // hop

    def frames(self, num_samples: int) -> int:
        """Frames of a recording."""
        return max(0, (num_samples - self.traits.field_samples) // self.traits.hop_samples + 1)

    @torch.inference_mode()
    def log_probs(self, waveforms: Sequence[Waveform]) -> list[Tensor]:
        """float32, shape ``(frames(num_samples), V)`` each, on the model's device.

        A window's emissions are used up to the middle of its overlap with the next.
        """
        hop, field = self.traits.hop_samples, self.traits.field_samples
        pieces: list[tuple[int, slice, Waveform]] = []
        for owner, waveform in enumerate(waveforms):
            samples = self._normalised(waveform)
            total = self.frames(len(samples))
            for window in windows(total, size=self._window_frames, overlap=self._overlap_frames):
                kept = slice(window.keep_start - window.start, window.keep_end - window.start)
                # the last one takes what is left over too: a norm over time sees it
                end = len(samples) if window.end == total else (window.end - 1) * hop + field
                pieces.append((owner, kept, samples[window.start * hop : end]))
        lengths = [self.frames(len(piece)) for _, _, piece in pieces]
        found: list[Tensor] = [torch.empty(0)] * len(pieces)
        for bucket in length_buckets(lengths, max_frames=self._batch_frames):
            batch = self._run([pieces[i][2] for i in bucket], [lengths[i] for i in bucket])
            for i, log_probs_TV in zip(bucket, batch, strict=True):
                found[i] = log_probs_TV[pieces[i][1]].clone()
        parts: list[list[Tensor]] = [[] for _ in waveforms]
        for (owner, _, _), log_probs_TV in zip(pieces, found, strict=True):
            parts[owner].append(log_probs_TV)
        empty = torch.empty(0, self.traits.size, device=self.device)
        return [torch.cat(part) if part else empty for part in parts]

    def _normalised(self, waveform: Waveform) -> Waveform:
        if self.traits.normalise_epsilon is None or not len(waveform):
            return waveform
        scaled: Waveform = (waveform - waveform.mean()) / np.sqrt(waveform.var() + self.traits.normalise_epsilon)
        return scaled

    def _run(self, pieces: Sequence[Waveform], lengths: Sequence[int]) -> Tensor:
        audio = [torch.from_numpy(np.ascontiguousarray(piece)).to(self.device, self._dtype) for piece in pieces]
        if self.traits.pad_safe:
            features_BTC = self._model.features(pad_sequence(audio, batch_first=True))
        else:
            features_BTC = pad_sequence([self._model.features(one[None])[0] for one in audio], batch_first=True)
        features_BTC = features_BTC[:, : max(lengths)]
        logits_BTV = self._model.logits(features_BTC, torch.tensor(lengths, device=self.device))
        log_probs_BTV: Tensor = logits_BTV[..., : self.traits.size].float().log_softmax(-1)
        return log_probs_BTV
