"""What every reader does alike: object stores, id lists, and what the user is told."""

import errno
import gzip
import json
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.local import LocalFileSystem
from pydantic import ValidationError

from pipelines.ingest import FolderConfig, LibriSpeechConfig, LJSpeechConfig, ParquetConfig, TableConfig, read_rows
from schemas.errors import UserError
from tests.pipelines.ingest.corpora import ADAPTER, PROMPTS, audio, parquet, put_audio, read, rows, table_text
from transforms.audio_reader import decode


@pytest.mark.parametrize("kind", ["table", "folder", "librispeech", "parquet"])
def test_every_layout_on_an_object_store(tmp_path, kind):
    root = f"memory://bucket-{kind}"
    store = fsspec.filesystem("memory")
    if kind == "parquet":
        parquet(tmp_path / "a.parquet")
        store.pipe(f"{root}/a.parquet", (tmp_path / "a.parquet").read_bytes())
    for index, (name, text) in enumerate(PROMPTS):
        stem = {"table": f"clips/{name}", "librispeech": f"1/2/1-2-{index}"}.get(kind, name)
        if kind != "parquet":
            store.pipe(f"{root}/{stem}.flac", audio(name))
        if kind == "folder":
            store.pipe(f"{root}/{stem}.txt", text.encode())
    if kind == "table":
        store.pipe(f"{root}/t.csv", table_text("csv").encode())
    if kind == "librispeech":
        lines = "".join(f"1-2-{index} {text}\n" for index, (_, text) in enumerate(PROMPTS))
        store.pipe(f"{root}/1/2/1-2.trans.txt", lines.encode())
    items = read(kind=kind, path=f"{root}/t.csv" if kind == "table" else root)
    assert [row.text for row in rows(items)] == [text for _, text in PROMPTS]
    assert all(row.audio.startswith(f"{root}/") and len(decode(row)[0]) for row in rows(items))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"kind": "table", "path": "nowhere/t.tsv"}, "ingest.path: nothing at nowhere/t.tsv"),
        ({"kind": "table", "path": "none-*.tsv"}, "ingest.path: no file matches none-*.tsv"),
        ({"kind": "table", "path": "sub"}, "ingest.path: sub is a folder"),
        ({"kind": "table", "path": "t.xlsx"}, "ingest.format: cannot tell the format of t.xlsx"),
        ({"kind": "table", "path": "t.tsv", "columns": {"text": "sentense"}}, "did you mean 'sentence'? Set ingest.c"),
        (
            {"kind": "table", "path": "t.tsv", "columns": {"speaker": "who"}},
            "no column 'who' in t.tsv (it has: audio, ",
        ),
        ({"kind": "table", "path": "audioless.jsonl"}, "ingest.columns.audio: no column 'audio' or 'path' or"),
        ({"kind": "table", "path": "utf16.csv"}, "cannot read the header of utf16.csv"),
        ({"kind": "table", "path": "cut.tsv.gz"}, "ingest.path: cut.tsv.gz is a damaged archive"),
        ({"kind": "table", "path": "empty.csv"}, "ingest.path: no utterance in empty.csv"),
        ({"kind": "table", "path": "t.tsv", "include_ids": "x.txt"}, "ingest.include_ids: no file x.txt"),
        ({"kind": "table", "path": "t.tsv", "exclude_ids": "sub"}, "ingest.exclude_ids: cannot read sub"),
        ({"kind": "table", "path": "fold*.tsv"}, "ingest.path: cannot read folder.tsv: Is a directory"),
        ({"kind": "table", "path": "nope://t.tsv"}, "ingest.path: cannot open nope://"),
        ({"kind": "table", "path": "lj.csv"}, "ingest.path: lj.csv has '|' between its cells; set ingest.kind to ljsp"),
        ({"kind": "table", "path": "array.json"}, "ingest.path: array.json is one JSON array; write an object a line"),
        ({"kind": "ljspeech", "path": "nowhere"}, "ingest.path: nothing at nowhere"),
        ({"kind": "ljspeech", "path": "sub"}, "ingest.path: no metadata.csv in sub; name LJ Speech's folder"),
        ({"kind": "ljspeech", "path": "utf16.csv"}, "ingest.path: utf16.csv has 1 cells a line, and no id|text|norm"),
        ({"kind": "folder", "path": "nowhere"}, "ingest.path: nothing at nowhere"),
        ({"kind": "folder", "path": "t.tsv"}, "ingest.path: t.tsv is a file"),
        ({"kind": "folder", "path": "sub"}, "ingest.path: no utterance in sub; check ingest.kind (folder)"),
        ({"kind": "librispeech", "path": "."}, "no *.trans.txt below ."),
        ({"kind": "parquet", "path": "sub"}, "ingest.path: no *.parquet file in sub"),
        ({"kind": "parquet", "path": "t.tsv"}, "t.tsv is not a whole Parquet file"),
    ],
)
def test_mistakes_end_in_one_clear_line(tmp_path, monkeypatch, config, message):
    monkeypatch.chdir(tmp_path)
    Path("sub").mkdir()
    Path("folder.tsv").mkdir()
    Path("t.tsv").write_text("audio\tsentence\na.wav\tx\n")
    Path("t.xlsx").touch()
    Path("audioless.jsonl").write_text('{"text": "a", "wave": "a.wav"}\n')
    Path("utf16.csv").write_bytes("audio,text\n".encode("utf-16"))
    Path("cut.tsv.gz").write_bytes(gzip.compress(b"audio\ttext\na\tb\n" * 99)[:-20])
    Path("empty.csv").touch()
    Path("lj.csv").write_text("LJ001-0001|Printing, in the only sense|Printing, in the only sense\n")
    Path("array.json").write_text('[\n{"audio": "a.wav", "text": "a"}\n]\n')
    with pytest.raises(UserError) as caught:
        read(**config)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_may_not_be_read_is_one_line(tmp_path, monkeypatch):
    put_audio(tmp_path / "clips")
    (tmp_path / "t.csv").write_text(table_text("csv"))

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(LocalFileSystem, "open", refused)
    with pytest.raises(UserError, match=r"ingest.path: cannot read .*t.csv: Permission denied"):
        read(kind="table", path=f"{tmp_path}/t.csv")
    monkeypatch.setattr(LocalFileSystem, "ls", refused)
    with pytest.raises(UserError, match=r"ingest.path: no permission to list .*clips"):
        read(kind="folder", path=f"{tmp_path}/clips")


def test_id_lists(tmp_path):
    put_audio(tmp_path / "clips")
    (tmp_path / "t.csv").write_text(table_text("csv"))
    (tmp_path / "ids.txt").write_text("added\n\n agent-pass \nunknown\n")
    ids = f"{tmp_path}/ids.txt"
    some = read(kind="table", path=f"{tmp_path}/t.csv", include_ids=ids)
    rest = read(kind="table", path=f"{tmp_path}/t.csv", exclude_ids=ids)
    assert [row.utterance_id for row in some] == ["added", "agent-pass"]
    assert [row.utterance_id for row in rest] == ["activated"]
    with pytest.raises(UserError, match="with these include_ids"):
        read(kind="table", path=f"{tmp_path}/t.csv", include_ids=ids, exclude_ids=ids)


def test_blanks_around_ids_and_a_mark_at_the_start_of_a_list_do_not_count(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"id": " added ", "audio": "a.wav", "text": "Added."}\n')
    (tmp_path / "ids.txt").write_bytes(b"\xef\xbb\xbfadded\n")
    (row,) = read(kind="table", path=f"{tmp_path}/t.jsonl", include_ids=f"{tmp_path}/ids.txt")
    assert row.utterance_id == "added"


@pytest.mark.parametrize(
    "bad", [{"kind": "zip"}, {"kind": "folder", "colums": {}}, {"kind": "table", "columns": {"a": "b"}}]
)
def test_configs_refuse_what_they_do_not_know(bad):
    with pytest.raises(ValidationError):
        ADAPTER.validate_python({"path": "x", **bad})


@pytest.mark.parametrize("cls", [TableConfig, FolderConfig, LibriSpeechConfig, LJSpeechConfig, ParquetConfig])
def test_configs_survive_a_round_trip(cls):
    config = cls(path="x", speaker="ann")
    assert ADAPTER.validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize("kind", ["tsv", "csv", "jsonl", "parquet", "bytes.parquet", "librispeech"])
def test_what_has_no_place_for_texts_is_read_where_none_are_needed(tmp_path, kind):
    path, layout = tmp_path / f"corpus.{kind}", kind.rpartition(".")[2]
    names = [name for name, _ in PROMPTS]
    if layout == "parquet":
        clips = [{"bytes": audio(name), **({"path": name} if kind == layout else {})} for name in names]
        pq.write_table(pa.table({"audio": clips}), path, row_group_size=2)
    elif layout == "librispeech":
        put_audio(path)
    elif layout == "jsonl":
        path.write_text("".join(json.dumps({"audio": f"{name}.flac"}) + "\n" for name in names))
    else:
        path.write_text("audio\n" + "".join(f"{name}.flac\n" for name in names))
    config = {"kind": layout if layout in ("parquet", "librispeech") else "table", "path": str(path)}
    items = list(read_rows(ADAPTER.validate_python(config), needs_text=False))
    assert [row.text for row in rows(items)] == [""] * len(names) == [row.text for row in items]
    expected = [f"corpus.bytes-{row}" for row in range(3)] if kind.startswith("bytes") else names
    assert [row.utterance_id for row in rows(items)] == expected
    with pytest.raises(UserError, match=r"no column 'text'|trans\.txt"):
        read(**config)
