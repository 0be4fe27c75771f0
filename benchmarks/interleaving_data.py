"""A public-domain text read by synthetic voices, with the exact time of every word, as a corpus that `plait run` reads.

The text is the King James Bible (1611; its copyright expired), from Debian's package; festival reads it. Passages are
neighbouring verses of one chapter, joined up to a bound of words, in lower case without punctuation. Whole chapters are
held out, so that no held-out passage is the continuation of one that was trained on.
"""

import re
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import soundfile

from benchmarks.synthetic_speech import speak
from transforms.seeds import rng_for

BOOKS = ("ge1:1-50:26", "ex1:1-40:38", "mt1:1-28:20", "mr1:1-16:20", "lu1:1-24:53", "ac1:1-28:31")
VOICES = ("kal", "ked")
WORDS = (24, 44)
_VERSE = re.compile(r"(\w+?)(\d+):(\d+) (.+)")
_HELD_OUT_ONE_IN = 8


@dataclass(frozen=True, slots=True)
class Passage:
    key: str
    text: str
    voice: str
    held_out: bool


def _lines(books: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Chapter and words of every verse. Raises FileNotFoundError without the package bible-kjv."""
    for book in books:
        told = subprocess.run(["bible", "-f", "-l", "9999", book], capture_output=True, text=True, check=True).stdout
        for line in told.splitlines():
            if found := _VERSE.fullmatch(line.strip()):
                text = found[4].lower().replace("-", " ").replace("'s", "s")
                yield f"{found[1].lower()}{found[2]}", " ".join(re.sub(r"[^a-z ]", "", text).split())


def passages(books: Sequence[str] = BOOKS, *, seed: int = 0) -> list[Passage]:
    """Neighbouring verses joined to ``WORDS`` words; what is longer or shorter is left out."""
    found = []
    for chapter, verses in groupby(_lines(books), key=lambda line: line[0]):
        rng = rng_for(chapter, stage="passages", run_seed=seed)
        held_out = bool(rng.integers(_HELD_OUT_ONE_IN) == 0)
        voice = VOICES[rng.integers(len(VOICES))]
        words: list[str] = []
        for number, (_, verse) in enumerate(verses):
            words = [*words, *verse.split()]
            if len(words) >= WORDS[0]:
                if len(words) <= WORDS[1]:
                    found.append(Passage(f"{chapter}-{number}", " ".join(words), voice, held_out))
                words = []
    return found


def prepare(folder: Path, *, every: int = 1) -> None:
    """Write ``audio/``, ``corpus.tsv``, ``words.ctm`` and ``heldout.txt``; recordings that are there are kept."""
    chosen = passages()[::every]
    by_voice = {voice: [p for p in chosen if p.voice == voice] for voice in VOICES}
    with ThreadPoolExecutor(len(VOICES)) as pool:
        list(pool.map(lambda v: speak(folder / "audio", v, [p.text for p in by_voice[v]]), VOICES))
    rows, times = ["id\taudio\ttext\tspeaker\tlanguage"], []
    hours = 0.0
    for voice, own in by_voice.items():
        for number, passage in enumerate(own):
            path = folder / "audio" / f"{voice}-{number:04}.wav"
            hours += soundfile.info(path).duration / 3600
            rows.append(f"{passage.key}\t{path.resolve()}\t{passage.text}\t{voice}\ten")
            for line in path.with_suffix(".words").read_text().splitlines():
                start, end, word = line.split()
                times.append(f"{passage.key} 1 {float(start):.4f} {float(end) - float(start):.4f} {word}")
    (folder / "corpus.tsv").write_text("\n".join(rows) + "\n")
    (folder / "words.ctm").write_text("\n".join(times) + "\n")
    (folder / "heldout.txt").write_text("".join(f"{p.key}\n" for p in chosen if p.held_out))
    print(f"{len(chosen)} passages, {hours:.2f} hours, {sum(p.held_out for p in chosen)} held out", flush=True)
