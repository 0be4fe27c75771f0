"""Builds rows and dead letters the same way for every layout, and finds columns by name."""

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches

from pipelines.ingest.config import DEFAULT_COLUMNS, Columns, IngestConfig
from schemas.errors import RecordError, UserError
from schemas.records import DeadLetter, SourceRow

STAGE = "ingest"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def make_row(config: IngestConfig, *, utterance_id: str, audio: str, text: str, **known: str | int) -> SourceRow:
    """A row in which blanks are filled with the config's defaults.

    Args:
        known: ``speaker``, ``language``, ``licence``, ``audio_row`` as far as the corpus has them.

    Raises:
        RecordError: The id is blank or holds control characters (``invalid_id``).
    """
    if not utterance_id.strip() or _CONTROL.search(utterance_id):
        raise RecordError("invalid_id", f"the id {utterance_id!r} is blank or holds control characters")
    return SourceRow(
        utterance_id=utterance_id,
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
    return DeadLetter(place, STAGE, error.code, error.detail, error.outcome, audio)


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
