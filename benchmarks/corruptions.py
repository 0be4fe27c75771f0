"""Recordings whose transcripts are wrong in known ways: what the gate is calibrated on and judged by."""

import csv
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import soundfile
import soxr

from schemas.records import SAMPLE_RATE_HZ, Waveform

Chars = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Recording:
    """Speech and its true text; ``spans`` are the sample ranges of its blank-separated words, in order."""

    name: str
    waveform: Waveform
    text: str
    spans: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """A recording and a text to judge it by.

    ``wrong``: character ranges of text that is not what is said there. ``gaps``: places in the text where words are
    missing that are said.
    """

    kind: str
    name: str
    waveform: Waveform
    text: str
    wrong: tuple[Chars, ...] = ()
    gaps: tuple[int, ...] = ()


def tokens(text: str) -> list[Chars]:
    """Character ranges of the blank-separated words."""
    found, start = [], 0
    for token in text.split():
        start = text.index(token, start)
        found.append((start, start + len(token)))
        start += len(token)
    return found


def plain(text: str) -> str:
    return "".join(char for char in text.lower() if char.isalnum())


def good(item: Recording) -> Case:
    return Case("good", item.name, item.waveform, item.text)


def swapped(items: Sequence[Recording], rng: random.Random, *, similar_length: bool) -> list[Case]:
    """Each recording with another one's transcript; both of at least two words, and the texts differ."""
    usable = [item for item in items if len(item.text.split()) >= 2]
    cases = []
    for item in usable:
        others = [other for other in usable if plain(other.text) != plain(item.text)]
        if similar_length:
            others = sorted(others, key=lambda other: abs(len(other.text) - len(item.text)))[:12]
        text = rng.choice(others).text
        kind = "swapped, similar length" if similar_length else "swapped"
        cases.append(Case(kind, item.name, item.waveform, text, tuple(tokens(text))))
    return cases


def other_language(items: Sequence[Recording], foreign: Sequence[Recording], rng: random.Random) -> list[Case]:
    """Speech of another language that lasts about as long."""
    cases = []
    for item in items:
        near = sorted(foreign, key=lambda other: abs(len(other.waveform) - len(item.waveform)))[:12]
        other = rng.choice(near)
        cases.append(Case("other language", item.name, other.waveform, item.text, tuple(tokens(item.text))))
    return cases


def cut_off(item: Recording, rng: random.Random) -> Case:
    """30 % of the audio is missing, at its start or its end."""
    removed = round(0.3 * len(item.waveform))
    at_start = rng.random() < 0.5
    kept = (removed, len(item.waveform)) if at_start else (0, len(item.waveform) - removed)
    return Case(
        "30 % of the audio cut off",
        item.name,
        item.waveform[kept[0] : kept[1]],
        item.text,
        _outside(item, lambda middle: not kept[0] <= middle < kept[1]),
    )


def replaced_passage(item: Recording, rng: random.Random, *, noise: bool) -> Case:
    """A third of the words, at least two, are silence, or noise as loud as the speech."""
    count = max(2, round(len(item.spans) / 3))
    first = rng.randrange(len(item.spans) - count + 1)
    start, end = item.spans[first][0], item.spans[first + count - 1][1]
    level = float(np.sqrt(np.mean(np.square(item.waveform)))) if noise else 1e-4
    waveform = item.waveform.copy()
    waveform[start:end] = np.random.default_rng(rng.getrandbits(32)).normal(0, level, end - start)
    kind = "a passage is noise" if noise else "a passage is silence"
    return Case(kind, item.name, waveform, item.text, _outside(item, lambda middle: start <= middle < end))


def deleted_words(item: Recording, rng: random.Random) -> Case:
    """A fifth of the words are missing in the text."""
    words = item.text.split()
    gone = set(rng.sample(range(len(words)), max(1, round(len(words) / 5))))
    case = _rewritten(
        "a fifth of the words deleted", item, [(word, False) for place, word in enumerate(words) if place not in gone]
    )
    # The gap before the n-th word kept is where the words between it and the one before were.
    ends = [0, *(end for _, end in tokens(case.text))]
    kept = [-1, *(place for place in range(len(words)) if place not in gone), len(words)]
    gaps = tuple(ends[n] for n, (a, b) in enumerate(pairwise(kept)) if b - a > 1)
    return replace(case, gaps=gaps)


def inserted_words(item: Recording, vocabulary: Sequence[str], rng: random.Random) -> Case:
    """A fifth more words stand in the text than are said."""
    words = [(word, False) for word in item.text.split()]
    for _ in range(max(1, round(len(words) / 5))):
        words.insert(rng.randrange(len(words) + 1), (rng.choice(vocabulary), True))
    return _rewritten("a fifth of the words inserted", item, words)


def replaced_word(item: Recording, vocabulary: Sequence[str], rng: random.Random) -> Case:
    """One word is another one."""
    words = [(word, False) for word in item.text.split()]
    place = rng.choice([index for index, (word, _) in enumerate(words) if plain(word)])
    others = [word for word in vocabulary if plain(word) != plain(words[place][0])]
    words[place] = (rng.choice(others), True)
    return _rewritten("a single word replaced", item, words)


def corrupted(items: Sequence[Recording], foreign: Sequence[Recording], rng: random.Random, *, most: int) -> list[Case]:
    """Every corruption of the recordings that are long enough for it, at most ``most`` of a kind."""
    vocabulary = sorted({plain(word) for item in items for word in item.text.split() if word.isalpha()})
    long = [item for item in items if len(item.spans) >= 5]

    def some(usable: Sequence[Recording]) -> list[Recording]:
        return rng.sample(usable, min(most, len(usable)))

    several = [item for item in items if len(item.spans) >= 2]
    return [
        *swapped(some(several), rng, similar_length=False),
        *swapped(some(several), rng, similar_length=True),
        *other_language(some(several), foreign, rng),
        *(cut_off(item, rng) for item in some(long)),
        *(deleted_words(item, rng) for item in some(long)),
        *(inserted_words(item, vocabulary, rng) for item in some(long)),
        *(replaced_passage(item, rng, noise=False) for item in some(long)),
        *(replaced_passage(item, rng, noise=True) for item in some(long)),
        *(replaced_word(item, vocabulary, rng) for item in some(long)),
    ]


def varied(item: Recording, rng: random.Random) -> Recording:
    """As of another speaker and room: 10 % slower or faster (pitch and formants with it), duller, noisier, quieter."""
    rate = rng.choice([0.88, 0.94, 1.07, 1.14])
    waveform = soxr.resample(item.waveform, SAMPLE_RATE_HZ * rate, SAMPLE_RATE_HZ).astype(np.float32)
    if rng.random() < 0.5:
        waveform = np.convolve(waveform, np.float32([0.25, 0.5, 0.25]), mode="same")
    level = float(np.sqrt(np.mean(np.square(waveform)))) * 10 ** (-rng.uniform(20, 45) / 20)
    noisy = waveform + np.random.default_rng(rng.getrandbits(32)).normal(0, level, len(waveform))
    quiet = (noisy * rng.uniform(0.3, 1.0)).astype(np.float32)
    spans = tuple((min(round(a / rate), len(quiet)), min(round(b / rate), len(quiet))) for a, b in item.spans)
    return Recording(f"{item.name}~", quiet, item.text, spans)


def read_voice(folder: Path) -> list[Recording]:
    """A folder with ``transcripts.tsv``, as ``examples/asterisk-en/build.py`` makes it."""
    with (folder / "transcripts.tsv").open(encoding="utf-8") as table:
        rows = list(csv.DictReader(table, delimiter="\t"))
    return [Recording(row["id"], _read(folder / row["audio"]), row["text"]) for row in rows]


def read_ljspeech(folder: Path) -> list[Recording]:
    """LJ Speech's layout: ``metadata.csv`` of ``id|text|normalised text`` beside the recordings."""
    rows = [line.split("|") for line in (folder / "metadata.csv").read_text(encoding="utf-8").splitlines() if line]
    return [Recording(row[0], _read(folder / f"{row[0]}.wav"), row[2]) for row in rows]


def _read(path: Path) -> Waveform:
    waveform, rate = soundfile.read(path, dtype="float32")
    return waveform if rate == SAMPLE_RATE_HZ else soxr.resample(waveform, rate, SAMPLE_RATE_HZ).astype(np.float32)


def _outside(item: Recording, wrong: Callable[[int], bool]) -> tuple[Chars, ...]:
    pairs = zip(tokens(item.text), item.spans, strict=True)
    return tuple(chars for chars, span in pairs if wrong(sum(span) // 2))


def _rewritten(kind: str, item: Recording, words: Sequence[tuple[str, bool]]) -> Case:
    text = " ".join(word for word, _ in words)
    ranges = zip(tokens(text), words, strict=True)
    return Case(kind, item.name, item.waveform, text, tuple(chars for chars, (_, wrong) in ranges if wrong))
