"""Whether batch mates change tokens: a batch of N against a batch of 1, on real speech of mixed lengths.

    python -m benchmarks.batching [--limit 100] [--batch 16]

Per encoder the share of equal tokens in fp32; for the units also in bf16 and fp16 (``auto`` on a GPU is fp16), and how
many tokens of the narrower format are fp32's.
HuBERT has the base architecture with random weights and a k-means on its own features: the arithmetic is that of the
real model, the distances between centroids and features are those of no language.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.record import save
from benchmarks.speech_models import fitted, random_hubert
from pipelines.config import load_run
from pipelines.ingest.usable import usable_rows
from schemas.records import SAMPLE_RATE_HZ, TokenIds, Waveform
from transforms.audio_reader import decode
from transforms.encoder import SpeechEncoder
from transforms.pitch.fcpe import FcpePitchConfig
from transforms.style.prosody import ProsodyStyleConfig
from transforms.units.whisper import WhisperUnitsConfig

JOB = "jobs/demo/corpus.yaml"


def bundled_speech(limit: int, *, longest_s: float = 100.0) -> list[Waveform]:
    """Recordings of the bundled corpus, evenly chosen by id among those that are not too long."""
    rows = [row for source in load_run(JOB).sources for row in usable_rows(source, print)]
    waveforms = [decode(row)[0] for row in rows]
    chosen = [waveform for waveform in waveforms if len(waveform) <= longest_s * SAMPLE_RATE_HZ]
    return chosen[:: max(1, len(chosen) // limit)][:limit]


def in_batches(encoder: SpeechEncoder, waveforms: Sequence[Waveform], size: int) -> list[TokenIds]:
    return [ids for at in range(0, len(waveforms), size) for ids in encoder.encode(waveforms[at : at + size])]


def equal_share(first: Sequence[TokenIds], second: Sequence[TokenIds]) -> float:
    return float((np.concatenate(list(first)) == np.concatenate(list(second))).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=int, default=100, help="recordings")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--hubert-limit", type=int, default=40, help="recordings for HuBERT")
    args = parser.parse_args()

    torch.set_num_threads(1)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    waveforms = bundled_speech(args.limit)
    few = waveforms[:: max(1, len(waveforms) // args.hubert_limit)][: args.hubert_limit]
    with tempfile.TemporaryDirectory() as folder:
        model = random_hubert(Path(folder) / "hubert")
        exact = {"device": device, "precision": "fp32"}
        encoders = {
            "units_whisper": (WhisperUnitsConfig(**exact), waveforms),
            "units_hubert_base_layer_6": (fitted(model, 6, few, **exact), few),
            "pitch_fcpe": (FcpePitchConfig(device=device), waveforms),
            "style_prosody": (ProsodyStyleConfig(), waveforms),
        }
        figures: dict[str, object] = {}
        for name, (config, speech) in encoders.items():
            encoder = config.load()
            alone = in_batches(encoder, speech, 1)
            figures[name] = {
                "recordings": len(speech),
                "seconds": round(sum(map(len, speech)) / SAMPLE_RATE_HZ, 1),
                "tokens": sum(map(len, alone)),
                "equal_share": round(equal_share(alone, in_batches(encoder, speech, args.batch)), 6),
            }
            print(name, figures[name], flush=True)
            for precision in ("bf16", "fp16") if name.startswith("units") else ():
                narrow = config.model_copy(update={"precision": precision}).load()
                narrow_alone, together = in_batches(narrow, speech, 1), in_batches(narrow, speech, args.batch)
                figures[f"{name}_{precision}"] = {
                    "equal_share": round(equal_share(narrow_alone, together), 6),
                    "equal_share_against_fp32": round(equal_share(alone, together), 6),
                }
                print(name, precision, figures[f"{name}_{precision}"], flush=True)
    print(save("batching", {"batch": args.batch, "device": device, **figures}))


if __name__ == "__main__":
    main()
