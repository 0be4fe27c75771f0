"""Encoded audio in a column of a Parquet file."""

from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.errors import RecordError
from transforms.audio_access import audio_file_system


def parquet_audio_column(schema: pa.Schema) -> str:
    """Name of the column that holds encoded audio: ``struct<bytes: binary, ...>``, or plain binary named ``audio``.

    Raises:
        RecordError: None or several are there and none is named ``audio`` (``unreadable_parquet``).
    """
    found = [field.name for field in schema if _holds_bytes(field.type)]
    if "audio" in schema.names and ("audio" in found or _is_binary(schema.field("audio").type)):
        return "audio"
    if len(found) != 1:
        what = f"several audio columns ({', '.join(found)})" if found else "no audio column"
        raise RecordError(
            "unreadable_parquet", f"{what}; there must be one of type struct<bytes: binary, path: string>"
        )
    return str(found[0])


def _is_binary(kind: Any) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _holds_bytes(kind: Any) -> bool:
    return bool(
        pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0 and _is_binary(kind.field("bytes").type)
    )


def read_row_group(url: str, row: int) -> tuple[int, pa.ChunkedArray]:
    """First row of the row group that holds ``row``, and the encoded audio of all its rows. No other column is read."""
    filesystem, path = audio_file_system(url)
    try:
        with filesystem.open(path, "rb", cache_type="none") as source:
            file = pq.ParquetFile(source, pre_buffer=True)
            column = parquet_audio_column(file.schema_arrow)
            leaf = f"{column}.bytes" if _holds_bytes(file.schema_arrow.field(column).type) else column
            first = 0
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                if row < first + rows:
                    values = file.read_row_group(group, columns=[leaf]).column(column)
                    return first, values if leaf == column else _field(values, "bytes")
                first += rows
    except pa.ArrowInvalid as error:
        raise RecordError("unreadable_parquet", f"{url} is damaged") from error
    raise RecordError("missing_file", f"{url} has no row {row}")


def _field(structs: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    return pa.chunked_array([chunk.field(name) for chunk in structs.chunks], type=structs.type.field(name).type)


def embedded(values: pa.ChunkedArray, index: int) -> bytes:
    encoded = values[index].as_py()
    if encoded is None:
        raise RecordError("missing_file", "the row holds no audio bytes")
    return cast(bytes, encoded)
