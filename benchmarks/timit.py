"""Sentences of TIMIT with their hand-labelled words."""

from dataclasses import dataclass
from pathlib import Path

import soundfile

from benchmarks.corruptions import Recording
from schemas.errors import RecordError
from schemas.records import SpokenWord, Waveform
from transforms.align.protocol import Aligner, Alignment


@dataclass(frozen=True, slots=True)
class Labelled:
    """A recording, its words and their hand-labelled sample ranges."""

    speaker: str
    name: str
    waveform: Waveform
    words: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]

    @property
    def recording(self) -> Recording:
        return Recording(f"{self.speaker}/{self.name}", self.waveform, " ".join(self.words), self.spans)


def read_timit(folder: Path) -> list[Labelled]:
    """A folder a speaker with ``.wav`` and hand-labelled ``.wrd`` files."""
    found = []
    for labels in sorted(folder.glob("*/*.wrd")):
        rows = [line.split() for line in labels.read_text().splitlines() if line.strip()]
        waveform, _ = soundfile.read(labels.with_suffix(".wav"), dtype="float32")
        spans = tuple((int(row[0]), int(row[1])) for row in rows)
        found.append(Labelled(labels.parent.name, labels.stem, waveform, tuple(row[2] for row in rows), spans))
    return found


def align(aligner: Aligner, utterance: Labelled) -> Alignment | None:
    """None where the aligner gives up."""
    try:
        return aligner.align(utterance.waveform, [SpokenWord(word, 0, 1) for word in utterance.words])
    except RecordError:
        return None
