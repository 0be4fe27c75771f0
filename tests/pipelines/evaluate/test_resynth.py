"""`plait resynth`: real recordings, the bundled encoders and voice."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given
from hypothesis import strategies as st

from pipelines.evaluate.resynth import Survival, read_recordings, resynth, summary, table
from pipelines.evaluate.resynth_timbre import timbre_similarity
from schemas.errors import UserError

AUDIO = Path("examples/asterisk-en/audio")
OPTIONS = {
    "job": None,
    "vocoder": "bundled",
    "variant": "expressive",
    "output": None,
    "limit": None,
    "say": lambda _: None,
}


def read(name: str):
    return sf.read(AUDIO / f"{name}.flac", dtype="float32")[0]


def test_a_folder_is_resynthesised_and_judged(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(AUDIO / "conf-nonextended.flac", folder / "said.flac")
    (folder / "said.txt").write_text("The conference cannot be extended.")
    shutil.copy(AUDIO / "agent-incorrect.flac", folder / "untold.flac")
    (folder / "broken.wav").write_bytes(b"no audio")
    shutil.copy(AUDIO / "added.flac", folder / "unreadable.flac")
    (folder / "unreadable.txt").write_bytes(b"caf\xe9")
    sf.write(folder / "silent.wav", np.zeros(16_000), 16_000)
    said = []
    lines = list(resynth([str(folder)], **{**OPTIONS, "output": str(tmp_path / "out"), "say": said.append}))
    assert lines[-2].startswith("all 3")
    assert lines[-1].startswith("1 without a transcript")
    assert any("broken" in line for line in said)
    assert any("left out unreadable" in line for line in said)
    report = json.loads((tmp_path / "out/resynth.json").read_text())
    rows = {row["utterance_id"]: row for row in report["recordings"]}
    assert rows["said"]["wer_original"] == 0
    assert rows["said"]["words"] == 5
    assert rows["untold"]["wer_original"] is None
    assert rows["untold"]["words"] > 3
    assert rows["silent"]["wer"] is None  # nothing is said, so nothing is kept or lost
    assert report["all"]["wer"] == rows["said"]["wer"]
    assert report["all"]["wer_against_heard"] == rows["untold"]["wer"]
    assert 0 < rows["said"]["f0_frame_error"] < 0.2
    assert rows["said"]["timbre_similarity"] > 0.5
    assert sf.info(tmp_path / "out/wavs/said.expressive.wav").samplerate == 16_000


def test_ids_stay_in_the_folder_and_apart(tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        shutil.copy(AUDIO / "added.flac", tmp_path / name / "x.flac")
    table_file = tmp_path / "table.tsv"
    table_file.write_text(f"id\taudio\ttext\n../../escaped\t{(AUDIO / 'added.flac').resolve()}\tAdded.\n")
    paths = [str(tmp_path / "first/x.flac"), str(tmp_path / "second/x.flac"), str(table_file)]
    list(resynth(paths, **{**OPTIONS, "output": str(tmp_path / "out")}))
    wavs = sorted(path.name for path in (tmp_path / "out/wavs").iterdir())
    assert wavs == ["%2E%2E%2F%2E%2E%2Fescaped.expressive.wav", "x-2.expressive.wav", "x.expressive.wav"]
    assert not list(tmp_path.glob("*.wav"))


def test_a_runs_folder_is_refused(tmp_path):
    (tmp_path / "run.yaml").write_text("output: x\n")
    with pytest.raises(UserError, match="is the output of a run"):
        list(read_recordings([str(tmp_path)], limit=None, say=print))


def test_encoders_that_the_voice_does_not_speak_are_refused(tmp_path):
    centroids = np.random.default_rng(0).normal(size=(30, 384)).astype(np.float32)
    np.savez(tmp_path / "other.npz", centroids=centroids)
    job = tmp_path / "job.yaml"
    job.write_text(f"units: {{kind: whisper, codebook: {tmp_path / 'other.npz'}}}\n")
    with pytest.raises(UserError, match=r"units of .*job\.yaml.*speaks"):
        list(resynth([str(AUDIO / "added.flac")], **{**OPTIONS, "job": str(job)}))


def test_nothing_to_resynthesise_is_the_users_mistake(tmp_path):
    with pytest.raises(UserError, match="no such file or folder"):
        list(read_recordings([str(tmp_path / "none.wav")], limit=None, say=print))
    with pytest.raises(UserError, match="no utterance"):
        list(read_recordings([str(tmp_path)], limit=None, say=print))


ROWS = st.builds(
    Survival,
    utterance_id=st.text("abc", min_size=1, max_size=3),
    seconds=st.floats(0.1, 10),
    words=st.integers(0, 20),
    wer_original=st.one_of(st.none(), st.floats(0, 2)),
    wer=st.one_of(st.none(), st.floats(0, 2)),
    f0_frame_error=st.floats(0, 1),
    f0_frames=st.integers(0, 500),
    timbre_similarity=st.floats(-1, 1),
)


@given(st.lists(ROWS, min_size=1, max_size=8))
def test_the_whole_lies_between_its_parts(rows):
    total = summary(rows)
    told = [row for row in rows if row.wer_original is not None]
    for part, key in ((told, "wer"), ([row for row in rows if row not in told], "wer_against_heard")):
        rates = [row.wer for row in part if row.words and row.wer is not None]
        if rates:
            assert min(rates) - 1e-9 <= total[key] <= max(rates) + 1e-9
        else:
            assert total[key] is None
    lines = list(table(rows, most=3))
    assert len(lines) == 2 + min(len(rows), 3) + (len(rows) > 3) + (total["wer_against_heard"] is not None)


def test_timbre_knows_the_same_voice():
    first, second = read("conf-nonextended"), read("agent-incorrect")
    low = np.interp(np.arange(0, len(first), 0.8), np.arange(len(first)), first).astype(np.float32)
    assert timbre_similarity(first, first) == pytest.approx(1)
    assert timbre_similarity(first, first * np.float32(0.2)) == pytest.approx(1, abs=0.02)
    assert timbre_similarity(first, second) > timbre_similarity(low, second)
    assert timbre_similarity(first, first[:0]) == 0
