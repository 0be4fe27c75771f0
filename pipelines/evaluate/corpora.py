"""Recordings with their transcripts, as queries and examples of a suite: a table, a LibriSpeech tree, a folder."""

from pathlib import Path

from pipelines.infer.fewshot import Example
from pipelines.infer.parts import Speech
from pipelines.ingest import read_rows
from pipelines.ingest.config import FolderConfig, IngestConfig, LibriSpeechConfig, TableConfig
from schemas.errors import UserError
from schemas.records import DeadLetter, SourceRow


def corpus_config(path: Path) -> IngestConfig:
    """How a path is read: a table, a tree with ``.trans.txt`` in it, or audio with ``.txt`` of the same name.

    Raises:
        UserError: There is nothing.
    """
    if not path.exists():
        raise UserError(f"{path}: no such file or folder")
    if path.is_file():
        return TableConfig(path=str(path))
    if next(path.rglob("*.trans.txt"), None) is not None:
        return LibriSpeechConfig(path=str(path))
    return FolderConfig(path=str(path))


def read_corpus(path: Path) -> list[SourceRow]:
    """Rows sorted by id.

    Raises:
        UserError: Nothing to read, or a row is malformed: an evaluation leaves nothing out silently.
    """
    rows: list[SourceRow] = []
    for item in read_rows(corpus_config(path)):
        if isinstance(item, DeadLetter):
            raise UserError(f"{path}: {item.utterance_id}: {item.detail}")
        if not item.text.strip():
            raise UserError(f"{path}: {item.utterance_id}: no transcript; every recording of a suite needs one")
        rows.append(item)
    return sorted(rows, key=lambda row: row.utterance_id)


def as_examples(rows: list[SourceRow], *, lower: bool) -> list[Example]:
    """Few-shot examples of rows; ``lower`` writes their texts in lower case."""
    return [Example(row.utterance_id, row.text.lower() if lower else row.text, Speech(audio=row.audio)) for row in rows]
