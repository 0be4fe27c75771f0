"""What of a recording survives its tokens, by the bundled encoders and the bundled voice.

    python -m benchmarks.vocoder

The 50 held-out prompts of ``examples/asterisk-en`` are encoded and resynthesised, with all streams (EXPRESSIVE) and
from units alone (BASE). Words are judged by Whisper tiny.en, melody by FCPE.
"""

import csv

import soundfile
import torch

from benchmarks.record import save
from pipelines.evaluate.resynthesis import evaluate_resynthesis
from schemas.records import SourceRow, Utterance
from transforms.assets import assets_dir
from transforms.pitch.fcpe import FcpePitchConfig
from transforms.style.prosody import ProsodyStyleConfig
from transforms.units.whisper import WhisperUnitsConfig
from transforms.vocoder.hifigan import HifiganConfig

CORPUS = assets_dir().parent / "examples" / "asterisk-en"
THREADS = 1


def held_out() -> list[Utterance]:
    names = set((CORPUS / "heldout.txt").read_text(encoding="utf-8").split())
    with (CORPUS / "transcripts.tsv").open(encoding="utf-8") as lines:
        rows = [row for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE) if row["id"] in names]
    return [
        Utterance(
            SourceRow(row["id"], row["audio"], row["text"], speaker=row["speaker"]),
            soundfile.read(CORPUS / row["audio"], dtype="float32")[0],
            audio_sha256="",
        )
        for row in rows
    ]


def main() -> None:
    torch.set_num_threads(THREADS)
    encoders = (WhisperUnitsConfig(), FcpePitchConfig(), ProsodyStyleConfig())
    config = HifiganConfig()
    figures = evaluate_resynthesis(held_out(), encoders, config.load(), sample=None)
    fingerprints = {encoder.stream_kind: encoder.fingerprint for encoder in encoders}
    save("vocoder", {**figures, "threads": THREADS, "vocoder": config.fingerprint, "encoders": fingerprints})


if __name__ == "__main__":
    main()
