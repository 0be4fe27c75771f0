"""Reading corpora of every layout: real audio, the same rows out, and what each kind of fault becomes."""

import bz2
import csv
import errno
import gzip
import io
import json
import lzma
import random
import shutil
import tracemalloc
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile as sf
from fsspec.implementations.local import LocalFileSystem
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from pipelines.ingest import FolderConfig, IngestConfig, LibriSpeechConfig, ParquetConfig, TableConfig, read_rows
from schemas.errors import UserError
from schemas.records import DeadLetter, SourceRow
from transforms.audio import decode

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


# Layouts


def table_text(kind, header=("id", "audio", "text"), prompts=PROMPTS):
    records = [(name, f"clips/{name}.flac", text) for name, text in prompts]
    if kind == "jsonl":
        return "".join(json.dumps(dict(zip(header, record, strict=True))) + "\n" for record in records)
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter="\t" if kind == "tsv" else ",")
    writer.writerows([header, *records])
    return buffer.getvalue()


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


def test_folder(tmp_path):
    for index, (name, text) in enumerate(PROMPTS):
        put = tmp_path / "sub" / str(index)
        put.mkdir(parents=True)
        (put / f"{name}.FLAC").write_bytes(audio(name))
        (put / f"{name}.txt").write_text(text + "\n", encoding="utf-8")
    items = read(kind="folder", path=f"{tmp_path}/", speaker="ann")
    assert not letters(items)
    expected = [(f"sub/{index}/{name}", text) for index, (name, text) in enumerate(PROMPTS)]
    assert [(row.utterance_id, row.text) for row in rows(items)] == expected
    assert all(len(decode(row)[0]) for row in rows(items))
    assert {row.audio for row in rows(items)} == {f"{tmp_path}/{name}.FLAC" for name, _ in expected}


def test_links_to_folders_are_followed_and_loops_are_not(tmp_path):
    put_audio(tmp_path / "elsewhere" / "b")
    (tmp_path / "corpus" / "c").mkdir(parents=True)
    (tmp_path / "corpus" / "c" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "corpus" / "up").symlink_to(tmp_path)
    (tmp_path / "corpus" / "c" / "self").symlink_to(tmp_path / "corpus" / "c")
    (tmp_path / "elsewhere" / "b" / "back").symlink_to(tmp_path / "corpus" / "c")
    (tmp_path / "corpus" / "nowhere").symlink_to(tmp_path / "none")
    items = read(kind="folder", path=str(tmp_path / "corpus"))
    assert [row.utterance_id for row in rows(items)] == [f"c/linked/b/{name}" for name, _ in PROMPTS]
    (tmp_path / "link").symlink_to(tmp_path / "corpus")
    again = read(kind="folder", path=str(tmp_path / "link"))
    assert [row.utterance_id for row in rows(again)] == [f"c/linked/b/{name}" for name, _ in PROMPTS]


def test_folder_faults(tmp_path):
    for name in ("mute.wav", "both.wav", "both.flac", "bad.wav", ".hidden.wav", "notes.pdf"):
        (tmp_path / name).write_bytes(b"")
    for name in ("both.txt", "deaf.txt"):
        (tmp_path / name).write_text("text")
    (tmp_path / "bad.txt").write_bytes(b"caf\xe9")
    items = read(kind="folder", path=str(tmp_path))
    assert letters(items) == {"bad.txt": "invalid_utf8", "both.wav": "ambiguous_audio"}
    assert rows(items) == [
        SourceRow("both", f"{tmp_path}/both.flac", "text"),
        SourceRow("deaf", f"{tmp_path}/deaf", "text"),
        SourceRow("mute", f"{tmp_path}/mute.wav", ""),
    ]


def test_librispeech(tmp_path):
    chapter = tmp_path / "dev" / "84" / "121123"
    chapter.mkdir(parents=True)
    for index, (name, _) in enumerate(PROMPTS):
        (chapter / f"84-121123-{index:04d}.flac").write_bytes(audio(name))
    (chapter / "84-121123.trans.txt").write_bytes(
        b"84-121123-0000 GO ON\n\n84-121123-0001 CAF\xe9\n84-121123-0009 NOT HERE\n"
    )
    items = read(kind="librispeech", path=f"{tmp_path}/dev", source="LibriSpeech")
    url = f"{tmp_path}/dev/84/121123/84-121123"
    assert letters(items) == {"84/121123/84-121123.trans.txt:3": "invalid_utf8"}
    assert [(row.utterance_id, row.audio, row.text) for row in rows(items)] == [
        ("84-121123-0000", f"{url}-0000.flac", "GO ON"),
        ("84-121123-0002", f"{url}-0002.flac", ""),
        ("84-121123-0009", f"{url}-0009.flac", "NOT HERE"),
    ]
    assert {(row.speaker, row.source) for row in rows(items)} == {("84", "LibriSpeech")}


def parquet(path, *, row_group_size=2, **columns):
    clips = [{"bytes": audio(name), "path": f"{name}.flac"} for name, _ in PROMPTS]
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    table = pa.table({"audio": pa.array(clips, kind), "sentence": [text for _, text in PROMPTS], **columns})
    pq.write_table(table, path, row_group_size=row_group_size)
    return table


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


def test_a_table_at_the_top_of_a_store():
    fsspec.filesystem("memory").pipe("memory://top.csv", b"audio,text\na.wav,x\n")
    assert [row.audio for row in read(kind="table", path="memory://top.csv")] == ["memory://a.wav"]


# Malformed rows


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


# What the user is told


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


@pytest.mark.parametrize("cls", [TableConfig, FolderConfig, LibriSpeechConfig, ParquetConfig])
def test_configs_survive_a_round_trip(cls):
    config = cls(path="x", speaker="ann")
    assert ADAPTER.validate_json(config.model_dump_json()) == config
