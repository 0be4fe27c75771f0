"""F0 by FCPE with the weights that ``torchfcpe`` carries (Luo et al. 2025, arXiv 2509.15140)."""

import contextlib
import io

import numpy as np
import torch
from torch.nn import functional

from schemas.records import SAMPLE_RATE_HZ, Waveform
from transforms.pitch.contour import F0Contour, to_200_hz
from transforms.windows import windows

CODE_SAMPLES = 1280
_FRAME_SAMPLES = 160
_WINDOW_FRAMES = 6000  # 60 s: bounds the memory of a long recording
_OVERLAP_FRAMES = 400


class FcpeF0:
    """Runs one recording at a time: FCPE normalises over its whole input, so batch mates would matter."""

    def __init__(self, *, device: torch.device, threshold: float) -> None:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints when it is imported and when it loads
            from torchfcpe import spawn_bundled_infer_model

            self._model = spawn_bundled_infer_model(device=str(device))
        self._device = device
        self._threshold = threshold

    @torch.inference_mode()
    def contour(self, waveform: Waveform) -> F0Contour:
        """F0 at 200 Hz, ``16 * ceil(num_samples / 1280)`` frames."""
        codes = -(-len(waveform) // CODE_SAMPLES)
        frames = codes * CODE_SAMPLES // _FRAME_SAMPLES
        samples = torch.from_numpy(waveform).to(self._device)
        samples = functional.pad(samples.clamp(-1, 1), (0, codes * CODE_SAMPLES - len(waveform)))
        f0 = np.zeros(frames + 1, dtype=np.float32)
        for window in windows(frames, size=_WINDOW_FRAMES, overlap=_OVERLAP_FRAMES):
            cut = samples[window.start * _FRAME_SAMPLES : window.end * _FRAME_SAMPLES]
            out = self._model(cut[None, :, None], SAMPLE_RATE_HZ, "local_argmax", self._threshold)
            kept = out[0, window.keep_start - window.start : window.keep_end - window.start + 1, 0]
            f0[window.keep_start : window.keep_end + 1] = kept.cpu().numpy()
        return to_200_hz(f0)
