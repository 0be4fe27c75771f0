"""Accuracy and speed of the default aligner beside what it is made of.

    python -m benchmarks.alignment TIMIT_DEV_FOLDER [--ctc MODEL]
    python -m benchmarks.alignment TIMIT_DEV_FOLDER --calibrate [--nets FILE]

TIMIT_DEV_FOLDER holds a folder a speaker with ``.wav`` and hand-labelled ``.wrd`` files. No net was fitted on it. The
scalars of ``FusedConfig`` and ``PocketsphinxConfig`` were calibrated on all of it. What a new speaker may expect is the
row "leaving one speaker out": each speaker's words with the scalars that the other speakers give. ``--calibrate``
prints the scalars and that row alone. The gate has a benchmark of its own (``benchmarks/gate.py``).

MODEL is a folder of ``benchmarks.train_ctc --labels spikes``: a small model of synthetic voices. Its emissions go to
the ``ctc`` backend, to torchaudio's ``forced_align`` and to whisperx. It compares these three, not CTC with the rest:
the large models that each is made for are a download.
"""

import argparse
import json
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import torchaudio

from benchmarks.alignment_calibration import calibrated, leave_one_speaker_out, onsets
from benchmarks.ctc import whisperx_align
from benchmarks.record import save
from benchmarks.synthetic_speech import Spoken
from benchmarks.timit import Labelled, align, read_timit
from schemas.records import SAMPLE_RATE_HZ, AlignedWord, Span
from transforms.align.ctc import CtcConfig
from transforms.align.ctc_aligner import CtcAligner
from transforms.align.fused import DISAGREEMENT, FusedConfig
from transforms.align.pocketsphinx import PocketsphinxConfig
from transforms.align.protocol import Aligner, Alignment
from transforms.assets import BUNDLED

MAX_DISAGREEMENT_MS = 200.0
"""An utterance in which the two aligners are further apart than this is counted as rejected."""
NO_SHIFTS = {
    "boundary_shift_samples": 0,
    "onset_after_pause_shift_samples": 0,
    "offset_before_pause_shift_samples": 0,
}
PUBLISHED = {
    "a study's best (pocketsphinx and a small net averaged), same data": "16.7 / 10.2 / 93.5 %",
    "MFA on other hand-labelled English, mean onset error as published": "18 to 21 ms; below 15 ms claimed",
}


LEFT_OUT = "fused, leaving one speaker out"

Spans = list[tuple[int, int]]
Place = Callable[[Labelled], Spans | None]


class StockPocketsphinx:
    """What ``pocketsphinx`` does by itself: its own beams, penalties, dictionary and word times."""

    def __init__(self) -> None:
        from pocketsphinx import Decoder

        self._decoder = Decoder(lm=None, samprate=SAMPLE_RATE_HZ, loglevel="FATAL")

    def __call__(self, utterance: Labelled) -> Spans | None:
        decoder = self._decoder
        decoder.set_align_text(" ".join(utterance.words))
        decoder.start_utt()
        decoder.process_raw((utterance.waveform * 32767).astype("<i2").tobytes(), full_utt=True)
        decoder.end_utt()
        if decoder.hyp() is None:
            return None
        spans = [
            (item.start_frame * 160, item.end_frame * 160 + 160) for item in decoder.seg() if item.word[0] not in "<[("
        ]
        return spans if len(spans) == len(utterance.words) else None


def places(alignments: Sequence[Alignment | None]) -> list[Spans | None]:
    def spans(words: Sequence[AlignedWord]) -> Spans:
        return [(word.start_sample, word.end_sample) for word in words]

    return [None if found is None else spans(found.words) for found in alignments]


def errors(utterances: Sequence[Labelled], found: Sequence[Spans | None]) -> dict[str, float]:
    """Absolute onset errors over the words of aligned utterances, and the mean error of ends."""
    pairs = [
        (span, label)
        for utterance, spans in zip(utterances, found, strict=True)
        if spans is not None
        for span, label in zip(spans, utterance.spans, strict=True)
    ]
    onset_ms = np.array([abs(span[0] - label[0]) / 16 for span, label in pairs])
    end_ms = np.array([abs(span[1] - label[1]) / 16 for span, label in pairs])
    return {
        "aligned": round(sum(spans is not None for spans in found) / len(utterances), 4),
        "words": len(pairs),
        "mean_ms": round(float(onset_ms.mean()), 2),
        "median_ms": round(float(np.median(onset_ms)), 2),
        "within_20_ms": round(float(np.mean(onset_ms <= 20)), 4),
        "within_50_ms": round(float(np.mean(onset_ms <= 50)), 4),
        "worst_ms": round(float(onset_ms.max()), 1),
        "mean_end_ms": round(float(end_ms.mean()), 2),
    }


def by_speakers(utterances: Sequence[Labelled], found: Sequence[Spans | None]) -> dict[str, dict[str, float]]:
    """Errors of all and of each speaker who has an utterance aligned."""
    parts = {"all speakers": errors(utterances, found)}
    for speaker in sorted({utterance.speaker for utterance in utterances}):
        pairs = [pair for pair in zip(utterances, found, strict=True) if pair[0].speaker == speaker]
        if any(spans is not None for _, spans in pairs):
            parts[speaker] = errors(*map(list, zip(*pairs, strict=True)))
    return parts


def accepted(alignments: Sequence[Alignment | None]) -> list[Alignment | None]:
    """Without those whose two aligners are too far apart."""
    return [found if found and found.scores[DISAGREEMENT] <= MAX_DISAGREEMENT_MS else None for found in alignments]


def forced_align_places(aligner: CtcAligner, vocabulary: dict[str, int], utterances: Sequence[Labelled]) -> list[Spans]:
    """Words from their first letter's first frame to their last letter's last, as torchaudio's tutorial has it."""
    found = []
    emissions = aligner.emissions([utterance.waveform for utterance in utterances])
    for log_probs_TV, utterance in zip(emissions, utterances, strict=True):
        text = "|".join(utterance.words).upper()
        tokens = [vocabulary[char] for char in text]
        path, scores = torchaudio.functional.forced_align(log_probs_TV[None], torch.tensor([tokens]))
        letters = torchaudio.functional.merge_tokens(path[0], scores[0])
        edges = [place for place, char in enumerate(text) if char == "|"]
        words = zip([0, *(edge + 1 for edge in edges)], [*edges, len(text)], strict=True)
        hop = len(utterance.waveform) / len(log_probs_TV)
        found.append([(round(letters[first].start * hop), round(letters[last - 1].end * hop)) for first, last in words])
    return found


def ctc_peers(folder: Path, utterances: Sequence[Labelled]) -> dict[str, list[Spans | None]]:
    """Where three aligners see the words in the same model's emissions; None where a word was not placed."""
    aligner = CtcConfig(model=str(folder), device="cpu").load()
    vocabulary = json.loads((folder / "vocab.json").read_text())
    spoken = [
        Spoken(item.name, item.waveform, item.words, tuple(Span(*span) for span in item.spans)) for item in utterances
    ]
    peer = whisperx_align(folder, spoken)
    return {
        "small ctc model, plait": places([align(aligner, item) for item in utterances]),
        "small ctc model, torchaudio forced_align": [*forced_align_places(aligner, vocabulary, utterances)],
        "small ctc model, whisperx": [
            [word for word in words if word is not None] if None not in words else None for words in peer
        ],
    }


def disagreements(utterances: Sequence[Labelled], alignments: Sequence[Alignment | None]) -> dict[str, object]:
    """How far apart the two aligners are at worst, for right transcripts and for those of the next utterance."""
    right = [found.scores[DISAGREEMENT] for found in alignments if found is not None]
    return {
        "largest_ms": round(max(right), 1),
        "median_ms": round(float(np.median(right)), 1),
        "rejected_above_ms": MAX_DISAGREEMENT_MS,
        "rejected": [
            f"{utterance.speaker}/{utterance.name}"
            for utterance, found in zip(utterances, alignments, strict=True)
            if found is None or found.scores[DISAGREEMENT] > MAX_DISAGREEMENT_MS
        ],
    }


def speed(aligner: Aligner, utterances: Sequence[Labelled]) -> float:
    """Seconds of audio aligned in a second of CPU time."""
    started = time.process_time()
    for utterance in utterances:
        align(aligner, utterance)
    audio_s = sum(len(utterance.waveform) for utterance in utterances) / SAMPLE_RATE_HZ
    return round(audio_s / (time.process_time() - started), 1)


def table(errors_by: dict[str, dict[str, dict[str, float]]]) -> str:
    """Mean / median / share within 50 ms and the worst error by method; the speaker with the largest mean."""

    def cell(part: dict[str, float]) -> str:
        return f"{part['mean_ms']:.1f} / {part['median_ms']:.1f} / {100 * part['within_50_ms']:.1f} %"

    lines = ["| method | aligned | all speakers | hardest speaker | worst word |", "|---|---|---|---|---|"]
    for method, parts in errors_by.items():
        whole = parts["all speakers"]
        hardest = max(
            (part for name, part in parts.items() if name != "all speakers"), key=lambda part: part["mean_ms"]
        )
        row = [method, f"{100 * whole['aligned']:.0f} %", cell(whole), cell(hardest), f"{whole['worst_ms']:.0f} ms"]
        lines.append(f"| {' | '.join(row)} |")
    lines += [f"| {method} | | {figure} | | |" for method, figure in PUBLISHED.items()]
    return "\n".join(lines)


def calibrate(config: FusedConfig, utterances: Sequence[Labelled]) -> None:
    """Print the scalars of all speakers and the errors of leaving each one out."""
    words = onsets(config.load(), utterances)
    best = calibrated(words, config)
    print(json.dumps(best.model_dump(include={"coarse_weight", "onset_shift_samples"})))
    found = accepted(leave_one_speaker_out(config, words, utterances))
    print(table({LEFT_OUT: by_speakers(utterances, places(found))}))


def main() -> None:
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("timit", type=Path)
    parser.add_argument("--ctc", type=Path, help="a model of benchmarks.train_ctc")
    parser.add_argument("--calibrate", action="store_true", help="print the scalars for the nets")
    parser.add_argument("--nets", default=BUNDLED, help="a file of plait fit aligner")
    arguments = parser.parse_args()
    timit = read_timit(arguments.timit)
    if not timit:
        parser.error(f"no .wrd files in {arguments.timit}/*/")
    config = FusedConfig(nets=arguments.nets)
    if arguments.calibrate:
        calibrate(config, timit)
        return
    stock = StockPocketsphinx()
    coarse, fused = PocketsphinxConfig().load(), config.load()
    found = [align(fused, item) for item in timit]
    left_out = leave_one_speaker_out(config, onsets(fused, timit), timit)
    others: dict[str, Aligner] = {
        "pocketsphinx, our settings": PocketsphinxConfig(**NO_SHIFTS).load(),
        "pocketsphinx, our settings and shifts": coarse,
        "the phone net alone": config.model_copy(update={"coarse_weight": 0.0}).load(),
    }
    found_by: dict[str, list[Spans | None]] = {
        "pocketsphinx as it comes": [stock(item) for item in timit],
        **{name: places([align(aligner, item) for item in timit]) for name, aligner in others.items()},
        "fused (default), calibrated on these speakers": places(accepted(found)),
        LEFT_OUT: places(accepted(left_out)),
        **(ctc_peers(arguments.ctc, timit) if arguments.ctc else {}),
    }
    errors_by = {name: by_speakers(timit, spans) for name, spans in found_by.items()}
    print(table(errors_by))
    report: dict[str, object] = {
        "fingerprint": config.fingerprint,
        "timit_dev_onsets": errors_by,
        "published": PUBLISHED,
        "disagreement": disagreements(timit, found),
        "x_real_time_one_core": {"pocketsphinx": speed(coarse, timit), "fused": speed(fused, timit)},
    }
    print(save("alignment", report).read_text())


if __name__ == "__main__":
    main()
