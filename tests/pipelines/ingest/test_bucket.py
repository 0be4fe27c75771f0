"""Every layout in a bucket, behind a real HTTP server."""

import gzip
import random
from hashlib import sha256

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.faults.store_server import BUCKET
from tests.pipelines.ingest.corpora import PROMPTS, assert_is_corpus, audio, parquet, read, rows, table_text
from transforms.audio_reader import AudioReader, decode

ROOT = f"s3://{BUCKET}"


def put_clips(bucket, folder):
    for name, _ in PROMPTS:
        bucket.put(f"{folder}/{name}.flac", audio(name))


@pytest.mark.parametrize("ending", ["tsv", "csv", "jsonl", "tsv.gz", "jsonl.gz"])
@pytest.mark.parametrize("pattern", [False, True])
def test_a_table(bucket, ending, pattern):
    put_clips(bucket, "table/clips")
    text = table_text(ending.removesuffix(".gz")).encode()
    bucket.put(f"table/rows.{ending}", gzip.compress(text) if ending.endswith("gz") else text)
    name = f"row*.{ending}" if pattern else f"rows.{ending}"
    assert_is_corpus(read(kind="table", path=f"{ROOT}/table/{name}"))


def test_ljspeech(bucket):
    bucket.put("lj/metadata.csv", "".join(f"{name}|{text}|{text}\n" for name, text in PROMPTS).encode())
    found = rows(read(kind="ljspeech", path=f"{ROOT}/lj"))
    assert [(row.utterance_id, row.text, row.audio) for row in found] == [
        (name, text, f"{ROOT}/lj/wavs/{name}.wav") for name, text in PROMPTS
    ]


def test_librispeech(bucket):
    put_clips(bucket, "ls/1/2")
    bucket.put("ls/1/2/1-2.trans.txt", "".join(f"{name} {text}\n" for name, text in PROMPTS).encode())
    assert_is_corpus(read(kind="librispeech", path=f"{ROOT}/ls"))


def test_a_folder(bucket):
    put_clips(bucket, "folder")
    for name, text in PROMPTS:
        bucket.put(f"folder/{name}.txt", text.encode())
    assert_is_corpus(read(kind="folder", path=f"{ROOT}/folder"))


def test_a_row_of_a_folder_costs_two_requests_and_rows_keep_their_order(bucket):
    names = [f"{n:03d}" for n in range(150)]
    for name in names:
        bucket.put(f"many/{name}.wav", b"RIFF")
        bucket.put(f"many/{name}.txt", name.encode() * (name != "007"))
    asked = bucket.weather.seen["fair"]
    found = read(kind="folder", path=f"{ROOT}/many")
    assert [(row.utterance_id, row.text) for row in found] == [(n, n * (n != "007")) for n in names]
    assert bucket.weather.seen["fair"] - asked <= 2 * len(names) + 5


def test_names_with_a_double_slash_are_read(bucket):
    names = ("a", "sub/c", "sub//b", "sub//x/e", "/f")
    for name in (*names, "sub//.hidden"):
        bucket.put(f"double/{name}.flac", audio("added"))
        bucket.put(f"double/{name}.txt", name.encode())
    bucket.put("double/sub/", b"")
    found = rows(read(kind="folder", path=f"{ROOT}/double"))
    assert {row.utterance_id: row.text for row in found} == {name: name for name in names}
    assert len(found) == len(names)
    assert {len(decode(row)[0]) for row in found} == {len(decode(found[0])[0])}


def test_listing_parquet_and_reading_a_row_fetch_little_more_than_the_rows(bucket, tmp_path):
    clip = random.Random(1).randbytes(400_000)
    clips = pa.array([{"bytes": clip, "path": f"{n}.flac"} for n in range(50)])
    pq.write_table(
        pa.table({"audio": clips, "text": ["x"] * 50}), tmp_path / "b.parquet", row_group_size=5, use_dictionary=False
    )
    bucket.put("large/b.parquet", (tmp_path / "b.parquet").read_bytes())
    before = bucket.weather.sent_bytes
    found = rows(read(kind="parquet", path=f"{ROOT}/large/b.parquet"))
    assert len(found) == 50
    assert bucket.weather.sent_bytes - before < 12 << 20  # of 20 MB
    before = bucket.weather.sent_bytes
    assert AudioReader().digest(next(row for row in found if row.audio_row == 7)) == sha256(clip).hexdigest()
    assert bucket.weather.sent_bytes - before < 5 * len(clip) + 100_000


def test_parquet(bucket, tmp_path):
    parquet(tmp_path / "a.parquet", id=[name for name, _ in PROMPTS])
    bucket.put("parquet/a.parquet", (tmp_path / "a.parquet").read_bytes())
    assert_is_corpus(read(kind="parquet", path=f"{ROOT}/parquet"))
