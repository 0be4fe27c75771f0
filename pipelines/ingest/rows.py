"""Builds rows and dead letters the same way for every layout, and finds columns by name."""

import re
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import IO

from pipelines.ingest.config import DEFAULT_COLUMNS, Columns, IngestConfig
from schemas.errors import RecordError, UserError
from schemas.records import DeadLetter, SourceRow

STAGE = "ingest"
MAX_ID_CHARS = 1024  # a tar member's name and a file's are made of it
MAX_LINE_BYTES = 1 << 20
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def make_row(config: IngestConfig, *, utterance_id: str, audio: str, text: str = "", **known: str | int) -> SourceRow:
    """A row in which blanks are filled with the config's defaults; blanks around its id are no part of it.

    Args:
        known: ``speaker``, ``language``, ``licence``, ``audio_row`` as far as the corpus has them.

    Raises:
        RecordError: The id is blank, too long, holds control characters or is no Unicode text (``invalid_id``).
    """
    if not utterance_id.strip() or _CONTROL.search(utterance_id) or has_surrogates(utterance_id):
        raise RecordError("invalid_id", f"the id {utterance_id[:80]!r} is blank, holds control characters or no text")
    if len(utterance_id) > MAX_ID_CHARS:
        raise RecordError("invalid_id", f"the id has {len(utterance_id)} characters, {MAX_ID_CHARS} is the most")
    return SourceRow(
        utterance_id=utterance_id.strip(),  # as lists of ids are read
        audio=audio,
        text=text,
        audio_row=int(known.get("audio_row", -1)),
        speaker=str(known.get("speaker") or config.speaker),
        language=str(known.get("language") or config.language),
        licence=str(known.get("licence") or config.licence),
        source=config.source,
    )


def make_letter(place: str, error: RecordError, *, audio: str) -> DeadLetter:
    """Dead letter of a row that has no usable id of its own; ``place`` is such as ``train.tsv:17``."""
    place, detail, audio = (_as_text(value) for value in (place, error.detail, audio))
    return DeadLetter(place, STAGE, error.code, detail, error.outcome, audio)


def _as_text(value: str) -> str:
    """File names need be no text; what cannot be stored as UTF-8 is escaped."""
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


def bounded_lines(file: IO[bytes]) -> Iterator[tuple[int, bytes | RecordError]]:
    """Numbered lines with their ends; one that is too long for memory (a compressed bomb is) is passed over."""
    number = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) <= MAX_LINE_BYTES:
            yield number, line
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(MAX_LINE_BYTES)
        yield number, RecordError("malformed_row", f"the line is longer than {MAX_LINE_BYTES} bytes")


def decode_text(data: bytes) -> str:
    """Raises RecordError (``invalid_utf8``) where the bytes are no UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RecordError("invalid_utf8", f"the text is not UTF-8 (byte {error.start})") from error


def has_surrogates(text: str) -> bool:
    """Whether a string is no valid Unicode text, and so cannot be stored as UTF-8."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def pick_columns(columns: Columns, names: Collection[str]) -> dict[str, str]:
    """Which of a table's columns holds what; those that it lacks are left out."""
    chosen: dict[str, str] = {}
    for role in type(columns).model_fields:
        wanted = getattr(columns, role)
        for name in (wanted,) if wanted else DEFAULT_COLUMNS[role]:
            if name in names:
                chosen[role] = name
                break
    return chosen


def require_columns(columns: Columns, names: Collection[str], *, required: Collection[str], table: str) -> None:
    """Check that a table has what is required and what the config names.

    Raises:
        UserError: A column is missing; the message names the nearest one.
    """
    chosen = pick_columns(columns, names)
    for role in type(columns).model_fields:
        wanted = getattr(columns, role)
        if role in chosen or (wanted is None and role not in required):
            continue
        candidates = (wanted,) if wanted else DEFAULT_COLUMNS[role]
        near = next((hit for name in candidates for hit in get_close_matches(name, names, n=1)), None)
        hint = f"; did you mean {near!r}?" if near else ""
        raise UserError(
            f"ingest.columns.{role}: no column {' or '.join(map(repr, candidates))} in {table}"
            f" (it has: {', '.join(names)}){hint} Set ingest.columns.{role}"
        )


def cells_by_role(chosen: Mapping[str, str], record: Mapping[str, object]) -> dict[str, str]:
    """Cells as text, blank where null.

    Raises:
        RecordError: A cell is neither text nor a number (``malformed_row``), or no valid Unicode (``invalid_utf8``).
    """
    cells: dict[str, str] = {}
    for role, name in chosen.items():
        value = record.get(name)
        if isinstance(value, bytes):
            value = decode_text(value)
        if value is not None and (isinstance(value, bool) or not isinstance(value, str | int | float)):
            raise RecordError("malformed_row", f"column {name!r} holds a {type(value).__name__}, not text")
        text = "" if value is None else str(value)
        if has_surrogates(text):
            raise RecordError("invalid_utf8", f"column {name!r} is not valid Unicode text")
        cells[role] = text
    return cells
