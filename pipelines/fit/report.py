"""The card of a fitted model: what it was fitted on, its settings, its figures, its fingerprint."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO

from pipelines.files import open_write, write_text
from pipelines.fit.recordings import Recordings
from schemas.records import SAMPLE_RATE_HZ, SourceRow, Utterance


def in_batches(utterances: Iterable[Utterance], size: int) -> Iterator[list[Utterance]]:
    """Runs of ``size`` utterances in their order, the last one shorter."""
    iterator = iter(utterances)
    while batch := list(islice(iterator, size)):
        yield batch


CARD = "card.md"
_CARD_JSON = "card.json"
_COUNTED = ("sources", "licences", "languages", "left_out")


@dataclass(slots=True)
class FitData:
    """Counts what a fit has read, and what it has left out by cause."""

    utterances: int = 0
    samples: int = 0
    speakers: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)

    def watch(self, recordings: Recordings) -> Iterator[Utterance]:
        """All utterances, counted as they pass."""
        for utterance in recordings():
            self.add(utterance.row, utterance.num_samples)
            yield utterance
        self.left_out = Counter(recordings.left_out)

    def add(self, row: SourceRow, num_samples: int) -> None:
        self.utterances += 1
        self.samples += num_samples
        for counter, value in (
            (self.speakers, row.speaker),
            (self.sources, row.source),
            (self.licences, row.licence),
            (self.languages, row.language),
        ):
            if value:
                counter[value] += 1

    def to_json(self) -> dict[str, object]:
        return {
            "utterances": self.utterances,
            "hours": round(self.samples / SAMPLE_RATE_HZ / 3600, 4),
            "speakers": len(self.speakers),
            **{name: dict(sorted(getattr(self, name).items())) for name in _COUNTED},
        }


@contextmanager
def open_artefact(path: Path) -> Iterator[IO[bytes]]:
    """The file of a fit's result, which is replaced as a whole; the card of the one before it is gone by then.

    Raises:
        EngineError: No space, or no right to write.
    """
    with open_write(str(path)) as file:
        yield file
        remove_card(path.parent)


def remove_card(output: Path) -> None:
    """Before another result takes the place of what it tells of."""
    for name in (_CARD_JSON, CARD):
        (output / name).unlink(missing_ok=True)


def write_card(
    output: Path,
    *,
    title: str,
    data: FitData,
    settings: Mapping[str, object],
    seed: int,
    figures: Mapping[str, float],
    fingerprint: str,
) -> None:
    """Write ``card.json`` and the same for people, ``card.md``."""
    card: dict[str, object] = {
        "title": title,
        "fingerprint": fingerprint,
        "fitted_on": data.to_json(),
        "settings": {**settings, "seed": seed},
        "figures": {name: round(value, 4) for name, value in figures.items()},
    }
    write_text(str(output / _CARD_JSON), json.dumps(card, indent=2, sort_keys=True) + "\n")
    hours = data.samples / SAMPLE_RATE_HZ / 3600
    lines = [
        f"# {title}",
        "",
        f"Fingerprint `{fingerprint}`.",
        "",
        f"Fitted on {data.utterances} utterances, {hours:.2f} h, {len(data.speakers)} speaker(s).",
        *(f"{name.capitalize()}: {listed(getattr(data, name))}." for name in ("sources", "languages", "licences")),
        *left_out_lines(data.left_out),
        "",
        "| setting | value |",
        "|---|---|",
        *(f"| {name} | {json.dumps(value)} |" for name, value in {**settings, "seed": seed}.items()),
        "",
        "| figure | value |",
        "|---|---|",
        *(f"| {name} | {value:.4g} |" for name, value in figures.items()),
    ]
    write_text(str(output / CARD), "\n".join(lines) + "\n")


def left_out_lines(left_out: Mapping[str, int]) -> list[str]:
    """What a card says of the recordings that were left out, if any were."""
    return [f"Left out: {listed(left_out)}."] if left_out else []


def listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in sorted(counts.items())) or "not stated"
