"""Arrow tables of records: nothing is lost, and the bytes depend on the rows alone."""

import io
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.arrow import (
    DROPPED_SCHEMA,
    ROW_GROUP_ROWS,
    ROWS_SCHEMA,
    read_parquet,
    sorted_batches,
    table_to_dropped,
    table_to_rows,
    write_dropped,
)
from schemas.records import DeadLetter, SourceRow

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
ROWS = st.lists(st.builds(SourceRow, TEXT, TEXT, TEXT, st.integers(-1, 2**40), TEXT, TEXT, TEXT, TEXT), max_size=6)
LETTERS = st.lists(
    st.builds(DeadLetter, TEXT, TEXT, TEXT, TEXT, st.sampled_from(["filtered", "failed"]), TEXT), max_size=6
)


def parquet_bytes(letters):
    sink = io.BytesIO()
    write_dropped(letters, sink)
    return sink.getvalue()


@given(st.lists(ROWS, max_size=5))
def test_rows_survive_in_their_groups(groups):
    batches = list(sorted_batches(groups, ROWS_SCHEMA))
    written = [batch.serialize() for batch in batches]
    read = [pa.Table.from_batches([pa.ipc.read_record_batch(data, ROWS_SCHEMA)]) for data in written]
    assert [table_to_rows(table) for table in read] == [sorted(rows) for rows in groups]


@given(LETTERS)
def test_dead_letters_survive_in_their_order(letters):
    table = read_parquet(io.BytesIO(parquet_bytes(letters)))
    assert table.schema == DROPPED_SCHEMA
    assert table_to_dropped(table) == letters


def test_row_groups_hide_nothing():
    letters = [DeadLetter(f"u{n}", "decode", "missing_file", "-", "failed", "") for n in range(ROW_GROUP_ROWS + 7)]
    written = parquet_bytes(iter(letters))
    assert pq.ParquetFile(io.BytesIO(written)).num_row_groups == 2
    assert table_to_dropped(read_parquet(io.BytesIO(written))) == letters


@given(LETTERS, st.randoms(use_true_random=False))
def test_same_letters_same_table_in_any_order(letters, rng: random.Random):
    shuffled = letters.copy()
    rng.shuffle(shuffled)
    assert list(sorted_batches([letters], DROPPED_SCHEMA)) == list(sorted_batches([shuffled], DROPPED_SCHEMA))


def test_another_table_is_refused():
    with pytest.raises(ValueError):
        table_to_rows(pa.table({"id": ["a"]}))
