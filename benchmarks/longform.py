"""A 30-minute recording made by joining utterances: is it aligned as well as they are, how fast, in what memory?

    nice python -m benchmarks.longform TIMIT_DEV LJSPEECH

Utterances of ``timit-dev`` (hand labels), LJ Speech and the bundled prompts follow each other in an order drawn once,
0.2 to 1 s of faint noise between them. Times are the process's own on one core.

    fused, pocketsphinx  ``longform.segments``: speed; onset errors against the hand labels, in the long recording and
                         one by one; the difference of the two over all words, and by five minutes (drift)
    a tenth is not ...   words lost, and unsaid words that were placed, where a tenth is not said, or not written
    segment              what ``plait segment`` keeps of the first third, after its gate: whole, and with the same flaws
    memory               peak resident memory above what models and audio hold, at a third, two thirds and the whole

It takes 10 minutes at 30 x real time.
"""

import argparse
import gc
import random
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.corruptions import Recording, read_ljspeech, read_voice, tokens
from benchmarks.gate import PROMPTS
from benchmarks.record import save
from benchmarks.timit import read_timit
from pipelines.segment.cutting import Passage, TextCutter
from schemas.errors import RecordError
from schemas.records import SAMPLE_RATE_HZ, AlignedWord, SourceRow, Waveform
from transforms.align.fused import FusedConfig
from transforms.align.gate import Gate, GateConfig
from transforms.align.longform import SEGMENT_SAMPLES, segments
from transforms.align.longform_anchors import Transcriber, load_transcriber
from transforms.align.longform_segments import Segment
from transforms.align.pocketsphinx import PocketsphinxConfig
from transforms.align.protocol import Aligner
from transforms.text.verbalise import verbalise

_MOST_DRIFT_MS = 100.0


@dataclass(frozen=True, slots=True)
class Part:
    """An utterance of the long recording: its first sample and its first character, -1 where it is missing."""

    item: Recording
    sample: int
    char: int


@dataclass(frozen=True, slots=True)
class Joined:
    waveform: Waveform
    text: str
    parts: tuple[Part, ...]


def join(items: list[Recording], *, unheard: frozenset[int] = frozenset(), unwritten: frozenset[int] = frozenset()):
    """The items in a row; those in ``unheard`` are in the text only, those in ``unwritten`` in the audio only."""
    rng = np.random.default_rng(3)
    audio, text, parts = [], "", []
    sample = 0
    for place, item in enumerate(items):
        gap = rng.normal(0, 1e-4, int(rng.uniform(0.2, 1.0) * SAMPLE_RATE_HZ)).astype(np.float32)
        level = 0.05 / (float(np.sqrt(np.mean(np.square(item.waveform)))) + 1e-9)
        audio.append(gap)
        sample += len(gap)
        parts.append(Part(item, -1 if place in unheard else sample, -1 if place in unwritten else len(text)))
        if place not in unheard:
            audio.append((item.waveform * level).astype(np.float32))
            sample += len(item.waveform)
        if place not in unwritten:
            text += item.text + " "
    return Joined(np.clip(np.concatenate(audio), -1, 1), text, tuple(parts))


def draw(pool: list[Recording], *, seconds: float, rng: random.Random) -> list[Recording]:
    items: list[Recording] = []
    total = 0.0
    while total < seconds:
        for item in rng.sample(pool, len(pool)):
            items.append(item)
            total += len(item.waveform) / SAMPLE_RATE_HZ + 0.6
            if total >= seconds:
                break
    return items


def starts(found: list[Segment]) -> dict[int, int]:
    """First character -> first sample of the words in the long recording; of several at one character, the first."""
    places: dict[int, int] = {}
    for segment in found:
        for word in segment.words:
            places.setdefault(segment.char_start + word.char_start, segment.start_sample + word.start_sample)
    return places


def single_starts(aligner: Aligner, item: Recording) -> dict[int, int] | None:
    try:
        words = aligner.align(item.waveform, verbalise(item.text, "en")).words
    except RecordError:
        return None
    places: dict[int, int] = {}
    for word in words:
        places.setdefault(word.char_start, word.start_sample)
    return places


def summary(errors_samples: list[int]) -> dict[str, float]:
    errors_ms = np.abs(np.array(errors_samples)) / 16
    percentiles = {f"p{share}_ms": round(float(np.percentile(errors_ms, share)), 2) for share in (75, 90, 95, 99)}
    return {
        "words": len(errors_ms),
        "mean_ms": round(float(errors_ms.mean()), 2),
        "median_ms": round(float(np.median(errors_ms)), 2),
        **percentiles,
        "within_50_ms": round(float(np.mean(errors_ms <= 50)), 4),
        "over_300_ms": int(np.sum(errors_ms > 300)),
    }


def drift(places: list[tuple[float, float]]) -> dict[str, object]:
    """Of (minute, long less alone in ms): the mean by five minutes, and the slope with its standard error.

    A difference counts as 100 ms at most, as a misplaced word is no drift.
    """
    minutes, apart_ms = np.array(places).T
    apart_ms = np.clip(apart_ms, -_MOST_DRIFT_MS, _MOST_DRIFT_MS)
    (slope, _), covariance = np.polyfit(minutes, apart_ms, 1, cov=True)
    bins = (minutes // 5).astype(int)
    return {
        "mean_ms_by_5_min": [round(float(apart_ms[bins == place].mean()), 2) for place in sorted(set(bins.tolist()))],
        "slope_ms_per_hour": round(60 * float(slope), 2),
        "standard_error": round(60 * float(np.sqrt(covariance[0, 0])), 2),
    }


def accuracy(
    long: Joined, found: list[Segment], alone: dict[str, dict[int, int] | None], labels: dict[str, list[int]]
) -> dict[str, object]:
    """Errors against hand labels, long and alone, and the difference of the two."""
    places = starts(found)
    hand_long: list[int] = []
    hand_alone: list[int] = []
    apart: list[tuple[int, int]] = []
    for part in long.parts:
        single = alone[part.item.name]
        if part.sample < 0 or part.char < 0 or single is None:
            continue
        hand = dict(zip((start for start, _ in tokens(part.item.text)), labels.get(part.item.name, []), strict=False))
        for char, sample in single.items():
            place = places.get(part.char + char)
            if place is None:
                continue
            apart.append((place, place - part.sample - sample))
            if char in hand:
                hand_long.append(place - part.sample - hand[char])
                hand_alone.append(sample - hand[char])
    return {
        "hand_labels_long": summary(hand_long) if hand_long else {},
        "hand_labels_one_by_one": summary(hand_alone) if hand_alone else {},
        "long_less_alone": summary([samples for _, samples in apart]),
        "drift": drift([(place / SAMPLE_RATE_HZ / 60, samples / 16) for place, samples in apart]),
    }


def kept(long: Joined, found: list[Segment]) -> dict[str, float]:
    """Written words by whether they are said: how many were placed, and how many of those outside their utterance."""
    places = starts(found)
    counts = Counter[str]()
    for part in long.parts:
        if part.char < 0:
            continue
        for start, end in tokens(part.item.text):
            samples = [places[char] for char in range(part.char + start, part.char + end) if char in places]
            if part.sample < 0:
                counts["unsaid"] += 1
                counts["placed unsaid"] += bool(samples)
                continue
            counts["said"] += 1
            counts["placed"] += bool(samples)
            last = part.sample + len(part.item.waveform)
            counts["elsewhere"] += any(not part.sample - 1600 <= sample < last for sample in samples)
    return {
        "words_said": counts["said"],
        "lost": counts["said"] - counts["placed"],
        "lost_ratio": round(1 - counts["placed"] / counts["said"], 4),
        "placed_in_another_utterance": counts["elsewhere"],
        "words_not_said": counts["unsaid"],
        "placed_of_not_said": counts["placed unsaid"],
    }


def walk(
    joined: Joined, aligner: Aligner, gate: Gate, transcriber: Transcriber
) -> tuple[list[Segment], dict[str, float]]:
    """Segments of a recording, and what they cost in time and in resident memory at the peak."""
    reset_peak()
    started = time.process_time()
    found = segments(joined.waveform, joined.text, "en", aligner=aligner, gate=gate, transcriber=transcriber)
    took_s = time.process_time() - started
    minutes = len(joined.waveform) / SAMPLE_RATE_HZ / 60
    return found, {
        "minutes": round(minutes, 2),
        "x_real_time_one_core": round(60 * minutes / took_s, 1),
        "peak_mib": round(resident_mib("VmHWM"), 1),
    }


def reset_peak() -> None:
    """Let the kernel count this process's peak resident memory anew (Linux)."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")


def resident_mib(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def linear_fit(costs: list[dict[str, float]], *, held_mib: float) -> dict[str, object]:
    """Peak memory above what models and audio hold: the straight line through the walks, how far they are from it."""
    minutes = np.array([cost["minutes"] for cost in costs])
    mib = np.array([cost["peak_mib"] - held_mib for cost in costs]).round(1)
    slope, constant = np.polyfit(minutes, mib, 1)
    return {
        "peak_mib_above_held_by_minutes": dict(zip(map(str, minutes.tolist()), mib.tolist(), strict=True)),
        "held_mib": round(held_mib, 1),
        "mib_a_minute": round(float(slope), 2),
        "constant_mib": round(float(constant), 1),
        "largest_residual_mib": round(float(np.abs(mib - constant - slope * minutes).max()), 1),
        "audio_itself_mib_a_minute": round(60 * SAMPLE_RATE_HZ * 4 / 2**20, 2),
    }


def segmented(joined: Joined, cutter: TextCutter) -> dict[str, float]:
    """What ``plait segment`` makes of a recording: the words of its segments, by their characters."""
    started = time.process_time()
    row = SourceRow("joined", "", joined.text)
    standing, _ = cutter.cut(row, joined.waveform, cutter.written(row))
    took_s = time.process_time() - started
    found = [
        Segment(piece.start_sample, piece.end_sample, piece.char_start, piece.char_end, _tokens_of(piece, joined.text))
        for piece in standing
    ]
    speed = round(len(joined.waveform) / SAMPLE_RATE_HZ / took_s, 1)
    counts = kept(joined, found)
    del counts["placed_in_another_utterance"]  # samples of words are by their order alone
    return {"segments": len(standing), "x_real_time_one_core": speed, **counts}


def _tokens_of(piece: Passage, text: str) -> tuple[AlignedWord, ...]:
    """The written words of a passage with the samples of the spoken ones, which are in the same order."""
    said = [word.start_sample for word in piece.words]
    written = tokens(text[piece.char_start : piece.char_end])
    return tuple(
        AlignedWord("", said[min(len(said) - 1, place * len(said) // len(written))], 0, 0.0, start, end)
        for place, (start, end) in enumerate(written)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("timit", type=Path)
    parser.add_argument("ljspeech", type=Path)
    parser.add_argument("--minutes", type=float, default=30.0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    gate, transcriber = GateConfig().load(), load_transcriber()
    timit = [item.recording for item in read_timit(arguments.timit)]
    labels = {item.name: [start for start, _ in item.spans] for item in timit}
    prompts = [item for item in read_voice(PROMPTS) if len(item.text.split()) >= 3]
    pool = [*timit, *read_ljspeech(arguments.ljspeech), *prompts]
    items = draw(pool, seconds=60 * arguments.minutes, rng=random.Random(2))
    long, first, second = (join(items[: share * len(items) // 3]) for share in (3, 1, 2))
    fused = FusedConfig().load()
    # What models keep from their first use is not the length's cost.
    transcriber(first.waveform[: 30 * SAMPLE_RATE_HZ])
    walk(join(items[:12]), fused, gate, transcriber)
    held_mib = resident_mib("VmRSS")
    costs = [walk(part, fused, gate, transcriber)[1] for part in (first, second)]

    def whole(aligner: Aligner) -> dict[str, object]:
        found, cost = walk(long, aligner, gate, transcriber)
        alone = {name: single_starts(aligner, item) for name, item in {item.name: item for item in items}.items()}
        return {
            "cost": cost,
            "segments": len(found),
            "longest_segment_s": round(max(map(len, found)) / SAMPLE_RATE_HZ, 2),
            "accuracy": accuracy(long, found, alone, labels),
            "kept": kept(long, found),
        }

    figures: dict[str, object] = {"audio_s": round(len(long.waveform) / SAMPLE_RATE_HZ)}
    default = whole(fused)
    figures["fused (default)"] = default
    figures["pocketsphinx"] = whole(PocketsphinxConfig().load())
    figures["memory"] = linear_fit([*costs, default["cost"]], held_mib=held_mib)
    tenth = frozenset(random.Random(4).sample(range(len(items)), len(items) // 10))
    cutter = TextCutter(fused, gate, transcriber, max_samples=SEGMENT_SAMPLES)
    third = items[: len(items) // 3]
    by_gate = {"whole": segmented(first, cutter)}
    for name, flaw in (("a tenth is not said", "unheard"), ("a tenth is not written", "unwritten")):
        flawed = join(items, **{flaw: tenth})
        figures[name] = kept(flawed, walk(flawed, fused, gate, transcriber)[0])
        by_gate[name] = segmented(join(third, **{flaw: tenth}), cutter)
    figures["segment"] = by_gate
    print(save("longform", figures).read_text())


if __name__ == "__main__":
    main()
