"""Arrow tables of records: nothing is lost, and the bytes depend on the rows alone."""

import io
import random

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.arrow import (
    DROPPED_SCHEMA,
    ROWS_SCHEMA,
    dropped_to_table,
    read_parquet,
    rows_to_table,
    table_to_dropped,
    table_to_rows,
    write_parquet,
)
from schemas.records import DeadLetter, SourceRow

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
ROWS = st.lists(st.builds(SourceRow, TEXT, TEXT, TEXT, st.integers(-1, 2**40), TEXT, TEXT, TEXT, TEXT), max_size=6)
LETTERS = st.lists(
    st.builds(DeadLetter, TEXT, TEXT, TEXT, TEXT, st.sampled_from(["filtered", "failed"]), TEXT), max_size=6
)


def parquet_bytes(table):
    sink = io.BytesIO()
    write_parquet(table, sink)
    return sink.getvalue()


@given(ROWS)
def test_rows_survive(rows):
    table = read_parquet(io.BytesIO(parquet_bytes(rows_to_table(rows))))
    assert table.schema == ROWS_SCHEMA
    assert table_to_rows(table) == sorted(rows)


@given(LETTERS)
def test_dead_letters_survive(letters):
    table = read_parquet(io.BytesIO(parquet_bytes(dropped_to_table(letters))))
    assert table.schema == DROPPED_SCHEMA
    assert table_to_dropped(table) == sorted(letters)


@given(LETTERS, st.randoms(use_true_random=False))
def test_same_letters_same_bytes_in_any_order(letters, rng: random.Random):
    shuffled = letters.copy()
    rng.shuffle(shuffled)
    assert parquet_bytes(dropped_to_table(letters)) == parquet_bytes(dropped_to_table(shuffled))


def test_chunks_do_not_show_in_the_bytes():
    table = rows_to_table([SourceRow(f"u{index}", "a.wav", "text") for index in range(9)])
    pieces = pa.concat_tables([table.slice(0, 4), table.slice(4)])
    assert parquet_bytes(pieces) == parquet_bytes(table)


def test_another_table_is_refused():
    with pytest.raises(ValueError):
        table_to_rows(pa.table({"id": ["a"]}))
