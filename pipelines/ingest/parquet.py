"""Lists the rows of Parquet files with audio bytes (the layout of Hugging Face data sets) without reading the audio."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.files import local_path
from pipelines.ingest.config import ParquetConfig
from pipelines.ingest.location import matching_files, stem
from pipelines.ingest.rows import cells_by_role, make_letter, make_row, pick_columns, require_columns
from schemas.errors import RecordError, TransientError, UserError
from schemas.records import DeadLetter, SourceRow
from transforms.audio_parquet import parquet_audio_column

_ROWS_AT_ONCE = 4096


def read_parquet(config: ParquetConfig, *, needs_text: bool = True) -> Iterator[SourceRow | DeadLetter]:
    """Rows of all files that ``config.path`` means; ids are the id column's, the audio's path or ``FILE-ROW``.

    Raises:
        UserError: No file, not Parquet, no audio column, a missing text column.
    """
    location, names = matching_files(config.path, option="ingest.path", extension=".parquet")
    for name in names:
        url = location.url_of(name)
        with location.open_listed(name, scattered=True) as source:
            try:
                file = pq.ParquetFile(source)
                audio = parquet_audio_column(file.schema_arrow)
            except RecordError as error:
                raise UserError(f"ingest.path: {url}: {error.detail}") from error
            except pa.ArrowInvalid as error:
                raise UserError(f"ingest.path: {url} is not a whole Parquet file; fetch it again") from error
            required = ("text",) if needs_text else ()
            yield from _rows(config, file, required, url=url, name=name, audio=audio)


def _rows(
    config: ParquetConfig, file: pq.ParquetFile, required: tuple[str, ...], *, url: str, name: str, audio: str
) -> Iterator[SourceRow | DeadLetter]:
    schema = file.schema_arrow
    columns = [column for column in schema.names if column != audio]
    require_columns(config.columns, columns, required=required, table=url)
    chosen = pick_columns(config.columns, columns)
    kind = schema.field(audio).type
    has_path = pa.types.is_struct(kind) and kind.get_field_index("path") >= 0
    wanted = sorted(set(chosen.values())) + ([f"{audio}.path"] if has_path else [])
    row = 0
    for group in range(file.num_row_groups):
        end = row + file.metadata.row_group(group).num_rows
        try:
            for batch in file.iter_batches(_ROWS_AT_ONCE, row_groups=[group], columns=wanted):
                paths = _binary(batch.column(audio).field("path")) if has_path else pa.nulls(len(batch))
                cells = {role: _binary(batch.column(column)) for role, column in chosen.items()}
                for index in range(len(batch)):
                    record: dict[str, object] = {role: values[index].as_py() for role, values in cells.items()}
                    yield _row(config, record, paths[index].as_py(), url=url, name=name, row=row)
                    row += 1
        except (pa.ArrowInvalid, OSError) as error:
            if isinstance(error, OSError) and local_path(url) is None:
                raise TransientError(f"cannot read {url}: {error}") from error
            # Damaged pages: the rows that cannot be read are counted all the same.
            damaged = RecordError("unreadable_parquet", "the row group of this row is damaged")
            while row < end:
                yield make_letter(f"{name}:{row}", damaged, audio=url)
                row += 1


def _binary(values: pa.Array) -> pa.Array:
    """Text as bytes, so that invalid UTF-8 is met row by row and not as an error of the whole batch."""
    if pa.types.is_string(values.type):
        return values.cast(pa.binary())
    return values.cast(pa.large_binary()) if pa.types.is_large_string(values.type) else values


def _row(
    config: ParquetConfig, record: dict[str, object], path: bytes | None, *, url: str, name: str, row: int
) -> SourceRow | DeadLetter:
    try:
        cells = cells_by_role({role: role for role in record}, record)
        utterance_id = cells.pop("id", "") or stem(cells_by_role({"path": "path"}, {"path": path})["path"])
        return make_row(config, utterance_id=utterance_id or f"{stem(name)}-{row}", audio=url, audio_row=row, **cells)
    except RecordError as error:
        return make_letter(f"{name}:{row}", error, audio=url)
