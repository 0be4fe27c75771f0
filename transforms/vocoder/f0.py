"""F0 of recordings, for fitting the vocoder and for judging it."""

from contextlib import redirect_stdout
from io import StringIO

import numpy as np
import numpy.typing as npt

from schemas.records import SAMPLE_RATE_HZ, Waveform

_HOP_SAMPLES = 160
_THRESHOLD = 0.006


class F0Estimator:
    """FCPE (Luo et al., 2025) with its bundled weights. Loads torch."""

    def __init__(self) -> None:
        with redirect_stdout(StringIO()):
            from torchfcpe import spawn_bundled_infer_model

            self._model = spawn_bundled_infer_model(device="cpu")

    def estimate(self, waveform: Waveform) -> npt.NDArray[np.float32]:
        """Hz at 100 frames a second, 0 where unvoiced, shape ``(num_samples // 160,)``.

        Frame ``i`` is centred on sample ``160 * i + 80``.
        """
        import torch

        frames = len(waveform) // _HOP_SAMPLES
        with torch.inference_mode():
            f0 = self._model.infer(
                torch.from_numpy(waveform)[None, :, None],
                sr=SAMPLE_RATE_HZ,
                decoder_mode="local_argmax",
                threshold=_THRESHOLD,
            )
        f0_T = f0[0, :, 0].numpy()
        # FCPE centres its frame i on sample 160 * i: take the mean of two neighbours.
        following = np.append(f0_T[1:], f0_T[-1])
        middle = np.where((f0_T > 0) & (following > 0), (f0_T + following) / 2, np.maximum(f0_T, following))
        return np.asarray(middle[:frames], dtype=np.float32)
