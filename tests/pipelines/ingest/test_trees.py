"""Folders and LibriSpeech trees: real audio, links, faults."""

from schemas.records import SourceRow
from tests.pipelines.ingest.corpora import PROMPTS, audio, letters, put_audio, read, rows
from transforms.audio_reader import decode


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
