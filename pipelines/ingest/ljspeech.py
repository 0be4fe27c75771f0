"""Reads LJ Speech and its like: ``metadata.csv`` (``ID|TEXT|NORMALISED TEXT``, no header), audio in ``wavs/``."""

from collections.abc import Iterator

from pipelines.ingest.config import LJSpeechConfig, TableColumns, TableConfig
from pipelines.ingest.location import Location, split_pattern
from pipelines.ingest.table import read_table
from schemas.errors import UserError
from schemas.records import DeadLetter, SourceRow

_CELLS = ("id", "text", "normalised")


def read_ljspeech(config: LJSpeechConfig) -> Iterator[SourceRow | DeadLetter]:
    """Rows of the table, as those of ``read_table``; the text is the one as written.

    Raises:
        UserError: There is no table, or its first line has another number of cells.
    """
    location = Location.of(config.path, option="ingest.path")
    name = "metadata.csv"
    if location.require(option="ingest.path") != "directory":
        folder, name = split_pattern(config.path)
        location = Location.of(folder, option="ingest.path")
    table = TableConfig(
        **config.model_dump(exclude={"kind", "path"}),
        path=location.url_of(name),
        format="tsv",
        delimiter="|",
        header=_header(location, name),
        columns=TableColumns(id="id", audio="id", text="text"),
        audio_root=location.url_of("wavs"),
        audio_suffix=".wav",
    )
    yield from read_table(table)


def _header(location: Location, name: str) -> tuple[str, ...]:
    try:
        with location.open_listed(name) as file:
            cells = file.readline().count(b"|") + 1
    except FileNotFoundError as error:
        raise UserError(f"ingest.path: no {name} in {location.url}; name LJ Speech's folder, or its table") from error
    if cells not in (2, 3):
        raise UserError(f"ingest.path: {location.url_of(name)} has {cells} cells a line, and no {'|'.join(_CELLS)}")
    return _CELLS[:cells]
