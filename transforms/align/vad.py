"""Voice activity detection with Silero VAD (MIT), from the sequence model that its wheel carries.

The model is run by onnxruntime straight from the package's file: importing ``silero_vad`` would pull in torch. A frame
is 32 ms; the LSTM state is carried from block to block, so a long recording costs the memory of one block::

    samples   |  512  |  512  |  512  | ...        one probability each
    input   [64][ 512 ]                            every frame is preceded by the 64 samples before it
"""

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.errors import UserError
from schemas.records import Span, Waveform
from transforms.digests import cached_digest

FRAME_SAMPLES = 512
SPEECH_PROBABILITY = 0.5

Probabilities = npt.NDArray[np.float32]  # (ceil(num_samples / 512),)

_CONTEXT_SAMPLES = 64
_BLOCK_FRAMES = 512
_STATE_SHAPE = (1, 1, 128)


@dataclass(frozen=True, slots=True)
class SileroVad:
    """Speech probabilities of 32 ms frames; deterministic on a machine, one thread."""

    session: Any

    def probabilities(self, waveform: Waveform) -> Probabilities:
        """One probability a frame of 512 samples, the last one padded; shape ``(ceil(num_samples / 512),)``."""
        frames = -(-len(waveform) // FRAME_SAMPLES)
        hidden = cell = np.zeros(_STATE_SHAPE, np.float32)
        context_C = np.zeros(_CONTEXT_SAMPLES, np.float32)
        found = [np.zeros(0, np.float32)]
        for first in range(0, frames, _BLOCK_FRAMES):
            samples = waveform[first * FRAME_SAMPLES : (first + _BLOCK_FRAMES) * FRAME_SAMPLES]
            block_BS = np.zeros((min(_BLOCK_FRAMES, frames - first), FRAME_SAMPLES), np.float32)
            block_BS.reshape(-1)[: len(samples)] = samples
            before_BC = np.vstack([context_C[None], block_BS[:-1, -_CONTEXT_SAMPLES:]])
            context_C = block_BS[-1, -_CONTEXT_SAMPLES:]
            inputs = {"input": np.hstack([before_BC, block_BS]), "h": hidden, "c": cell}
            block_B, hidden, cell = self.session.run(None, inputs)
            found.append(block_B)
        return np.concatenate(found)


def load_vad() -> SileroVad:
    """Open the model.

    Raises:
        UserError: The package is missing.
    """
    # read when it is imported; without it the library leaves a session file behind and would call home
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(_model_path()), options, providers=["CPUExecutionProvider"])
    return SileroVad(session)


def vad_digest() -> str:
    """SHA-256 of the model's file."""
    return cached_digest(_model_path())


def pauses(probabilities: Probabilities, *, num_samples: int, min_samples: int) -> list[Span]:
    """Stretches without speech of at least ``min_samples``, in order, disjoint, inside the audio."""
    quiet = np.concatenate([[False], probabilities < SPEECH_PROBABILITY, [False]])
    edges = np.flatnonzero(quiet[1:] != quiet[:-1]) * FRAME_SAMPLES
    spans = [Span(int(a), min(int(b), num_samples)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    return [span for span in spans if len(span) >= min_samples]


def _model_path() -> Path:
    spec = importlib.util.find_spec("silero_vad")
    if spec is None or spec.origin is None:
        raise UserError("silero-vad is not installed; run `pip install silero-vad`")
    return Path(spec.origin).parent / "data" / "silero_vad_16k_sequence.onnx"
