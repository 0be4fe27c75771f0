"""Arrow schemas of corpus rows and dead letters, and Parquet files of them whose bytes depend on the rows alone."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from itertools import islice
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
ROW_GROUP_ROWS = 65_536


def _rows_table(records: Sequence[Any], schema: pa.Schema) -> pa.Table:
    arrays = [pa.array([getattr(record, field.name) for record in records], type=field.type) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def sorted_batches(groups: Iterable[Iterable[Any]], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """A batch a group, its rows sorted by all their fields: the same in any order give the same batch.

    They are slices of one: building a batch takes longer than a row in it.
    """
    ordered: list[list[Any]] = [sorted(group) for group in groups]
    table = _rows_table([record for group in ordered for record in group], schema)
    batch = pa.RecordBatch.from_arrays([column.combine_chunks() for column in table.columns], schema=schema)
    begin = 0
    for group in ordered:
        yield batch.slice(begin, len(group))
        begin += len(group)


def table_to_rows(table: pa.Table) -> list[SourceRow]:
    """Raises pyarrow.ArrowInvalid where the columns are not those of ``ROWS_SCHEMA``."""
    return [SourceRow(**values) for values in table.cast(ROWS_SCHEMA).to_pylist()]


def table_to_dropped(table: pa.Table) -> list[DeadLetter]:
    """Raises pyarrow.ArrowInvalid where the columns are not those of ``DROPPED_SCHEMA``."""
    return [DeadLetter(**values) for values in table.cast(DROPPED_SCHEMA).to_pylist()]


def write_dropped(letters: Iterable[DeadLetter], sink: Any) -> None:
    """Write dead letters in the order in which they come, a row group at a time in memory.

    Every setting that decides a byte is fixed; the footer still names the pyarrow version.

    Args:
        sink: Anything with ``write(bytes)``.
    """
    with pq.ParquetWriter(
        pa.PythonFile(sink, mode="w"),
        DROPPED_SCHEMA,
        compression="zstd",
        compression_level=3,
        version="2.6",
        data_page_version="1.0",
        use_dictionary=True,
        write_statistics=True,
    ) as writer:
        gathered = iter(letters)
        while group := list(islice(gathered, ROW_GROUP_ROWS)):
            writer.write_table(_rows_table(group, DROPPED_SCHEMA), row_group_size=ROW_GROUP_ROWS)


def read_parquet(source: IO[bytes]) -> pa.Table:
    """The whole table of a file written by ``write_dropped``."""
    return pq.read_table(source)
