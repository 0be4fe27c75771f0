"""A small corpus in every layout, and what is asked of its rows."""

import csv
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import soundfile as sf
from pydantic import TypeAdapter

from pipelines.ingest import IngestConfig, read_rows
from schemas.records import DeadLetter, SourceRow
from transforms.audio_reader import decode

EXAMPLES = Path(__file__).parents[3] / "examples/asterisk-en"
PROMPTS = [
    ("activated", "Activated."),
    ("added", "Added."),
    ("agent-pass", 'Say "four", 4 — λόγος, שלום 🎉.'),
]
ADAPTER = TypeAdapter(IngestConfig)


def audio(name):
    return (EXAMPLES / "audio" / f"{name}.flac").read_bytes()


def put_audio(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name, _ in PROMPTS:
        (folder / f"{name}.flac").write_bytes(audio(name))


def read(**config):
    return list(read_rows(ADAPTER.validate_python(config)))


def letters(items):
    return {item.utterance_id: item.code for item in items if isinstance(item, DeadLetter)}


def rows(items):
    return sorted(item for item in items if isinstance(item, SourceRow))


def assert_is_corpus(items, **expected):
    assert not letters(items)
    assert [(row.utterance_id, row.text) for row in rows(items)] == PROMPTS
    for row in rows(items):
        assert len(decode(row)[0]) == sf.info(EXAMPLES / "audio" / f"{row.utterance_id}.flac").frames
        assert {name: getattr(row, name) for name in expected} == expected


def table_text(kind, header=("id", "audio", "text"), prompts=PROMPTS):
    records = [(name, f"clips/{name}.flac", text) for name, text in prompts]
    if kind == "jsonl":
        return "".join(json.dumps(dict(zip(header, record, strict=True))) + "\n" for record in records)
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter="\t" if kind == "tsv" else ",")
    writer.writerows([header, *records])
    return buffer.getvalue()


def parquet(path, *, row_group_size=2, **columns):
    clips = [{"bytes": audio(name), "path": f"{name}.flac"} for name, _ in PROMPTS]
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    table = pa.table({"audio": pa.array(clips, kind), "sentence": [text for _, text in PROMPTS], **columns})
    pq.write_table(table, path, row_group_size=row_group_size)
    return table
