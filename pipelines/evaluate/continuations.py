"""Prompts that a model goes on from, in text or speech, and what is written or heard in its continuation.

Decoding is that of Spirit LM's STSP (Nguyen et al., TACL 2025): temperature 0.8, nucleus 0.95, at most 50 new tokens of
text, 200 of speech after text and 300 of speech after speech; tokens of the other modality are never drawn.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from pipelines.evaluate.records import Record, audio_file, read_records
from pipelines.evaluate.suite import Generator, Say, Settings
from pipelines.infer.parts import Part, Speech, Text
from schemas.errors import UserError
from schemas.records import Waveform
from transforms.seeds import rng_for

Direction = Literal["T->T", "T->S", "S->S", "S->T"]
MAX_NEW_TOKENS: dict[Direction, int] = {"T->T": 50, "S->T": 50, "T->S": 200, "S->S": 300}
TEMPERATURE, TOP_P = 0.8, 0.95
_BATCH = 8


class PromptSettings(Settings):
    """Where prompts have what.

    Args:
        directions: Of those that the prompts have the parts for.
        audio_root: Folder that audio paths start from; the table's own if unset.
        text_field: Name of the table's field with the written prompt.
        audio_field: Name of the one with the recording.
    """

    directions: tuple[Direction, ...] = Field(default=("T->T", "T->S", "S->S", "S->T"), min_length=1)
    audio_root: str | None = None
    text_field: str = "text"
    audio_field: str = "audio"


@dataclass(frozen=True, slots=True, eq=False)
class Prompt:
    """A prompt in writing, in speech, or both; ``label`` is what its table says of it."""

    key: str
    text: Text | None
    speech: Speech | None
    label: str = ""

    def part(self, direction: Direction) -> Text | Speech | None:
        return self.text if direction[0] == "T" else self.speech


def prompt_table(data: Path) -> Path:
    """``prompts.jsonl`` or ``prompts.tsv`` of a folder, or the table itself.

    Raises:
        UserError: There is none.
    """
    places = [data] if data.is_file() else [data / "prompts.jsonl", data / "prompts.tsv"]
    for place in places:
        if place.is_file():
            return place
    raise UserError(f"{data}: no prompts.jsonl and no prompts.tsv in it; name a table, or a folder with one")


def read_prompts(table: Path, settings: PromptSettings, *, label_field: str | None = None) -> list[Prompt]:
    """Prompts in the table's order; ``id`` is the line's number where the table has none.

    Args:
        label_field: Field whose value becomes the label; every row needs it then.

    Raises:
        UserError: The table is malformed, a recording is missing, or a prompt has neither text nor audio.
    """
    root = Path(settings.audio_root) if settings.audio_root else table.parent
    required = (label_field,) if label_field else ()
    found = []
    for row in read_records(table, required=required):
        text, speech = _text(row, settings.text_field), _speech(row, settings.audio_field, root)
        if text is None and speech is None:
            raise UserError(f"{row.place}: neither {settings.text_field} nor {settings.audio_field} in the row")
        label = row.need(label_field) if label_field else ""
        found.append(Prompt(row.get("id") or row.place.rpartition(":")[2], text, speech, label))
    return found


def _text(row: Record, column: str) -> Text | None:
    value = row.get(column)
    return Text(value) if value else None


def _speech(row: Record, column: str, root: Path) -> Speech | None:
    value = row.get(column)
    return Speech(audio=audio_file(root, value, place=row.place)) if value else None


def prompts_for(prompts: Sequence[Prompt], directions: Sequence[Direction]) -> dict[Direction, list[Prompt]]:
    """Those with the part that a direction begins with, by direction; directions without any are left out.

    Raises:
        UserError: None has any.
    """
    found = {d: own for d in directions if (own := [p for p in prompts if p.part(d) is not None])}
    if not found:
        raise UserError(f"directions: no prompt has what {', '.join(directions)} begin with")
    return found


def continuations(
    generator: Generator, prompts: Sequence[Sequence[Part]], *, direction: Direction, run: int, seed: int, say: Say
) -> Iterator[list[Part]]:
    """One continuation a prompt, in their order; its draws depend on seed, direction, run and the prompt's place."""
    for first in range(0, len(prompts), _BATCH):
        batch = prompts[first : first + _BATCH]
        rng = rng_for(f"{direction}/{run}/{first}", stage="continuations", run_seed=seed)
        yield from generator.generate(
            batch,
            output="text" if direction[-1] == "T" else "speech",
            max_new_tokens=MAX_NEW_TOKENS[direction],
            temperature=TEMPERATURE,
            top_p=TOP_P,
            seed=int(rng.integers(2**31)),
        )
        say(f"{direction}, run {run + 1}: {first + len(batch)} of {len(prompts)} continuations")


def written(answer: Sequence[Part]) -> str:
    return " ".join(part.text for part in answer if isinstance(part, Text)).strip()


def heard(answer: Sequence[Part]) -> Waveform:
    """Its audio; no samples where there is none."""
    audio = [part.audio for part in answer if isinstance(part, Speech) and isinstance(part.audio, np.ndarray)]
    return np.concatenate([np.zeros(0, np.float32), *audio])
