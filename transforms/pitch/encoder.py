"""Encodes recordings to pitch codes and codes back to F0."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from schemas.records import TokenIds, Waveform
from transforms.devices import Device, exact_inference, pick_device
from transforms.pitch.contour import F0Contour, normalised
from transforms.pitch.fcpe_f0 import FcpeF0
from transforms.pitch.shape import FRAMES_PER_CODE
from transforms.pitch.weights import read_vqvae
from transforms.units.batching import length_buckets
from transforms.units.transfer import integers_on


class FcpePitchEncoder:
    """Recordings run in padded batches under masks; F0 is normalised over the recording, never over a window."""

    def __init__(self, vqvae: Path, *, threshold: float, device: Device) -> None:
        self._device = pick_device(device)
        self._vqvae = read_vqvae(vqvae).to(self._device)
        self._f0 = FcpeF0(device=self._device, threshold=threshold)

    def contour(self, waveform: Waveform) -> F0Contour:
        """F0 at 200 Hz, ``16 * ceil(num_samples / 1280)`` frames."""
        return self._f0.contour(waveform)

    def encode(self, waveforms: Sequence[Waveform]) -> list[TokenIds]:
        return self.encode_contours(self._f0.contours(waveforms))

    def encode_contour(self, contour: F0Contour) -> TokenIds:
        """Codes of a contour whose length is a multiple of 16; shape ``(frames / 16,)``."""
        return self.encode_contours([contour])[0]

    @exact_inference()
    def encode_contours(self, contours: Sequence[F0Contour]) -> list[TokenIds]:
        """The same of several."""
        ids = [np.empty(0, dtype=np.int32)] * len(contours)
        lengths = [len(contour.voiced) // FRAMES_PER_CODE for contour in contours]
        for batch in length_buckets(lengths):
            examples_F2 = [torch.from_numpy(normalised(contours[i])).T for i in batch]
            contour_B2F = pad_sequence(examples_F2, batch_first=True).transpose(1, 2).to(self._device)
            codes_B = integers_on([lengths[i] for i in batch], self._device)
            for i, codes_T in zip(batch, self._vqvae.encode(contour_B2F, codes_B).cpu().numpy(), strict=True):
                ids[i] = codes_T[: lengths[i]].astype(np.int32)
        return ids

    @torch.inference_mode()
    def decode(self, ids: TokenIds, *, mean_log_f0: float) -> F0Contour:
        """The contour that the codes stand for, 16 frames a code.

        Args:
            ids: Shape ``(codes,)``.
            mean_log_f0: Mean ln F0 of the speaker or utterance, which the codes leave out.
        """
        if not len(ids):
            return F0Contour(np.empty(0, dtype=np.float32), np.empty(0, dtype=np.bool_))
        codes_BT = torch.from_numpy(ids.astype(np.int64))[None].to(self._device)
        log_f0, logit = self._vqvae.decode(codes_BT)[0].cpu().numpy()
        voiced = logit > 0
        return F0Contour(np.where(voiced, np.exp(log_f0 + mean_log_f0), 0.0).astype(np.float32), voiced)
