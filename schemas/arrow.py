"""Arrow schemas of corpus rows and dead letters, and Parquet files of them whose bytes depend on the rows alone."""

from collections.abc import Iterable
from dataclasses import astuple, fields
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.records import DeadLetter, SourceRow


def _schema(record: type[SourceRow] | type[DeadLetter]) -> pa.Schema:
    """One column a field, in the fields' order; ``Outcome`` and the like are strings."""
    return pa.schema(
        [pa.field(f.name, pa.int64() if f.type is int else pa.string(), nullable=False) for f in fields(record)]
    )


ROWS_SCHEMA: pa.Schema = _schema(SourceRow)
DROPPED_SCHEMA: pa.Schema = _schema(DeadLetter)


def _table(records: Iterable[SourceRow] | Iterable[DeadLetter], schema: pa.Schema) -> pa.Table:
    ordered: list[Any] = sorted(records)
    columns = zip(*map(astuple, ordered), strict=True) if ordered else [[] for _ in schema]
    arrays = [pa.array(column, type=field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def rows_to_table(rows: Iterable[SourceRow]) -> pa.Table:
    """Rows sorted by utterance id, so that the same rows in any order give the same table."""
    return _table(rows, ROWS_SCHEMA)


def table_to_rows(table: pa.Table) -> list[SourceRow]:
    """Raises pyarrow.ArrowInvalid where the columns are not those of ``ROWS_SCHEMA``."""
    return [SourceRow(**values) for values in table.cast(ROWS_SCHEMA).to_pylist()]


def dropped_to_table(letters: Iterable[DeadLetter]) -> pa.Table:
    """Dead letters sorted by all their fields, so that the same letters in any order give the same table."""
    return _table(letters, DROPPED_SCHEMA)


def table_to_dropped(table: pa.Table) -> list[DeadLetter]:
    """Raises pyarrow.ArrowInvalid where the columns are not those of ``DROPPED_SCHEMA``."""
    return [DeadLetter(**values) for values in table.cast(DROPPED_SCHEMA).to_pylist()]


def write_parquet(table: pa.Table, sink: IO[bytes]) -> None:
    """Write a table with every setting that decides a byte fixed; the footer still names the pyarrow version."""
    pq.write_table(
        table.replace_schema_metadata(None).combine_chunks(),
        sink,
        compression="zstd",
        compression_level=3,
        version="2.6",
        data_page_version="1.0",
        row_group_size=65_536,
        use_dictionary=True,
        write_statistics=True,
    )


def read_parquet(source: IO[bytes]) -> pa.Table:
    """The whole table of a file written by ``write_parquet``."""
    return pq.read_table(source)
