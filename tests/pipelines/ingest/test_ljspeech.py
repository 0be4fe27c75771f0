"""LJ Speech's layout: real audio, quotation marks that are text, a table of another name."""

import soundfile as sf

from schemas.records import SourceRow
from tests.pipelines.ingest.corpora import EXAMPLES, PROMPTS, assert_is_corpus, letters, read, rows


def put_ljspeech(folder, *, table="metadata.csv", cells=3):
    (folder / "wavs").mkdir(parents=True)
    for name, _ in PROMPTS:
        sf.write(folder / "wavs" / f"{name}.wav", *sf.read(EXAMPLES / "audio" / f"{name}.flac"))
    lines = ["|".join((name, text, text.lower())[:cells]) for name, text in PROMPTS]
    (folder / table).write_text("\n".join(lines), encoding="utf-8")


def test_the_folder_is_read_with_its_audio(tmp_path, monkeypatch):
    put_ljspeech(tmp_path / "LJSpeech-1.1")
    for path in (f"{tmp_path}/LJSpeech-1.1", f"{tmp_path}/LJSpeech-1.1/metadata.csv"):
        assert_is_corpus(read(kind="ljspeech", path=path, speaker="lj", licence="CC0-1.0"), speaker="lj")
    monkeypatch.chdir(tmp_path / "LJSpeech-1.1")
    assert_is_corpus(read(kind="ljspeech", path="."))


def test_a_table_of_two_cells_and_of_another_name(tmp_path):
    put_ljspeech(tmp_path, table="train.txt", cells=2)
    assert_is_corpus(read(kind="ljspeech", path=f"{tmp_path}/train.txt"))


def test_marks_are_text_and_a_row_of_other_cells_is_a_dead_letter(tmp_path):
    (tmp_path / "metadata.csv").write_text('a|In 1477 "the" only, "so|x\nb|two\n')
    items = read(kind="ljspeech", path=str(tmp_path))
    assert rows(items) == [SourceRow("a", f"{tmp_path}/wavs/a.wav", 'In 1477 "the" only, "so')]
    assert letters(items) == {"metadata.csv:2": "malformed_row"}
