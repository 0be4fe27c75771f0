"""Parquet in the layout of Hugging Face data sets: real audio, ids, faults, nothing read too early."""

import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.errors import UserError
from tests.pipelines.ingest.corpora import assert_is_corpus, letters, parquet, read, rows


@pytest.mark.parametrize("where", ["part-0.parquet", "*.parquet", ""])
def test_parquet(tmp_path, where):
    parquet(tmp_path / "part-0.parquet", speaker_id=pa.array([7, 7, 7]))
    (tmp_path / "_SUCCESS").touch()
    items = read(kind="parquet", path=f"{tmp_path}/{where}")
    assert_is_corpus(items, speaker="7", audio=f"{tmp_path}/part-0.parquet")
    assert sorted(row.audio_row for row in items) == [0, 1, 2]


def test_parquet_ids(tmp_path):
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    table = pa.table(
        {"audio": pa.array([{"bytes": b"", "path": None}] * 2, kind), "text": ["a", "b"], "key": ["x", ""]}
    )
    pq.write_table(table, tmp_path / "p.parquet")
    assert {row.utterance_id for row in read(kind="parquet", path=str(tmp_path))} == {"p-0", "p-1"}
    assert {row.utterance_id for row in read(kind="parquet", path=str(tmp_path), columns={"id": "key"})} == {"x", "p-1"}


def test_parquet_listing_reads_no_audio(tmp_path):
    payload = random.Random(0).randbytes(200_000)
    clips = pa.array([{"bytes": payload, "path": f"{index}.wav"} for index in range(50)])
    pq.write_table(pa.table({"audio": clips, "text": ["t"] * 50}), tmp_path / "p.parquet", use_dictionary=False)
    pool = pa.proxy_memory_pool(pa.default_memory_pool())
    before = pool.max_memory() or 0
    previous = pa.default_memory_pool()
    pa.set_memory_pool(pool)
    try:
        assert len(read(kind="parquet", path=str(tmp_path))) == 50
    finally:
        pa.set_memory_pool(previous)
    assert (pool.max_memory() or 0) - before < 2_000_000  # the audio is 10 MB


def test_parquet_faults(tmp_path):
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    bad_text = pa.array([b"good", b"caf\xe9"], pa.binary()).view(pa.string())
    clips = pa.array([{"bytes": b"", "path": "a"}, {"bytes": b"", "path": "b"}], kind)
    pq.write_table(pa.table({"audio": clips, "text": bad_text}), tmp_path / "p.parquet")
    items = read(kind="parquet", path=f"{tmp_path}/p.parquet")
    assert letters(items) == {"p.parquet:1": "invalid_utf8"}
    assert [row.text for row in rows(items)] == ["good"]

    (tmp_path / "cut.parquet").write_bytes((tmp_path / "p.parquet").read_bytes()[:-20])
    with pytest.raises(UserError, match=r"cut\.parquet is not a whole Parquet file"):
        read(kind="parquet", path=f"{tmp_path}/cut.parquet")
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "none.parquet")
    with pytest.raises(UserError, match="no audio column"):
        read(kind="parquet", path=f"{tmp_path}/none.parquet")
    pq.write_table(pa.table({"audio": clips, "txt": ["a", "b"]}), tmp_path / "txt.parquet")
    with pytest.raises(UserError, match="did you mean 'txt'"):
        read(kind="parquet", path=f"{tmp_path}/txt.parquet")


def test_rows_of_a_damaged_parquet_page_are_counted(tmp_path):
    parquet(tmp_path / "p.parquet", row_group_size=1)
    data = bytearray((tmp_path / "p.parquet").read_bytes())
    column = pq.ParquetFile(tmp_path / "p.parquet").metadata.row_group(1)
    text = next(column.column(i) for i in range(column.num_columns) if column.column(i).path_in_schema == "sentence")
    start = text.dictionary_page_offset or text.data_page_offset
    data[start : start + text.total_compressed_size] = b"\xff" * text.total_compressed_size
    (tmp_path / "p.parquet").write_bytes(data)
    items = read(kind="parquet", path=str(tmp_path))
    assert letters(items) == {"p.parquet:1": "unreadable_parquet"}
    assert [row.utterance_id for row in rows(items)] == ["activated", "agent-pass"]
