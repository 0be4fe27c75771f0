"""A 30-minute recording made by joining utterances: is it aligned as well as they are, how fast, in what memory?

    python -m benchmarks.longform TIMIT_DEV LJSPEECH

Utterances of ``timit-dev`` (hand labels), LJ Speech and the bundled prompts follow each other in an order drawn once,
0.2 to 1 s of faint noise between them. Reported for the default aligner and for PocketSphinx alone: onset errors
against the hand labels, in the long recording and one by one, and the difference between the two by the minute (drift).
For the default: passages lost when a tenth of the utterances is missing in the text, or a tenth of the text in the
audio; peak memory at a third, two thirds and the whole of the length.
"""

import argparse
import random
import time
import tracemalloc
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.corruptions import Recording, read_ljspeech, read_timit, read_voice, tokens
from benchmarks.gate import PROMPTS
from benchmarks.record import save
from schemas.errors import RecordError
from schemas.records import SAMPLE_RATE_HZ, Waveform
from transforms.align.fused import FusedConfig
from transforms.align.gate import Gate, GateConfig
from transforms.align.longform import Segment, segments
from transforms.align.longform_anchors import Transcriber, load_transcriber
from transforms.align.pocketsphinx import PocketsphinxConfig
from transforms.align.protocol import Aligner
from transforms.text.verbalise import verbalise


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
    return {
        "words": len(errors_ms),
        "mean_ms": round(float(errors_ms.mean()), 2),
        "median_ms": round(float(np.median(errors_ms)), 2),
        "within_50_ms": round(float(np.mean(errors_ms <= 50)), 4),
        "over_300_ms": int(np.sum(errors_ms > 300)),
    }


def accuracy(long: Joined, found: list[Segment], alone: dict[str, dict[int, int] | None], labels: dict[str, list[int]]):
    """Errors against hand labels, long and alone, and the difference of the two by tenths of the recording."""
    places = starts(found)
    hand_long, hand_alone = [], []
    tenths: list[list[int]] = [[] for _ in range(10)]
    for part in long.parts:
        single = alone[part.item.name]
        if part.sample < 0 or part.char < 0 or single is None:
            continue
        hand = dict(zip((start for start, _ in tokens(part.item.text)), labels.get(part.item.name, []), strict=False))
        for char, sample in single.items():
            place = places.get(part.char + char)
            if place is None:
                continue
            tenths[min(9, 10 * part.sample // len(long.waveform))].append(place - part.sample - sample)
            if char in hand:
                hand_long.append(place - part.sample - hand[char])
                hand_alone.append(sample - hand[char])
    return {
        "hand_labels_long": summary(hand_long) if hand_long else {},
        "hand_labels_one_by_one": summary(hand_alone) if hand_alone else {},
        "difference": summary([value for tenth in tenths for value in tenth]),
        "mean_difference_ms_by_tenth": [round(float(np.mean(tenth)) / 16, 2) if tenth else None for tenth in tenths],
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
        "placed_ratio": round(counts["placed"] / counts["said"], 4),
        "placed_in_another_utterance": counts["elsewhere"],
        "words_not_said": counts["unsaid"],
        "placed_of_not_said": counts["placed unsaid"],
    }


def peak_mib(long: Joined, aligner: Aligner, gate: Gate, transcriber: Transcriber) -> float:
    tracemalloc.start()
    segments(long.waveform, long.text, "en", aligner=aligner, gate=gate, transcriber=transcriber)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return round(peak / 2**20, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("timit", type=Path)
    parser.add_argument("ljspeech", type=Path)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--memory", action="store_true", help="measure the peak memory too (slow)")
    arguments = parser.parse_args()
    gate, transcriber = GateConfig().load(), load_transcriber()
    timit = read_timit(arguments.timit)
    labels = {
        item.name: [int(line.split()[0]) for line in (arguments.timit / f"{item.name}.wrd").read_text().splitlines()]
        for item in timit
    }
    prompts = [item for item in read_voice(PROMPTS) if len(item.text.split()) >= 3]
    pool = [*timit, *read_ljspeech(arguments.ljspeech), *prompts]
    items = draw(pool, seconds=60 * arguments.minutes, rng=random.Random(2))
    long = join(items)

    def cut(joined: Joined, aligner: Aligner) -> list[Segment]:
        return segments(joined.waveform, joined.text, "en", aligner=aligner, gate=gate, transcriber=transcriber)

    def whole(aligner: Aligner) -> dict[str, object]:
        alone = {item.name: single_starts(aligner, item) for item in items}
        started = time.process_time()
        found = cut(long, aligner)
        took_s = time.process_time() - started
        return {
            "segments": len(found),
            "longest_segment_s": round(max(map(len, found)) / SAMPLE_RATE_HZ, 2),
            "x_real_time_one_core": round(len(long.waveform) / SAMPLE_RATE_HZ / took_s, 1),
            "accuracy": accuracy(long, found, alone, labels),
            "kept": kept(long, found),
        }

    fused = FusedConfig().load()
    figures: dict[str, object] = {
        "audio_s": round(len(long.waveform) / SAMPLE_RATE_HZ),
        "fused (default)": whole(fused),
        "pocketsphinx": whole(PocketsphinxConfig().load()),
    }
    tenth = random.Random(4).sample(range(len(items)), len(items) // 10)
    for name, flaw in (("a tenth is not said", "unheard"), ("a tenth is not written", "unwritten")):
        flawed = join(items, **{flaw: frozenset(tenth)})
        figures[name] = kept(flawed, cut(flawed, fused))
    if arguments.memory:
        sizes = [len(items) // 3, 2 * len(items) // 3, len(items)]
        figures["peak_mib"] = {
            f"{len(part.waveform) / SAMPLE_RATE_HZ:.0f} s": peak_mib(part, fused, gate, transcriber)
            for part in (join(items[:size]) for size in sizes)
        }
    print(save("longform", figures).read_text())


if __name__ == "__main__":
    main()
