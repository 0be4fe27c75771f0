"""What of a recording survives its tokens, by the bundled encoders and the bundled voice.

    python -m benchmarks.vocoder [--samples docs/samples]

The 50 held-out prompts of ``examples/asterisk-en`` are encoded and resynthesised, with all streams (EXPRESSIVE) and
from units alone (BASE). Words are judged by Whisper tiny.en, melody by FCPE. With ``--samples`` the four of median
length among those of six words and more are written as wav: the original, EXPRESSIVE and BASE.

A last bit of the audio can turn a short prompt into another word, so that one transcription of 253 words moves by two
points with the number of threads. ``in_silence`` has each word error rate over eight transcriptions, with 0 to 70 ms
of silence before and behind: the figure to compare voices by. Whisper judges, and the units are of its making:
``by_pocketsphinx`` has another recogniser's word error rate, with its own language model, and the log-likelihood a
frame that its acoustic model gives the true text.
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
from schemas.records import SAMPLE_RATE_HZ, Utterance, Waveform
from transforms.align.pocketsphinx import PocketsphinxConfig
from transforms.align.protocol import LOG_LIKELIHOOD
from transforms.encoder import SpeechEncoderConfig
from transforms.pitch.fcpe import FcpePitchConfig
from transforms.style.prosody import ProsodyStyleConfig
from transforms.text.verbalise import verbalise
from transforms.units.whisper import WhisperUnitsConfig
from transforms.vocoder.hifigan import HifiganConfig
from transforms.vocoder.protocol import Vocoder

THREADS = 1
SAMPLES = 4
SILENCES_SAMPLES = range(0, 1280, 160)


def spoken_versions(
    utterances: Sequence[Utterance], encoders: Sequence[SpeechEncoderConfig], vocoder: Vocoder
) -> dict[str, list[Waveform]]:
    originals = [utterance.waveform for utterance in utterances]
    streams = encode_streams(originals, encoders)
    return {
        "original": originals,
        "expressive": [vocoder.synthesise(each) for each in streams],
        "base": [vocoder.synthesise([stream for stream in each if stream.kind == "units"]) for each in streams],
    }


def write_samples(
    utterances: Sequence[Utterance], encoders: Sequence[SpeechEncoderConfig], vocoder: Vocoder, folder: Path
) -> None:
    spoken = sorted((u for u in utterances if len(u.row.text.split()) >= 6), key=lambda u: (u.num_samples, u.row))
    chosen = spoken[len(spoken) // 2 - SAMPLES // 2 :][:SAMPLES]
    folder.mkdir(parents=True, exist_ok=True)
    for name, waveforms in spoken_versions(chosen, encoders, vocoder).items():
        for utterance, waveform in zip(chosen, waveforms, strict=True):
            path = folder / f"{utterance.row.utterance_id}.{name}.wav"
            soundfile.write(path, waveform, SAMPLE_RATE_HZ, subtype="PCM_16")


def in_silence(texts: Sequence[str], versions: dict[str, list[Waveform]]) -> dict[str, dict[str, float]]:
    """Mean and standard deviation of the word error rate over ``SILENCES_SAMPLES`` on either side."""
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


def by_pocketsphinx(texts: Sequence[str], versions: dict[str, list[Waveform]]) -> dict[str, dict[str, float]]:
    """What a recogniser that is no relative of the units hears."""
    from pocketsphinx import Decoder

    decoder, aligner = Decoder(samprate=SAMPLE_RATE_HZ, loglevel="FATAL"), PocketsphinxConfig().load()
    silence = np.zeros(SAMPLE_RATE_HZ // 10, np.float32)

    def heard(waveform: Waveform) -> str:
        level = 0.7 / max(float(np.abs(waveform).max()), 1e-3)
        decoder.start_utt()
        samples = np.concatenate([silence, level * waveform, silence]) * 32767
        decoder.process_raw(samples.astype("<i2").tobytes(), full_utt=True)
        decoder.end_utt()
        hypothesis = decoder.hyp()
        return hypothesis.hypstr if hypothesis else ""

    figures = {}
    for name, waveforms in versions.items():
        fits = [
            aligner.align(waveform, verbalise(text, "en")).scores[LOG_LIKELIHOOD]
            for text, waveform in zip(texts, waveforms, strict=True)
        ]
        figures[name] = {
            "wer": round(word_error_rate(texts, [heard(waveform) for waveform in waveforms]), 4),
            "log_likelihood_of_the_text": round(float(np.average(fits, weights=list(map(len, waveforms)))), 4),
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
    texts, versions = [each.row.text for each in utterances], spoken_versions(utterances, encoders, vocoder)
    figures = {
        **figures,
        "in_silence": in_silence(texts, versions),
        "by_pocketsphinx": by_pocketsphinx(texts, versions),
    }
    save("vocoder", {**figures, "threads": THREADS, "vocoder": config.fingerprint, "encoders": fingerprints})


if __name__ == "__main__":
    main()
