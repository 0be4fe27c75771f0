"""What the gate lets through and what it rejects, on speech that it was not calibrated on.

    python -m benchmarks.gate --timit TIMIT_DEV --ljspeech LJSPEECH --foreign VOICE VOICE
    python -m benchmarks.gate --calibrate --foreign OTHER_VOICE OTHER_VOICE

``--calibrate`` fits the weights of the word's verdict on the bundled prompts less the held-out ones, as they are and
varied in speed, tone and noise, each corrupted in every way that ``benchmarks.corruptions`` knows, and writes
``transforms/align/gate_calibration.py``. Run it again when the default aligner changes. The report is on the held-out
prompts (the same speaker, other texts), ``timit-dev`` (8 other speakers) and LJ Speech (another speaker), and with
voices of other languages than those of the calibration: VOICE is a folder that ``examples/asterisk-en/build.py`` makes.
``cut and heard`` is what a sample is asked (``gate_cut``): here all that is accepted, and the same with words moved.
"""

import argparse
import random
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from benchmarks.corruptions import (
    Case,
    Recording,
    corrupted,
    good,
    plain,
    read_ljspeech,
    read_voice,
    tokens,
    varied,
)
from benchmarks.record import save
from benchmarks.timit import read_timit
from schemas.errors import RecordError
from schemas.records import SAMPLE_RATE_HZ, AlignedWord, SpokenWord
from transforms.align import gate_calibration
from transforms.align.fused import FusedConfig
from transforms.align.gate import Gate, GateConfig
from transforms.align.gate_cut import is_cut, shares_heard
from transforms.align.gate_measures import Measures
from transforms.align.gate_opinion import load_text_scorer
from transforms.align.protocol import Aligner, Alignment
from transforms.align.readings import align_text
from transforms.align.vad import FRAME_SAMPLES
from transforms.text.verbalise import verbalise

ROOT = Path(__file__).parents[1]
PROMPTS = ROOT / "examples" / "asterisk-en"
CALIBRATION = ROOT / "transforms" / "align" / "gate_calibration.py"
GOOD_DOUBTED = 0.05
GOOD_DOUBTED_FEW = 0.02
"""Share of the good calibration utterances (half of them degraded) in which a word is doubted. Longer ones are then
mostly trimmed; those of few words are lost."""
LATE_S = (0.0, 0.5, 1.0, -1.0)
OF_OPINION = frozenset({"text", "text_mean", "text_near", "apart", "ending"})
LOWERS_THE_LIMIT = "unwritten"
"""A measure without a weight: it is taken only where a text is unlikely anyway, so that its absence says nothing."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A case's word measures; ``wrong``: which of its words are not what is said there, or stand beside a gap."""

    kind: str
    measures: Measures
    wrong: tuple[bool, ...]


def placed(aligner: Aligner, items: Sequence[Recording]) -> list[Recording]:
    """The recordings that can be aligned, with the spans of their blank-separated words."""
    found = []
    for item in items:
        try:
            words = align_text(aligner, item.waveform, item.text, "en").words
        except RecordError:
            continue
        spans: list[tuple[int, int]] = []
        for start, end in tokens(item.text):
            mine = [word for word in words if word.char_start < end and word.char_end > start]
            last = spans[-1][1] if spans else 0
            spans.append((mine[0].start_sample, mine[-1].end_sample) if mine else (last, last))
        found.append(replace(item, spans=tuple(spans)))
    return found


def measure(aligner: Aligner, gate: Gate, cases: Sequence[Case]) -> list[Measured]:
    """Measures of the cases that can be aligned at all."""
    found = []
    for case in cases:
        try:
            alignment = align_text(aligner, case.waveform, case.text, "en")
        except RecordError:
            continue
        wrong = tuple(
            any(word.char_start < end and word.char_end > start for start, end in case.wrong)
            or any(_beside(case.text, word.char_start, word.char_end, gap) for gap in case.gaps)
            for word in alignment.words
        )
        found.append(Measured(case.kind, gate.measures(alignment, case.waveform, case.text, "en"), wrong))
    return found


def fit(measured: Sequence[Measured], names: Sequence[str]) -> gate_calibration.Calibration:
    """Logistic regression over words: every kind of corruption weighs the same, and the right words as much as all.

    Good utterances of one or two words set the threshold for few words and no weight: hardly any corruption is tried
    on them, so that their oddities would pass for signs of a right word.
    """
    fitted = [item for item in measured if item.kind != "good" or len(item.wrong) > 2]
    table_WM = np.concatenate([np.stack([item.measures[name] for name in names], axis=1) for item in fitted])
    wrong_W = np.concatenate([item.wrong for item in fitted])
    kind_W = np.concatenate([[item.kind] * len(item.wrong) for item in fitted])
    weight_W = np.where(wrong_W, 0.0, 1.0 / (~wrong_W).sum())
    kinds = sorted(set(kind_W[wrong_W]))
    for kind in kinds:
        mine = wrong_W & (kind_W == kind)
        weight_W[mine] = 1.0 / len(kinds) / mine.sum()
    mean_M, scale_M = table_WM.mean(axis=0), table_WM.std(axis=0) + 1e-6
    model = LogisticRegression(C=1.0, max_iter=5000)
    model.fit((table_WM - mean_M) / scale_M, wrong_W, sample_weight=weight_W * len(weight_W) / 2)
    coefficients = model.coef_[0] / scale_M
    right_mean = table_WM[~wrong_W].mean(axis=0)
    weights = {"bias": round(float(model.intercept_[0] - coefficients @ mean_M), 4)}
    for name, coefficient, usual in zip(names, coefficients, right_mean, strict=True):
        weights[name] = round(float(coefficient), 4)
        weights[f"mean:{name}"] = round(float(usual), 4)
    thresholds = []
    for few in (False, True):
        worst = [
            float(max(weights["bias"] + sum(weights[name] * item.measures[name] for name in names)))
            for item in measured
            if item.kind == "good" and (len(item.wrong) < gate_calibration.FEW_WORDS) == few
        ]
        doubted = GOOD_DOUBTED_FEW if few else GOOD_DOUBTED
        thresholds.append(round(float(np.quantile(worst, 1 - doubted)), 4))
    return gate_calibration.Calibration(weights, *thresholds)


def letters_per_s(gate: Gate, voices: dict[str, Sequence[Recording]]) -> dict[str, float]:
    """Median letters a second of speech (VAD) of each language's recordings of three words and more."""
    rates = {}
    for language, items in voices.items():
        found = []
        for item in items[:200]:
            words = verbalise(item.text, language)
            speech_s = float(gate.vad.probabilities(item.waveform).sum()) * FRAME_SAMPLES / SAMPLE_RATE_HZ
            if len(words) >= 3 and speech_s > 0.5:
                found.append(sum(len(word.text) for word in words) / speech_s)
        rates[language] = round(float(np.median(found)), 2)
    return rates


def calibrate(aligner: Aligner, gate: Gate, foreign: dict[str, Sequence[Recording]], *, most: int) -> None:
    held = set((PROMPTS / "heldout.txt").read_text().split())
    rng = random.Random(11)
    known = placed(aligner, [item for item in read_voice(PROMPTS) if item.name not in held])
    other = [varied(item, rng) for item in known]
    mixed = [rng.choice(pair) for pair in zip(known, other, strict=True)]
    others = [item for voice in foreign.values() for item in voice if len(item.waveform) < 20 * SAMPLE_RATE_HZ]
    cases = [*map(good, known), *map(good, other), *corrupted(mixed, others, rng, most=most)]
    rates = letters_per_s(gate, {"en": known, **foreign})
    gate = GateConfig(letters_per_s=rates).load()
    measured = measure(aligner, gate, cases)
    names = [name for name in measured[0].measures if name != LOWERS_THE_LIMIT]
    alone = [name for name in names if name not in OF_OPINION]
    rates = {**gate_calibration.LETTERS_PER_S, **rates}
    CALIBRATION.write_text(_module(fit(measured, names), fit(measured, alone), rates))


Aligned = tuple[Case, Alignment | None]


def aligned(aligner: Aligner, cases: Sequence[Case]) -> list[Aligned]:
    """The cases with their alignments; None where the aligner itself rejects one."""
    found: list[Aligned] = []
    for case in cases:
        try:
            found.append((case, align_text(aligner, case.waveform, case.text, "en")))
        except RecordError:
            found.append((case, None))
    return found


def verdicts(gate: Gate, cases: Sequence[Aligned]) -> dict[str, dict[str, object]]:
    """By kind of case: what became of it.

    ``caught``: rejected, or trimmed to a run without one wrong word or gap.
    """
    table: dict[str, Counter[str]] = defaultdict(Counter)
    codes: dict[str, Counter[str]] = defaultdict(Counter)
    names: dict[str, list[str]] = defaultdict(list)
    for case, alignment in cases:
        row = table[case.kind]
        row["utterances"] += 1
        try:
            if alignment is None:
                raise RecordError("alignment_failed", "")
            words = [SpokenWord(word.text, word.char_start, word.char_end) for word in alignment.words]
            verdict = gate.judge(alignment, words, case.waveform, case.text, "en")
        except RecordError as error:
            row["rejected"] += 1
            row["caught"] += 1
            codes[case.kind][error.code] += 1
            names[case.kind].append(case.name)
            continue
        if verdict.kept is None:
            row["accepted"] += 1
            continue
        row["trimmed"] += 1
        start, end = verdict.kept.char_start, verdict.kept.char_end
        row["caught"] += not any(a < end and b > start for a, b in case.wrong) and not any(
            start < gap < end for gap in case.gaps
        )
        row["words of trimmed"] += len(words)
        row["words kept of trimmed"] += len(verdict.kept.alignment.words)
    return {
        kind: {
            **{name: row[name] for name in ("utterances", "accepted", "trimmed", "rejected")},
            **({"rejected_names": sorted(names[kind])} if kind == "good" else {"caught": row["caught"]}),
            "rejected_ratio": round(row["rejected"] / row["utterances"], 4),
            **({} if kind == "good" else {"caught_ratio": round(row["caught"] / row["utterances"], 4)}),
            "words_kept_of_trimmed": round(row["words kept of trimmed"] / max(1, row["words of trimmed"]), 3),
            "rejected_by": dict(sorted(codes[kind].items())),
        }
        for kind, row in table.items()
    }


def cut_and_heard(aligner: Aligner, items: Sequence[Recording]) -> dict[str, dict[str, float]]:
    """Of every accepted utterance, its words where they were placed, and where they are not."""
    open_gate = GateConfig(cut_ratio=0.0).load()
    scorer, limit = load_text_scorer(), GateConfig().max_lost_by_cut
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for item in items:
        words = verbalise(item.text, "en")
        try:
            alignment = aligner.align(item.waveform, words)
            verdict = open_gate.judge(alignment, words, item.waveform, item.text, "en")
        except RecordError:
            continue
        if verdict.kept is not None or not is_cut(alignment.words, item.waveform, ratio=1.0):
            continue
        for late_s in LATE_S:
            moved = [moved_by(word, late_s, num_samples=len(item.waveform)) for word in alignment.words]
            found[f"{late_s:+.1f} s"].append(shares_heard(moved, item.waveform, scorer.hear))
    return {
        name: {
            "utterances": len(pairs),
            "words_heard": round(float(np.mean([whole for whole, _ in pairs])), 3),
            "words_heard_when_cut": round(float(np.mean([apart for _, apart in pairs])), 3),
            "rejected_ratio": round(float(np.mean([whole - apart > limit for whole, apart in pairs])), 3),
        }
        for name, pairs in found.items()
    }


def moved_by(word: AlignedWord, late_s: float, *, num_samples: int) -> AlignedWord:
    late = round(late_s * SAMPLE_RATE_HZ)
    start = min(max(word.start_sample + late, 0), num_samples - 1)
    return replace(word, start_sample=start, end_sample=min(max(word.end_sample + late, start + 1), num_samples))


def speed(aligner: Aligner, gate: Gate, items: Sequence[Recording]) -> dict[str, float]:
    """Seconds of audio in a second of CPU time: the aligner alone, and with the gate."""
    audio_s = sum(len(item.waveform) for item in items) / SAMPLE_RATE_HZ
    started = time.process_time()
    alignments: list[Alignment] = [align_text(aligner, item.waveform, item.text, "en") for item in items]
    aligned_s = time.process_time() - started
    for item, alignment in zip(items, alignments, strict=True):
        gate.excess(gate.measures(alignment, item.waveform, item.text, "en"))
    both_s = time.process_time() - started
    return {
        "aligner": round(audio_s / aligned_s, 1),
        "gate": round(audio_s / (both_s - aligned_s), 1),
        "both": round(audio_s / both_s, 1),
    }


def report(aligner: Aligner, sets: dict[str, list[Recording]], foreign: Sequence[Recording], *, most: int) -> None:
    figures: dict[str, Any] = {}
    gates = {"with a second opinion": GateConfig(), "without": GateConfig(opinion="none")}
    others = [item for item in foreign if len(item.waveform) < 20 * SAMPLE_RATE_HZ]
    for name, items in sets.items():
        known = placed(aligner, items)
        rng = random.Random(5)
        cases = [*map(good, items), *corrupted(known, others, rng, most=most)]
        known_cases = aligned(aligner, cases)
        figures[name] = {label: verdicts(config.load(), known_cases) for label, config in gates.items()}
        figures[name] |= {"cut and heard, words moved by": cut_and_heard(aligner, items)}
    timed = next(iter(sets.values()))[:40]
    whole = GateConfig()
    figures["x_real_time_one_core"] = speed(aligner, whole.load(), placed(aligner, timed))
    figures["gate_fingerprint"] = whole.fingerprint
    print(save("gate", figures).read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--timit", type=Path)
    parser.add_argument("--ljspeech", type=Path)
    parser.add_argument("--foreign", type=Path, nargs="+", required=True, help="folders named by language code")
    parser.add_argument("--calibrate", action="store_true")
    parser.add_argument("--cases", type=int, default=120, help="at most so many of each corruption")
    arguments = parser.parse_args()
    aligner = FusedConfig().load()
    voices = {folder.name: read_voice(folder) for folder in arguments.foreign}
    if arguments.calibrate:
        calibrate(aligner, GateConfig().load(), voices, most=arguments.cases)
        return
    held = set((PROMPTS / "heldout.txt").read_text().split())
    sets = {"prompts, held out": [item for item in read_voice(PROMPTS) if item.name in held]}
    if arguments.timit:
        sets["timit-dev"] = [item.recording for item in read_timit(arguments.timit)]
    if arguments.ljspeech:
        sets["ljspeech-32"] = read_ljspeech(arguments.ljspeech)
    foreign = [item for voice in voices.values() for item in voice]
    report(aligner, sets, foreign, most=arguments.cases)


def _beside(text: str, start: int, end: int, gap: int) -> bool:
    """Whether no letter lies between a word and a gap."""
    return not plain(text[end:gap] if gap >= end else text[gap:start])


def _module(whole: gate_calibration.Calibration, alone: gate_calibration.Calibration, rates: dict[str, float]) -> str:
    return f'''"""Written by ``python -m benchmarks.gate --calibrate``: weights and threshold of the word's verdict."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Calibration:
    """Log-odds that a word is not what is said there: ``bias`` + the sum of weight x measure (``gate_measures``).

    ``mean:NAME`` is a right word's usual measure, which stands in where an aligner does not give it.
    """

    weights: dict[str, float]
    max_log_odds: float
    max_log_odds_few: float


FEW_WORDS = 5
"""Utterances of fewer words have a threshold of their own."""
WITH_OPINION = Calibration(
{_table(whole.weights)},
    max_log_odds={whole.max_log_odds},
    max_log_odds_few={whole.max_log_odds_few},
)
ALONE = Calibration(
{_table(alone.weights)},
    max_log_odds={alone.max_log_odds},
    max_log_odds_few={alone.max_log_odds_few},
)
LETTERS_PER_S = {{{", ".join(f'"{code}": {rate}' for code, rate in sorted(rates.items()))}}}
"""Letters a second of speech, median, by language."""
'''


def _table(weights: dict[str, float]) -> str:
    rows = "\n".join(f'        "{name}": {value},' for name, value in weights.items())
    return f"    weights={{\n{rows}\n    }}"


if __name__ == "__main__":
    main()
