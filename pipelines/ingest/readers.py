"""From a corpus of any layout to a stream of rows: metadata only, no audio, constant memory, in no promised order."""

from collections.abc import Iterator

from pipelines.files import read_ids
from pipelines.ingest.config import FolderConfig, IngestConfig, LibriSpeechConfig, LJSpeechConfig, TableConfig, several
from pipelines.ingest.ljspeech import read_ljspeech
from pipelines.ingest.parquet import read_parquet
from pipelines.ingest.table import read_table
from pipelines.ingest.trees import read_folder, read_librispeech
from schemas.errors import UserError
from schemas.records import DeadLetter, SourceRow


def read_all(ingest: IngestConfig | list[IngestConfig], *, needs_text: bool = True) -> Iterator[SourceRow | DeadLetter]:
    """The rows of one corpus or of several, one after another; as ``read_rows`` gives them."""
    for config in several(ingest):
        yield from read_rows(config, needs_text=needs_text)


def read_rows(config: IngestConfig, *, needs_text: bool = True) -> Iterator[SourceRow | DeadLetter]:
    """Every utterance of a corpus once: a row, or a dead letter where its entry cannot be read.

    A row whose audio is missing or whose text is blank is a row; later stages drop it with their own reason.

    Args:
        needs_text: Refuse a corpus that has no place for texts; else they are blank.

    Raises:
        UserError: The corpus, a column or an id list is missing, or nothing is left to read.
    """
    included = read_ids(config.include_ids, option="ingest.include_ids")
    excluded = read_ids(config.exclude_ids, option="ingest.exclude_ids") or frozenset()
    found = False
    for item in _read(config, needs_text):
        if isinstance(item, SourceRow) and (
            item.utterance_id in excluded or (included is not None and item.utterance_id not in included)
        ):
            continue
        found = True
        yield item
    if not found:
        lists = " with these include_ids and exclude_ids" if config.include_ids or config.exclude_ids else ""
        raise UserError(f"ingest.path: no utterance in {config.path}{lists}; check ingest.kind ({config.kind})")


def _read(config: IngestConfig, needs_text: bool) -> Iterator[SourceRow | DeadLetter]:
    if isinstance(config, TableConfig):
        return read_table(config, needs_text=needs_text)
    if isinstance(config, LibriSpeechConfig):
        return read_librispeech(config, needs_text=needs_text)
    if isinstance(config, LJSpeechConfig):
        return read_ljspeech(config)
    if isinstance(config, FolderConfig):
        return read_folder(config)
    return read_parquet(config, needs_text=needs_text)
