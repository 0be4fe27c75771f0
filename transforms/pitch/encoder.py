"""Encodes recordings to pitch codes and codes back to F0."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from schemas.records import TokenIds, Waveform
from transforms.devices import Device, pick_device
from transforms.pitch.contour import F0Contour, normalised
from transforms.pitch.fcpe_f0 import FcpeF0
from transforms.pitch.weights import read_vqvae


class FcpePitchEncoder:
    """Recordings are run one by one, so they cannot see their batch mates."""

    def __init__(self, vqvae: Path, *, threshold: float, device: Device) -> None:
        self._device = pick_device(device)
        self._vqvae = read_vqvae(vqvae).to(self._device)
        self._f0 = FcpeF0(device=self._device, threshold=threshold)

    def contour(self, waveform: Waveform) -> F0Contour:
        """F0 at 200 Hz, ``16 * ceil(num_samples / 1280)`` frames."""
        return self._f0.contour(waveform)

    def encode(self, waveforms: Sequence[Waveform]) -> list[TokenIds]:
        return [self.encode_contour(self.contour(waveform)) for waveform in waveforms]

    @torch.inference_mode()
    def encode_contour(self, contour: F0Contour) -> TokenIds:
        """Codes of a contour whose length is a multiple of 16; shape ``(frames / 16,)``."""
        if not len(contour.voiced):
            return np.empty(0, dtype=np.int32)
        codes_BT = self._vqvae.encode(torch.from_numpy(normalised(contour))[None].to(self._device))
        return np.asarray(codes_BT[0].cpu().numpy(), dtype=np.int32)

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
