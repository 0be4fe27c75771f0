"""Damaged inputs: none crashes a run, none writes elsewhere, each is accounted for."""

import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile as sf

from pipelines.ingest import FolderConfig, LibriSpeechConfig, TableConfig, read_rows
from schemas.errors import RecordError, UserError
from schemas.records import DeadLetter, SourceRow
from tests.faults.damage import AUDIO_NAMES, Damager, bombs
from tests.faults.fuzzing import fuzz
from tests.faults.harness import ROOT
from transforms.audio_reader import AudioReader

READER_BYTES = 450 << 20
READ = """
import resource, sys
resource.setrlimit(resource.RLIMIT_DATA, (MOST, MOST))
from pipelines.ingest import TableConfig, read_rows
for path in sys.argv[1:]:
    print(*(f"{type(row).__name__}:{getattr(row, 'code', '')}" for row in read_rows(TableConfig(path=path))))
"""


def test_a_run_survives_damage_and_accounts_for_it(tmp_path):
    found = fuzz(tmp_path / "fuzz", number=60, seed=11, all_streams=False, timeout_s=200)
    assert found.inputs == 61
    assert found.failed > 20


def test_tables_that_unpack_to_more_than_memory_cost_none(tmp_path):
    paths = bombs(tmp_path, gigabytes=0.6)
    command = [sys.executable, "-c", READ.replace("MOST", str(READER_BYTES)), *map(str, paths.values())]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = dict(zip(paths, done.stdout.splitlines(), strict=True))
    bomb = "DeadLetter:malformed_row"
    assert found.pop("line.jsonl.gz") == bomb
    assert set(found.values()) == {f"SourceRow: {bomb}"}


@pytest.mark.parametrize("audio", AUDIO_NAMES)
def test_any_audio_name_is_read_or_dropped(audio, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecordError):
        AudioReader().decode(SourceRow("x", audio, "x"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", ["pipe", "/dev/zero", "/dev/full", "/dev/tty"])
def test_pipes_and_devices_are_refused_unopened(tmp_path, target):
    path = tmp_path / "a.wav"
    if target == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(target)
    with pytest.raises(RecordError, match="a pipe, a socket or a device") as raised:
        AudioReader().decode(SourceRow("x", str(path), "x"))
    assert raised.value.code == "unreadable_audio"


def test_a_file_too_large_for_the_longest_recording_is_not_read_to_its_end(tmp_path):
    path = tmp_path / "a.wav"
    sf.write(path, np.zeros(16_000, np.float32), 16_000)
    os.truncate(path, 1 << 42)
    with pytest.raises(RecordError, match="larger than") as raised:
        AudioReader(max_duration_s=1).decode(SourceRow("x", str(path), "x"))
    assert (raised.value.code, raised.value.outcome) == ("too_long", "filtered")


def test_a_pipe_as_a_table_is_the_users_to_mend(tmp_path):
    os.mkfifo(tmp_path / "corpus.tsv")
    with pytest.raises(UserError, match="is a pipe"):
        list(read_rows(TableConfig(path=str(tmp_path / "corpus.tsv"))))


def test_a_folder_of_pipes_circles_and_names_that_are_no_text(tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "circle").symlink_to(".")
    (tmp_path / "loop.txt").symlink_to("loop.txt")
    (tmp_path / "huge.txt").touch()
    os.truncate(tmp_path / "huge.txt", 1 << 40)
    for name in (b"\xff.wav", b"\xff.txt", b"a\nb.wav"):
        with open(os.fsencode(tmp_path) + b"/" + name, "wb"):  # noqa: PTH123
            pass
    (tmp_path / "fine.wav").touch()
    rows = list(read_rows(FolderConfig(path=str(tmp_path))))
    assert [row.utterance_id for row in rows if isinstance(row, SourceRow)] == ["fine"]
    letters = {row.utterance_id: row.code for row in rows if isinstance(row, DeadLetter)}
    assert letters == {
        "pipe.txt": "unreadable_text",
        "loop.txt": "unreadable_text",
        "huge.txt": "malformed_row",
        "\\udcff.txt": "invalid_id",
        "a\nb": "invalid_id",
    }


def test_a_transcript_that_is_no_file_is_one_dead_letter(tmp_path):
    os.mkfifo(tmp_path / "1-1.trans.txt")
    (tmp_path / "2-2.trans.txt").write_bytes(b"2-2-0 " + b"a" * (2 << 20) + b"\n2-2-1 HELLO\n")
    rows = list(read_rows(LibriSpeechConfig(path=str(tmp_path))))
    codes = {row.utterance_id: getattr(row, "code", "") for row in rows}
    assert codes == {
        "1-1.trans.txt": "unreadable_text",
        "2-2.trans.txt:1": "malformed_row",
        "2-2-1": "",
    }


def test_the_same_seed_makes_the_same_damage(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
    first, second = (Damager(tmp_path / name, 5).entries(40) for name in "ab")
    assert first == second
