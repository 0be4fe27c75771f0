"""Quality, speed and judgement of the default aligner.

    python -m benchmarks.alignment TIMIT_DEV_FOLDER

TIMIT_DEV_FOLDER holds a folder a speaker with ``.wav`` and hand-labelled ``.wrd`` files; no model was fitted on it,
the three shifts of ``PocketsphinxConfig`` and the gate's thresholds were calibrated on it. The gate is also tried on
the bundled prompts: as they are, and with transcripts swapped between utterances (of any length, and of nearly the
same length, which is harder).
"""

import argparse
import csv
import random
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.record import save
from schemas.errors import RecordError
from schemas.records import SAMPLE_RATE_HZ, SpokenWord, Waveform
from transforms.align.gate import GateConfig, judge
from transforms.align.pocketsphinx import PocketsphinxAligner, PocketsphinxConfig
from transforms.align.protocol import Aligner
from transforms.align.readings import align_text

ROOT = Path(__file__).parents[1]
PROMPTS = ROOT / "examples" / "asterisk-en"
NO_SHIFTS = {
    "boundary_shift_samples": 0,
    "onset_after_pause_shift_samples": 0,
    "offset_before_pause_shift_samples": 0,
}


@dataclass(frozen=True, slots=True)
class Labelled:
    """A recording and its text; ``spans`` are hand-labelled sample ranges of the words, where there are any."""

    name: str
    waveform: Waveform
    text: str
    spans: tuple[tuple[int, int], ...] = ()


def read_timit(folder: Path) -> list[Labelled]:
    found = []
    for labels in sorted(folder.glob("*/*.wrd")):
        rows = [line.split() for line in labels.read_text().splitlines() if line.strip()]
        waveform, _ = soundfile.read(labels.with_suffix(".wav"), dtype="float32")
        text = " ".join(row[2] for row in rows)
        spans = tuple((int(row[0]), int(row[1])) for row in rows)
        found.append(Labelled(f"{labels.parent.name}/{labels.stem}", waveform, text, spans))
    return found


def read_prompts() -> list[Labelled]:
    with (PROMPTS / "transcripts.tsv").open(encoding="utf-8") as table:
        rows = list(csv.DictReader(table, delimiter="\t"))
    return [
        Labelled(row["id"], soundfile.read(PROMPTS / row["audio"], dtype="float32")[0], row["text"]) for row in rows
    ]


class StockPocketsphinx:
    """What ``pocketsphinx`` does by itself: its own beams, penalties, dictionary and word times."""

    def __init__(self) -> None:
        from pocketsphinx import Decoder

        self._decoder = Decoder(lm=None, samprate=SAMPLE_RATE_HZ, loglevel="FATAL")

    def starts(self, utterance: Labelled) -> list[int] | None:
        words = utterance.text.split()
        decoder = self._decoder
        decoder.set_align_text(" ".join(words))
        decoder.start_utt()
        decoder.process_raw((utterance.waveform * 32767).astype("<i2").tobytes(), full_utt=True)
        decoder.end_utt()
        if decoder.hyp() is None:
            return None
        starts = [item.start_frame * 160 for item in decoder.seg() if item.word[0] not in "<[("]
        return starts if len(starts) == len(words) else None


def our_starts(aligner: Aligner, utterance: Labelled) -> list[int] | None:
    words = [SpokenWord(word, 0, 1) for word in utterance.text.split()]
    try:
        return [word.start_sample for word in aligner.align(utterance.waveform, words).words]
    except RecordError:
        return None


def onset_errors(utterances: Sequence[Labelled], found: Sequence[list[int] | None]) -> dict[str, float]:
    """Absolute onset errors over the words of aligned utterances."""
    errors_ms = np.array(
        [
            abs(start - span[0]) / 16
            for utterance, starts in zip(utterances, found, strict=True)
            if starts is not None
            for start, span in zip(starts, utterance.spans, strict=True)
        ]
    )
    return {
        "aligned_utterances": sum(starts is not None for starts in found) / len(utterances),
        "words": len(errors_ms),
        "mean_ms": round(float(errors_ms.mean()), 2),
        "median_ms": round(float(np.median(errors_ms)), 2),
        "within_20_ms": round(float(np.mean(errors_ms <= 20)), 4),
        "within_50_ms": round(float(np.mean(errors_ms <= 50)), 4),
        "worst_ms": round(float(errors_ms.max()), 1),
    }


def swapped(utterances: Sequence[Labelled], rng: random.Random, *, similar_length: bool) -> list[Labelled]:
    """Each recording with another one's transcript; both of at least two words, and the texts differ."""
    usable = [item for item in utterances if len(item.text.split()) >= 2]
    pairs = []
    for item in usable:
        others = [other for other in usable if _plain(other.text) != _plain(item.text)]
        if similar_length:
            others = sorted(others, key=lambda other: abs(len(other.text) - len(item.text)))[:12]
        pairs.append(Labelled(item.name, item.waveform, rng.choice(others).text))
    return pairs


def _plain(text: str) -> str:
    return "".join(char for char in text.lower() if char.isalnum())


def verdicts(aligner: Aligner, utterances: Sequence[Labelled], gate: GateConfig) -> dict[str, object]:
    """Share accepted and the causes of rejection."""
    causes: Counter[str] = Counter()
    names = []
    for item in utterances:
        try:
            alignment = align_text(aligner, item.waveform, item.text, "en")
            words = [SpokenWord(word.text, word.char_start, word.char_end) for word in alignment.words]
            judge(alignment, words, item.waveform, gate)
        except RecordError as error:
            causes[error.code] += 1
            names.append(item.name)
    total = len(utterances)
    return {
        "utterances": total,
        "accepted": total - sum(causes.values()),
        "rejected_ratio": round(sum(causes.values()) / total, 4),
        "rejected_by": dict(sorted(causes.items())),
        **({"rejected": sorted(names)} if len(names) <= 20 else {}),
    }


def speed(aligner: PocketsphinxAligner, utterances: Sequence[Labelled]) -> float:
    """Seconds of audio aligned in a second of CPU time, the choice of readings included."""
    audio_s = sum(len(item.waveform) for item in utterances) / SAMPLE_RATE_HZ
    started = time.process_time()
    for item in utterances:
        with suppress(RecordError):
            align_text(aligner, item.waveform, item.text, "en")
    return round(audio_s / (time.process_time() - started), 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("timit", type=Path)
    arguments = parser.parse_args()
    timit, prompts = read_timit(arguments.timit), read_prompts()
    if not timit:
        parser.error(f"no .wrd files in {arguments.timit}/*/")
    ours = PocketsphinxConfig().load()
    bare = PocketsphinxConfig(**NO_SHIFTS).load()
    stock = StockPocketsphinx()
    gate, rng = GateConfig(), random.Random(7)
    report = {
        "fingerprint": PocketsphinxConfig().fingerprint,
        "timit_dev_onsets": {
            "plait": onset_errors(timit, [our_starts(ours, item) for item in timit]),
            "plait without the three shifts": onset_errors(timit, [our_starts(bare, item) for item in timit]),
            "pocketsphinx as it comes": onset_errors(timit, [stock.starts(item) for item in timit]),
        },
        "x_real_time_one_core": {
            "timit_dev": speed(ours, timit),
            "prompts": speed(ours, prompts),
        },
        "gate": {
            "prompts": verdicts(ours, prompts, gate),
            "timit_dev": verdicts(ours, timit, gate),
            "prompts, transcripts swapped": verdicts(ours, swapped(prompts, rng, similar_length=False), gate),
            "prompts, swapped, similar length": verdicts(ours, swapped(prompts, rng, similar_length=True), gate),
            "timit_dev, transcripts swapped": verdicts(ours, swapped(timit, rng, similar_length=False), gate),
            "timit_dev, swapped, similar length": verdicts(ours, swapped(timit, rng, similar_length=True), gate),
        },
    }
    print(save("alignment", report).read_text())


if __name__ == "__main__":
    main()
