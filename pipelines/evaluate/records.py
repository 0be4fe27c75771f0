"""Rows of the tables that evaluation sets come as, each with its place, so that a mistake can be named."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import UserError

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3")


@dataclass(frozen=True, slots=True)
class Record:
    """A row: its cells by column, and where it stands (``FILE:LINE``)."""

    place: str
    cells: Mapping[str, str]

    def get(self, column: str) -> str:
        return self.cells.get(column, "").strip()

    def need(self, column: str) -> str:
        """A cell that must hold something.

        Raises:
            UserError: It is empty.
        """
        value = self.get(column)
        if not value:
            raise UserError(f"{self.place}: {column} is empty; every row needs it")
        return value


def read_records(path: Path, *, required: Sequence[str]) -> list[Record]:
    """Rows of a CSV, TSV or JSONL (one object a line) with these columns at least.

    Raises:
        UserError: The file is missing, no UTF-8 or empty, a column is missing, or a row is malformed.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file; the suite's data need it (see `plait evaluate list`)")
    try:
        rows = list(_json_rows(path) if path.suffix == ".jsonl" else _delimited_rows(path))
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    if not rows:
        raise UserError(f"{path}: no rows; expected the columns {', '.join(required)}")
    for row in rows:
        missing = [column for column in required if column not in row.cells]
        if missing:
            raise UserError(f"{row.place}: no column {missing[0]} (there are: {', '.join(row.cells)})")
    return rows


def _delimited_rows(path: Path) -> Iterator[Record]:
    if path.suffix not in (".csv", ".tsv"):
        raise UserError(f"{path}: cannot tell its format by its name; use .csv, .tsv or .jsonl")
    with path.open(encoding="utf-8-sig", newline="") as file:
        if path.suffix == ".tsv":
            reader = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        else:
            reader = csv.reader(file, strict=True)
        header: list[str] | None = None
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise UserError(f"{path}:{line}: {error}") from error
            if not cells:
                continue
            if header is None:
                header = cells
                continue
            if len(cells) != len(header):
                raise UserError(f"{path}:{line}: the row has {len(cells)} cells, the header has {len(header)}")
            yield Record(f"{path}:{line}", dict(zip(header, cells, strict=True)))


def _json_rows(path: Path) -> Iterator[Record]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except json.JSONDecodeError as error:
                raise UserError(f"{path}:{number}: not JSON: {error.msg}") from error
            if not isinstance(value, dict):
                raise UserError(f"{path}:{number}: expected an object, {{...}}")
            yield Record(f"{path}:{number}", {str(key): _as_text(cell) for key, cell in value.items()})


def _as_text(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


def audio_file(folder: Path, name: str, *, place: str) -> Path:
    """A recording by its name, with or without its extension, below a folder.

    Raises:
        UserError: It is not there.
    """
    stem = folder / name
    if stem.suffix.lower() in AUDIO_SUFFIXES and stem.is_file():
        return stem
    for suffix in AUDIO_SUFFIXES:
        path = stem.with_name(stem.name + suffix)
        if path.is_file():
            return path
    raise UserError(f"{place}: no audio {stem} ({', '.join(AUDIO_SUFFIXES)})")


def read_text_file(path: Path) -> str:
    """The text of a file that holds one text.

    Raises:
        UserError: It is missing, empty, or no UTF-8.
    """
    try:
        text = " ".join(path.read_text(encoding="utf-8-sig").split())
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; every item needs it") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    if not text:
        raise UserError(f"{path}: the file is empty; it must hold the item's text")
    return text
