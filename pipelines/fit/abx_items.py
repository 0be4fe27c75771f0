"""Tokens of phones for ABX: from labelled recordings, or from an item file of the Zero Resource challenges.

An item file has a header line and then ``file onset offset phone previous next speaker`` a line, times in seconds.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from pipelines.evaluate.suites.units import FOLD, Labels
from pipelines.fit.abx import Item
from schemas.errors import UserError
from schemas.records import SAMPLE_RATE_HZ

Context = Literal["phone", "triphone"]
SILENCES = frozenset({"sil", "sp", "spn", "pau", "epi", "h#", "#h", "q", ""})


def frames_inside(start_sample: float, end_sample: float, *, hop_samples: int, frames: int) -> tuple[int, int]:
    """The frames whose middle lies in the half-open stretch, as ``[start, end)``."""
    half = hop_samples / 2
    first = max(0, _ceil((start_sample - half) / hop_samples))
    return first, min(frames, max(first, _ceil((end_sample - half) / hop_samples)))


def _ceil(value: float) -> int:
    return int(-(-value // 1))


def items_of_labels(
    labels: Sequence[Labels],
    speakers: Sequence[str],
    frames: Sequence[int],
    *,
    hop_samples: int,
    context: Context,
    fold: bool,
) -> list[Item]:
    """Every phone but silences, of recordings of ``frames`` frames; one too short for a frame's middle is left out.

    Neighbours are the phones beside it as they are labelled, silences too; the edge of a recording counts as one.
    """
    items = []
    for recording, (phones, speaker, count) in enumerate(zip(labels, speakers, frames, strict=True)):
        names = [FOLD.get(name, name) if fold else name for _, _, name in phones]
        for place, ((start_sample, end_sample, _), name) in enumerate(zip(phones, names, strict=True)):
            start, end = frames_inside(start_sample, end_sample, hop_samples=hop_samples, frames=count)
            if name in SILENCES or end <= start:
                continue
            before = names[place - 1] if place else "sil"
            after = names[place + 1] if place + 1 < len(names) else "sil"
            around = (before, after) if context == "triphone" else ("", "")
            items.append(Item(recording, start, end, name, speaker, around))
    return items


def items_of_file(
    path: Path, places: Mapping[str, int], frames: Sequence[int], *, hop_samples: int, context: Context
) -> list[Item]:
    """The tokens of an item file, in its order.

    Args:
        places: Index of each recording by the name that the file gives it.

    Raises:
        UserError: A line is malformed, or its recording is not there.
    """
    items = []
    for number, (name, start_s, end_s, phone, before, after, speaker) in _lines(path):
        if name not in places:
            raise UserError(f"{path}:{number}: no recording {name!r} in fit.quality.data")
        recording = places[name]
        start, end = frames_inside(
            start_s * SAMPLE_RATE_HZ, end_s * SAMPLE_RATE_HZ, hop_samples=hop_samples, frames=frames[recording]
        )
        if end > start and phone not in SILENCES:
            around = (before, after) if context == "triphone" else ("", "")
            items.append(Item(recording, start, end, phone, speaker, around))
    return items


def _lines(path: Path) -> Iterator[tuple[int, tuple[str, float, float, str, str, str, str]]]:
    """Numbers and cells of the lines below the header."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        cells = line.split()
        if number == 1 or not cells:
            continue
        try:
            name, onset, offset, phone, before, after, speaker = cells
            yield number, (name, float(onset), float(offset), phone, before, after, speaker)
        except ValueError as error:
            raise UserError(
                f"{path}:{number}: expected `file onset offset phone previous next speaker`, not {line!r}"
            ) from error


def recordings_of_items(path: Path) -> list[str]:
    """Names of the recordings in an item file, sorted.

    Raises:
        UserError: The file is not there, or a line is malformed.
    """
    if not path.is_file():
        raise UserError(f"fit.quality.items: no such file: {path}")
    return sorted({name for _, (name, *_) in _lines(path)})
