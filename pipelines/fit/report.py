"""The card of a fitted model: what it was fitted on, its settings, its figures, its fingerprint."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Protocol

from schemas.records import SAMPLE_RATE_HZ, SourceRow, Utterance

Recordings = Callable[[], Iterator[Utterance]]
"""Yields decoded utterances in a fixed order; every call starts anew."""


class IndexedRecordings(Protocol):
    """Recordings that can also be read one by one."""

    @property
    def rows(self) -> Sequence[SourceRow]: ...

    def __call__(self) -> Iterator[Utterance]: ...

    def read(self, index: int) -> Utterance:
        """One row with its audio.

        Raises:
            RecordError: It cannot be read.
        """
        ...


def in_batches(utterances: Iterable[Utterance], size: int) -> Iterator[list[Utterance]]:
    """Runs of ``size`` utterances in their order, the last one shorter."""
    iterator = iter(utterances)
    while batch := list(islice(iterator, size)):
        yield batch


@dataclass(slots=True)
class FitData:
    """Counts what a fit has read."""

    utterances: int = 0
    samples: int = 0
    speakers: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)

    def watch(self, utterances: Iterator[Utterance]) -> Iterator[Utterance]:
        """The same utterances, counted as they pass."""
        for utterance in utterances:
            self.add(utterance.row, utterance.num_samples)
            yield utterance

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
            **{name: dict(sorted(getattr(self, name).items())) for name in ("sources", "licences", "languages")},
        }


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
    (output / "card.json").write_text(json.dumps(card, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    hours = data.samples / SAMPLE_RATE_HZ / 3600
    lines = [
        f"# {title}",
        "",
        f"Fingerprint `{fingerprint}`.",
        "",
        f"Fitted on {data.utterances} utterances, {hours:.2f} h, {len(data.speakers)} speaker(s).",
        *(f"{name.capitalize()}: {_listed(getattr(data, name))}." for name in ("sources", "languages", "licences")),
        "",
        "| setting | value |",
        "|---|---|",
        *(f"| {name} | {json.dumps(value)} |" for name, value in {**settings, "seed": seed}.items()),
        "",
        "| figure | value |",
        "|---|---|",
        *(f"| {name} | {value:.4g} |" for name, value in figures.items()),
    ]
    (output / "card.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in sorted(counts.items())) or "not stated"
