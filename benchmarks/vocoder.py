"""What of a recording survives its tokens, by the bundled encoders and the bundled voice.

    python -m benchmarks.vocoder [--samples docs/samples]

The 50 held-out prompts of ``examples/asterisk-en`` are encoded and resynthesised, with all streams (EXPRESSIVE) and
from units alone (BASE). Words are judged by Whisper tiny.en, melody by FCPE. With ``--samples`` the four of median
length among those of six words and more are written as wav: the original, EXPRESSIVE and BASE.

A last bit of the audio can turn a short prompt into another word, so that one transcription of 253 words moves by two
points with the number of threads. ``in_silence`` has each word error rate over eight transcriptions, with 0 to 70 ms
of silence before and behind: the figure to compare voices by.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
import torch

from benchmarks.bundled import heldout_prompts
from benchmarks.record import save
from pipelines.evaluate.asr import transcribe, word_error_rate
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
SILENCES_SAMPLES = range(0, 1280, 160)


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


def in_silence(
    utterances: Sequence[Utterance], encoders: Sequence[SpeechEncoderConfig], vocoder: Vocoder
) -> dict[str, dict[str, float]]:
    """Mean and standard deviation of the word error rate over ``SILENCES_SAMPLES`` on either side."""
    originals = [utterance.waveform for utterance in utterances]
    streams = encode_streams(originals, encoders)
    versions = {
        "original": originals,
        "expressive": [vocoder.synthesise(each) for each in streams],
        "base": [vocoder.synthesise([stream for stream in each if stream.kind == "units"]) for each in streams],
    }
    texts = [utterance.row.text for utterance in utterances]
    figures = {}
    for name, waveforms in versions.items():
        rates = [
            word_error_rate(texts, transcribe([np.pad(waveform, silence) for waveform in waveforms]))
            for silence in SILENCES_SAMPLES
        ]
        figures[name] = {
            "mean_wer": round(float(np.mean(rates)), 4),
            "standard_deviation": round(float(np.std(rates, ddof=1)), 4),
        }
    return figures


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
    figures = {**figures, "in_silence": in_silence(utterances, encoders, vocoder)}
    save("vocoder", {**figures, "threads": THREADS, "vocoder": config.fingerprint, "encoders": fingerprints})


if __name__ == "__main__":
    main()
