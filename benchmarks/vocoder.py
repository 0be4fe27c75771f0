"""What of a recording survives its tokens, by the bundled encoders and the bundled voice.

    python -m benchmarks.vocoder [--samples docs/samples]

The 50 held-out prompts of ``examples/asterisk-en`` are encoded and resynthesised, with all streams (EXPRESSIVE) and
from units alone (BASE). Words are judged by Whisper tiny.en, melody by FCPE. With ``--samples`` the four of median
length among those of six words and more are written as wav: the original, EXPRESSIVE and BASE.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import soundfile
import torch

from benchmarks.bundled import heldout_prompts
from benchmarks.record import save
from pipelines.evaluate.resynthesis import encode_streams, evaluate_resynthesis
from schemas.records import SAMPLE_RATE_HZ, Utterance
from transforms.encoder import SpeechEncoderConfig
from transforms.pitch.fcpe import FcpePitchConfig
from transforms.style.prosody import ProsodyStyleConfig
from transforms.units.whisper import WhisperUnitsConfig
from transforms.vocoder.hifigan import HifiganConfig
from transforms.vocoder.protocol import Vocoder

THREADS = 1
SAMPLES = 4


def write_samples(
    utterances: Sequence[Utterance], encoders: Sequence[SpeechEncoderConfig], vocoder: Vocoder, folder: Path
) -> None:
    spoken = sorted((u for u in utterances if len(u.row.text.split()) >= 6), key=lambda u: (u.num_samples, u.row))
    chosen = spoken[len(spoken) // 2 - SAMPLES // 2 :][:SAMPLES]
    folder.mkdir(parents=True, exist_ok=True)
    streams = encode_streams([utterance.waveform for utterance in chosen], encoders)
    for utterance, each in zip(chosen, streams, strict=True):
        units = [stream for stream in each if stream.kind == "units"]
        versions = {
            "original": utterance.waveform,
            "expressive": vocoder.synthesise(each),
            "base": vocoder.synthesise(units),
        }
        for name, waveform in versions.items():
            path = folder / f"{utterance.row.utterance_id}.{name}.wav"
            soundfile.write(path, waveform, SAMPLE_RATE_HZ, subtype="PCM_16")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=Path, help="folder to write a few original and resynthesised wavs to")
    args = parser.parse_args()

    torch.set_num_threads(THREADS)
    utterances = heldout_prompts()
    encoders = (WhisperUnitsConfig(), FcpePitchConfig(), ProsodyStyleConfig())
    config = HifiganConfig()
    vocoder = config.load()
    if args.samples:
        write_samples(utterances, encoders, vocoder, args.samples)
    figures = evaluate_resynthesis(utterances, encoders, vocoder, sample=None)
    fingerprints = {encoder.stream_kind: encoder.fingerprint for encoder in encoders}
    save("vocoder", {**figures, "threads": THREADS, "vocoder": config.fingerprint, "encoders": fingerprints})


if __name__ == "__main__":
    main()
