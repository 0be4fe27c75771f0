"""How well pitch codes keep F0: frame error of the decoded contour against FCPE's own.

    python -m benchmarks.pitch --also FOLDER_WITH_WAV_FILES [--limit 5]

On the held-out prompts of ``examples/asterisk-en`` and any other folders. FFE: share of frames with a wrong voicing
decision or F0 off by more than 20 % (Chu and Alwan 2009). Each utterance's own mean ln F0 is given to the decoder.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import soundfile
import soxr
import torch
import typer

from benchmarks.bundled import heldout_prompts
from benchmarks.record import save
from schemas.records import SAMPLE_RATE_HZ, Waveform
from transforms.pitch.contour import f0_frame_error, joined, voicing_error
from transforms.pitch.encoder import FcpePitchEncoder
from transforms.pitch.fcpe import FcpePitchConfig


def read(path: Path) -> Waveform:
    waveform, rate = soundfile.read(path, dtype="float32")
    return np.clip(soxr.resample(waveform, rate, SAMPLE_RATE_HZ), -1, 1).astype(np.float32)


def errors(encoder: FcpePitchEncoder, waveforms: Sequence[Waveform]) -> dict[str, float]:
    """Rates over all frames, and the root mean square error in cents where both contours are voiced."""
    started = time.perf_counter()
    contours = [encoder.contour(waveform) for waveform in waveforms]
    seconds = time.perf_counter() - started
    codes = [encoder.encode_contour(contour) for contour in contours]
    decoded = [
        encoder.decode(ids, mean_log_f0=contour.mean_log_f0) for ids, contour in zip(codes, contours, strict=True)
    ]
    true, back = joined(contours), joined(decoded)
    both = true.voiced & back.voiced
    cents = 1200 * np.log2(back.f0_hz[both] / true.f0_hz[both])
    audio_s = sum(map(len, waveforms)) / SAMPLE_RATE_HZ
    return {
        "f0_frame_error": f0_frame_error(true, back),
        "voicing_error": voicing_error(true, back),
        "gross_error_share_of_voiced": float((np.abs(2 ** (cents / 1200) - 1) > 0.2).mean()),
        "rms_cents": float(np.sqrt((cents**2).mean())),
        "codes_used": float(len(np.unique(np.concatenate(codes)))),
        "fcpe_x_real_time_one_thread": audio_s / seconds,
    }


def main(
    also: Annotated[list[Path] | None, typer.Option(help="Folder of .wav files; may be repeated.")] = None,
    limit: Annotated[int | None, typer.Option(help="First N recordings of each, for a trial.")] = None,
) -> None:
    torch.set_num_threads(1)
    config = FcpePitchConfig(device="cpu")
    encoder = config.load()
    sets = {"heldout": [utterance.waveform for utterance in heldout_prompts()[:limit]]}
    sets |= {folder.name: [read(path) for path in sorted(folder.rglob("*.wav"))[:limit]] for folder in also or []}
    figures: dict[str, object] = {"fingerprint": config.fingerprint}
    for name, waveforms in sets.items():
        figures |= {f"{name}_{key}": value for key, value in errors(encoder, waveforms).items()}
    rounded = {key: round(value, 4) if isinstance(value, float) else value for key, value in figures.items()}
    print(save("pitch", rounded).read_text())


if __name__ == "__main__":
    typer.run(main)
