"""Rows for what is no run and keeps no accounts: a re-synthesis, a benchmark."""

from collections.abc import Callable

from pipelines.ingest.config import IngestConfig
from pipelines.ingest.readers import read_rows
from schemas.records import SourceRow


def usable_rows(source: IngestConfig, say: Callable[[str], None]) -> list[SourceRow]:
    """All rows of a source sorted; what cannot be read as one is said."""
    rows = []
    for row in read_rows(source):
        if isinstance(row, SourceRow):
            rows.append(row)
        else:
            say(f"left out {row.utterance_id}: {row.detail}")
    return sorted(rows)
