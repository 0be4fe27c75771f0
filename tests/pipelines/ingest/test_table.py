"""Tables: real audio, columns, malformed rows, any text; in constant memory."""

import bz2
import csv
import gzip
import io
import json
import lzma
import shutil
import tracemalloc
from pathlib import Path

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.ingest import TableConfig, read_rows
from schemas.records import DeadLetter, SourceRow
from tests.pipelines.ingest.corpora import (
    EXAMPLES,
    assert_is_corpus,
    letters,
    put_audio,
    read,
    rows,
    table_text,
)


@pytest.mark.parametrize("kind", ["tsv", "csv", "jsonl"])
@pytest.mark.parametrize(
    ("suffix", "pack"), [("", bytes), (".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)]
)
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_tables(tmp_path, kind, suffix, pack, mark):
    put_audio(tmp_path / "clips")
    table = tmp_path / f"train.{kind}{suffix}"
    table.write_bytes(pack(mark + table_text(kind).encode()))
    items = read(kind="table", path=str(table), speaker="ann", licence="CC0-1.0", source="mine", language="fr")
    assert_is_corpus(items, speaker="ann", licence="CC0-1.0", source="mine", language="fr")


def test_the_bundled_corpus_is_read_as_it_is():
    items = read(kind="table", path=str(EXAMPLES / "transcripts.tsv"))
    assert len(rows(items)) == len(items) == 551
    assert {row.licence for row in items} == {"CC-BY-SA-3.0"}
    quoted = next(row.text for row in items if row.utterance_id == "screen-callee-options")
    assert quoted.startswith("You have") and 'polite "don\'t call" menu.' in quoted  # noqa: PT018


def test_columns_by_their_usual_names_and_by_config(tmp_path):
    (tmp_path / "cv.tsv").write_text("client_id\tpath\tsentence\tlocale\nann\tx.mp3\tHello\tfr\n\tb/y.mp3\tAdieu\t\n")
    usual = read(kind="table", path=f"{tmp_path}/cv.tsv", audio_root=f"{tmp_path}/clips", speaker="?")
    assert rows(usual) == [
        SourceRow("b/y", f"{tmp_path}/clips/b/y.mp3", "Adieu", speaker="?", language="en"),
        SourceRow("x", f"{tmp_path}/clips/x.mp3", "Hello", speaker="ann", language="fr"),
    ]
    named = read(kind="table", path=f"{tmp_path}/cv.tsv", columns={"id": "sentence", "text": "client_id"})
    assert [(row.utterance_id, row.text) for row in rows(named)] == [("Adieu", ""), ("Hello", "ann")]


def test_a_headerless_table_with_its_own_delimiter(tmp_path):
    (tmp_path / "metadata.csv").write_text('LJ001-0001|Printing, in "the" only|x\nLJ001-0002|"in being|y\n')
    items = read(
        kind="table",
        path=f"{tmp_path}/metadata.csv",
        format="tsv",
        delimiter="|",
        header=["id", "text", "normalised"],
        columns={"audio": "id"},
        audio_root=f"{tmp_path}/wavs/",
        audio_suffix=".wav",
    )
    assert rows(items) == [
        SourceRow("LJ001-0001", f"{tmp_path}/wavs/LJ001-0001.wav", 'Printing, in "the" only'),
        SourceRow("LJ001-0002", f"{tmp_path}/wavs/LJ001-0002.wav", '"in being'),
    ]


def test_a_nemo_manifest(tmp_path):
    lines = [
        {"audio_filepath": "wavs/a.wav", "duration": 1.5, "text": "one"},
        {"audio_filepath": "/data/b.wav", "duration": 1.5, "offset": 0.0, "text": "two"},
        {"audio_filepath": "c.wav", "duration": 1.5, "offset": 3.25, "text": "three"},
    ]
    (tmp_path / "train_manifest.json").write_text("\n".join(map(json.dumps, lines)))
    items = read(kind="table", path=f"{tmp_path}/train_manifest.json")
    assert rows(items) == [
        SourceRow("/data/b", "/data/b.wav", "two"),
        SourceRow("wavs/a", f"{tmp_path}/wavs/a.wav", "one"),
    ]
    assert letters(items) == {"train_manifest.json:3": "part_of_recording"}


def test_relative_absolute_and_remote_audio(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("d").mkdir()
    Path("d/t.tsv").write_text("audio\ttext\n./a.wav\tx\n/b.wav\tx\ns3://c/d.wav\tx\n")
    assert [(row.utterance_id, row.audio) for row in rows(read(kind="table", path="d/t.tsv"))] == [
        ("/b", "/b.wav"),
        ("a", "d/a.wav"),
        ("s3://c/d", "s3://c/d.wav"),
    ]
    shutil.copy("d/t.tsv", "t.tsv")
    assert {row.audio for row in read(kind="table", path="t.tsv")} == {"a.wav", "/b.wav", "s3://c/d.wav"}
    assert len(read(kind="table", path="*/*.tsv")) == 3


def test_a_table_at_the_top_of_a_store():
    fsspec.filesystem("memory").pipe("memory://top.csv", b"audio,text\na.wav,x\n")
    assert [row.audio for row in read(kind="table", path="memory://top.csv")] == ["memory://a.wav"]


def test_malformed_rows_are_dead_letters_and_the_rest_goes_on(tmp_path):
    (tmp_path / "t.tsv").write_bytes(
        b"id\taudio\ttext\na\ta.wav\tone\nb\tb.wav\n\nc\tc.wav\tcaf\xe9\nd\td.wav\tx\ty\n \te.wav\tx\n"
    )
    items = read(kind="table", path=f"{tmp_path}/t.tsv")
    assert letters(items) == {
        "t.tsv:3": "malformed_row",
        "t.tsv:5": "invalid_utf8",
        "t.tsv:6": "malformed_row",
        "t.tsv:7": "invalid_id",
    }
    assert {item.detail for item in items if isinstance(item, DeadLetter)} >= {"the row has 2 cells, the header has 3"}
    assert [row.utterance_id for row in rows(items)] == ["a"]


def test_malformed_csv(tmp_path):
    (tmp_path / "t.csv").write_bytes(
        b'audio,text\na.wav,"one\ntwo"\nb.wav,"x"y\nc.wav,caf\xe9\nd.wav,d\ne.wav,"never closed\nf.wav,f\n'
    )
    items = read(kind="table", path=f"{tmp_path}/t.csv")
    swallowed = dict.fromkeys(("t.csv:7", "t.csv:8"), "malformed_row")
    assert letters(items) == {"t.csv:4": "malformed_row", "t.csv:5": "invalid_utf8", **swallowed}
    assert [(row.utterance_id, row.text) for row in rows(items)] == [("a", "one\ntwo"), ("d", "d")]
    assert any(item.detail.startswith("lines 7 to 8: ") for item in items if isinstance(item, DeadLetter))


def test_rows_that_an_unclosed_quote_swallows_are_all_counted(tmp_path):
    lines = [f"{number}.wav,text {number}" for number in range(300)]
    lines[10] = '10.wav,"text 10'
    (tmp_path / "t.csv").write_text("audio,text\n" + "\n".join(lines))
    items = read(kind="table", path=f"{tmp_path}/t.csv")
    assert len(items) == 300
    assert len(rows(items)) == 10


@pytest.mark.parametrize("first", ['{"audio": "b.wav"}', '{"text": "b"}', "{}"])
def test_the_first_row_of_jsonl_may_lack_a_column_as_any_other(tmp_path, first):
    (tmp_path / "t.jsonl").write_text(f'{first}\n{{"audio": "a.wav", "text": "a"}}\n')
    items = read(kind="table", path=f"{tmp_path}/t.jsonl")
    assert letters(items) == {"t.jsonl:1": "malformed_row"}
    assert [row.utterance_id for row in rows(items)] == ["a"]


def test_malformed_json(tmp_path):
    good = '{"audio": "a.wav", "text": null, "id": 17}'
    bad = ["{", "[]", "3", '{"audio": "b.wav"}', '{"audio": {"path": "c"}, "text": ""}', "[" * 100_000]
    unpaired = '{"audio": "d.wav", "text": "\\ud800"}'
    (tmp_path / "t.jsonl").write_text("\n".join([good, *bad, unpaired]))
    items = read(kind="table", path=f"{tmp_path}/t.jsonl")
    expected = {f"t.jsonl:{line}": "malformed_row" for line in range(2, 8)}
    assert letters(items) == {**expected, "t.jsonl:8": "invalid_utf8"}
    assert rows(items) == [SourceRow("17", f"{tmp_path}/a.wav", "")]


def test_missing_audio_is_not_the_readers_concern(tmp_path):
    (tmp_path / "t.csv").write_text("audio,text\ngone.wav,x\n,y\n")
    items = read(kind="table", path=f"{tmp_path}/t.csv")
    assert rows(items) == [SourceRow("gone", f"{tmp_path}/gone.wav", "x")]
    assert letters(items) == {"t.csv:3": "invalid_id"}


TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.lists(TEXT, min_size=1, max_size=5))
def test_any_text_survives_in_jsonl_and_csv(texts):
    """Tabs, quotes, line breaks, emoji, right-to-left marks and NUL come back as they were."""
    store = fsspec.filesystem("memory")
    records = [{"id": f"u{index}", "audio": "a.wav", "text": text} for index, text in enumerate(texts)]
    lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    store.pipe("/texts/t.jsonl", lines.encode())
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, ["id", "audio", "text"], quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(records)
    store.pipe("/texts/t.csv", buffer.getvalue().encode())
    for name in ("t.jsonl", "t.csv"):
        items = read(kind="table", path=f"memory://texts/{name}")
        assert [item.text for item in items if isinstance(item, SourceRow)] == texts


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"])), min_size=1, max_size=5))
def test_any_line_survives_in_tsv_as_csv_writes_it(texts):
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter="\t")
    writer.writerows([("id", "audio", "text"), *((f"u{index}", "a", text) for index, text in enumerate(texts))])
    fsspec.filesystem("memory").pipe("/texts/t.tsv", buffer.getvalue().encode())
    assert [row.text for row in read(kind="table", path="memory://texts/t.tsv")] == texts


@given(st.binary(max_size=300), st.sampled_from(["tsv", "csv", "jsonl"]))
def test_no_bytes_crash_a_table(noise, kind):
    head = (
        b'{"audio": "a", "text": "b"}\n'
        if kind == "jsonl"
        else b"audio\ttext\na\tb\n".replace(b"\t", b"\t,"[kind == "csv" :][:1])
    )
    fsspec.filesystem("memory").pipe(f"/noise/t.{kind}", head + noise)
    items = read(kind="table", path=f"memory://noise/t.{kind}")
    assert items[0].text == "b"
    for item in items:
        json.dumps(item.audio).encode()
        item.utterance_id.encode()


def test_memory_does_not_grow_with_the_table(tmp_path):
    def peak(count):
        path = tmp_path / f"{count}.tsv"
        path.write_text("audio\ttext\n" + "".join(f"{index}.wav\tsome words\n" for index in range(count)))
        tracemalloc.start()
        assert sum(1 for _ in read_rows(TableConfig(path=str(path)))) == count
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(10)
    assert peak(6_000) < peak(1_000) + 50_000
