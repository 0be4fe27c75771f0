"""`plait fit` from a job file to an artefact that a corpus job then uses."""

import hashlib
import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.cli import fit as command
from pipelines.fit.job import fit
from pipelines.fit.kinds import FITS as KINDS
from pipelines.fit.recordings import JobRecordings, drawn
from pipelines.ingest import TableConfig, read_rows
from pipelines.partition import partition
from pipelines.partition import read_rows as rows_of_shard
from pipelines.run import run
from pipelines.store import ShardSet
from schemas.errors import EngineError, UserError
from schemas.records import SourceRow
from tests.pipelines.conftest import job, prompts, write_table

JOB = """\
output: {output}
seed: 1
ingest: {{kind: table, path: {table}}}
fit: {{clusters: 16, components: 8}}
"""
IDS = ("hello-world", "queue-thankyou", "vm-review")


@pytest.fixture
def job_file(tmp_path):
    write_table(tmp_path / "corpus.tsv", IDS, {"gone": (str(tmp_path / "gone.wav"), "Gone.")})
    path = tmp_path / "fit.yaml"
    path.write_text(JOB.format(output=tmp_path / "units", table=tmp_path / "corpus.tsv"))
    return path


def test_a_fitted_codebook_is_used_by_a_run(job_file, tmp_path):
    lines = []
    fit("units", str(job_file), overrides=[], say=lines.append)
    assert any("gone" in line for line in lines)
    card = json.loads((tmp_path / "units" / "card.json").read_text())
    assert card["fitted_on"]["utterances"] == len(IDS)
    codebook = tmp_path / "units" / "codebook.npz"
    config = job(tmp_path, output="out", overrides=(f"units.codebook={codebook}", "pitch=null", "style=null"))
    run(config)
    manifest = ShardSet(str(tmp_path / "out/corpus")).manifest
    assert [(info.kind, info.codebook_size) for info in manifest.streams] == [("units", 16)]
    assert manifest.streams[0].fingerprint == card["fingerprint"]


@given(st.sets(st.integers(0, 99), min_size=1, max_size=40), st.integers(1, 20), st.integers(0, 3))
def test_a_sample_is_drawn_by_hash(numbers, count, seed):
    rows = [SourceRow(f"u{number:02}", "a.wav", "", source="s") for number in sorted(numbers)]
    chosen = drawn(rows, count, seed)
    assert len(chosen) == min(count, len(rows))
    assert chosen == sorted(chosen)
    assert set(drawn(rows[::-1], count, seed)) == set(chosen)
    assert set(drawn(rows, count + 1, seed)) >= set(chosen)
    for row in chosen:  # one recording less moves no other out of the draw
        others = [other for other in rows if other != row]
        assert set(drawn(others, count, seed)) >= set(chosen) - {row}


def test_a_fit_takes_the_sample_alone(job_file, tmp_path):
    fit("units", str(job_file), overrides=["sample=2", "fit.clusters=8"], say=lambda _: None)
    assert json.loads((tmp_path / "units" / "card.json").read_text())["fitted_on"]["utterances"] <= 2


def test_what_is_left_out_is_counted_named_and_in_the_card(tmp_path):
    long, bad = str(tmp_path / "long.wav"), {f"cut-{n}": (str(tmp_path / "cut.wav"), "") for n in range(5)}
    (tmp_path / "cut.wav").write_bytes(b"RIFF")
    soundfile.write(long, np.zeros(16_000 * 30, np.float32), 16_000)
    write_table(tmp_path / "corpus.tsv", IDS, {**bad, "long": (long, "")})
    with (tmp_path / "corpus.tsv").open("a") as table:
        table.write("one cell\n")
    path, lines = tmp_path / "fit.yaml", []
    path.write_text(JOB.format(output=tmp_path / "units", table=tmp_path / "corpus.tsv"))
    fit("units", str(path), overrides=["max_duration_s=20"], say=lines.append)
    causes = {"decode/too_long": 1, "decode/unreadable_audio": 5, "ingest/malformed_row": 1}
    assert json.loads((tmp_path / "units" / "card.json").read_text())["fitted_on"]["left_out"] == causes
    told = "decode/too_long (1), decode/unreadable_audio (5), ingest/malformed_row (1)"
    assert f"Left out: {told}." in (tmp_path / "units" / "card.md").read_text().replace("\n", " ")
    assert f"left out 7 of 10 recordings: {told}" in lines
    named = [line.partition(":")[0].removeprefix("left out ") for line in lines if line.startswith("left out ")]
    assert named == ["corpus.tsv", "cut-0", "cut-1", "cut-2", "long", "7 of 10 recordings"]


ROWS = {"good": "{0}\tgood.wav\n", "long": "{0}\tlong.wav\n", "gone": "{0}\tgone.wav\n", "malformed": "{0}\n"}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(sorted(ROWS)), min_size=1, max_size=9), st.integers(1, 9), st.integers(1, 9))
def test_every_listed_row_is_read_or_left_out(kinds, limit, sample):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for stem, seconds in (("good", 1), ("long", 3)):
            soundfile.write(folder / f"{stem}.wav", np.zeros(16_000 * seconds, np.float32), 16_000)
        rows = "".join(ROWS[kind].format(f"u{number}") for number, kind in enumerate(kinds))
        (folder / "corpus.tsv").write_text(f"id\taudio\n{rows}")
        recordings = JobRecordings(
            [TableConfig(path=str(folder / "corpus.tsv"))],
            limit=limit,
            sample=sample,
            seed=0,
            max_failed_ratio=0,  # under ten failures stop nothing
            max_duration_s=2,
            say=lambda _: None,
        )
        for _ in range(2):
            read = [utterance.row.utterance_id for utterance in recordings()]
            assert len(read) + recordings.left_out.total() == min(len(kinds), limit, sample)
            assert all(kinds[int(each[1:])] == "good" for each in read)


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("sample", [None, 6])
def test_of_rows_with_one_id_in_one_source_a_fit_keeps_the_one_that_a_run_keeps(tmp_path, backwards, sample):
    lines = ["u1\ta.wav\tOne.\n", "u1\tb.wav\tOne.\n", "u1\tb.wav\tOne.\n", "u2\ta.wav\tTwo.\n"]
    for table, rows in (("first", lines), ("second", lines[1:2])):
        (tmp_path / f"{table}.tsv").write_text("id\taudio\ttext\n" + "".join(rows[::-1] if backwards else rows))
    for stem in "ab":
        soundfile.write(tmp_path / f"{stem}.wav", np.full(16_000, 0.5, np.float32), 16_000)
    said = []
    sources = [TableConfig(path=str(tmp_path / f"{name}.tsv"), source=name) for name in ("first", "second")]
    recordings = JobRecordings(
        sources[::-1] if backwards else sources,
        limit=None,
        sample=sample,
        seed=0,
        max_failed_ratio=0,
        max_duration_s=2,
        say=said.append,
    )
    read = [(each.row.source, each.row.utterance_id, Path(each.row.audio).name) for each in recordings()]
    assert read == [("first", "u1", "a.wav"), ("first", "u2", "a.wav"), ("second", "u1", "b.wav")]
    assert recordings.left_out == {"ingest/duplicate_id": 2}
    parted = partition(read_rows(sources[0]), str(tmp_path / "rows"), num_shards=1, limit=None)
    rows, letters = rows_of_shard(parted.spills, 0)
    assert rows == [row for row in recordings.rows if row.source == "first"]
    assert said[:2] == [f"left out {letter.utterance_id}: {letter.detail}" for letter in letters]
    assert said[2:] == ["left out 2 of 5 recordings: ingest/duplicate_id (2)"]


@pytest.mark.parametrize("broken", ["cells", "audio"])
def test_too_many_failures_stop_a_fit(tmp_path, broken):
    gone = {f"gone-{n:02}": (str(tmp_path / f"no-{n}.wav"), "") for n in range(12 if broken == "audio" else 0)}
    write_table(tmp_path / "corpus.tsv", IDS, gone)
    with (tmp_path / "corpus.tsv").open("a") as table:
        table.write("one cell\n" * (0 if gone else 12))
    path = tmp_path / "fit.yaml"
    path.write_text(JOB.format(output=tmp_path / "units", table=tmp_path / "corpus.tsv"))
    with pytest.raises(EngineError, match=r"10 of 15 recordings failed, more than max_failed_ratio 0\.5"):
        fit("units", str(path), overrides=["max_failed_ratio=0.5"], say=lambda _: None)
    fit("units", str(path), overrides=["max_failed_ratio=0.9"], say=lambda _: None)


@pytest.mark.parametrize("rank", ["0", "1"])
def test_a_launchers_further_ranks_fit_without_a_word(job_file, rank, monkeypatch, capsys):
    monkeypatch.setenv("RANK", rank)
    command("style", str(job_file), set_=["fit={clusters: 4, device: cpu}"])
    told = capsys.readouterr().out
    assert ("left out gone: " in told, "unexplained: " in told, told == "") == (rank == "0", rank == "0", rank == "1")


def test_no_text_is_needed(tmp_path):
    rows = "".join(f"{Path('examples/asterisk-en/audio', name).resolve()}.flac\n" for name in IDS)
    (tmp_path / "corpus.tsv").write_text(f"audio\n{rows}")
    path = tmp_path / "fit.yaml"
    path.write_text(JOB.format(output=tmp_path / "units", table=tmp_path / "corpus.tsv"))
    fit("units", str(path), overrides=[], say=lambda _: None)
    assert json.loads((tmp_path / "units" / "card.json").read_text())["fitted_on"]["utterances"] == len(IDS)


@pytest.mark.parametrize(
    ("what", "settings", "message"),
    [
        *((what, "{stepps: 1}", "fit.stepps: unknown key") for what in KINDS),
        ("units", "{cluster: 3}", "fit.cluster: unknown key; did you mean clusters?"),
        ("units", "{clusters: 9, max_frames: 8}", "fit.max_frames allows 8"),
        ("units", "{encoder: {kind: wisper}}", "fit.encoder.kind: no backend named 'wisper'"),
        ("units", "{encoder: {layr: 2}}", "fit.encoder.layr: unknown key; did you mean layer?"),
        ("hubert", "{architecture: {hiden_size: 8}}", "fit.architecture.hiden_size: no such key"),
        ("hubert", "{iterations: [{targets: encoder, encoder: {layr: 2}}]}", "fit.iterations.encoder.layr: unknown"),
        ("vocoder", "{units: whisper}", "fit.units: expected a section with a kind, one of whisper, hubert"),
        ("vocoder", "{units: {kind: wisper}}", "fit.units.kind: no backend named 'wisper'"),
        ("vocoder", "{units: {layr: 2}}", "fit.units.layr: unknown key; did you mean layer?"),
        ("vocoder", "{units: {model: nowhere, kind: hubert, layer: 1, codebook: a.npz}}", "units.model: "),
    ],
)
def test_what_the_settings_alone_can_tell_is_said_before_the_corpus_is_listed(what, settings, message, tmp_path):
    path = tmp_path / "fit.yaml"
    path.write_text(f"output: {tmp_path / 'out'}\ningest: {{kind: table, path: nowhere.tsv}}\nfit: {settings}\n")
    with pytest.raises(UserError) as refused:
        fit(what, str(path), overrides=[], say=print)
    assert message in str(refused.value)


FITS = {
    "units": ("codebook.npz", "{clusters: 16, components: 8, encoder: {kind: whisper, device: cpu}, device: cpu}"),
    "pitch": ("vqvae.safetensors", "{codes: 4, embedding: 8, width: 4, depth: 2, steps: 4, batch: 2, device: cpu}"),
    "style": ("style.npz", "{clusters: 8, device: cpu}"),
}


@pytest.mark.parametrize("what", FITS)
def test_the_order_in_which_recordings_are_listed_decides_no_byte(what, tmp_path):
    """40 recordings in two tables: batch mates of the encoders are others if the rows are read as listed."""
    artefact, settings = FITS[what]
    ids = sorted(prompts(), key=lambda name: hashlib.sha256(name.encode()).digest())[:40]
    written = []
    for turn, backwards in enumerate((False, True)):
        folder = tmp_path / str(turn)
        folder.mkdir()
        for source, part in (("a", ids[:15]), ("b", ids[15:])):
            write_table(folder / f"{source}.tsv", part, {}, backwards=backwards)
        ingest = [{"kind": "table", "path": str(folder / f"{name}.tsv"), "source": name} for name in "ab"]
        lines = {"output": str(folder / "out"), "ingest": ingest[::-1] if backwards else ingest}
        (folder / "job.yaml").write_text(json.dumps(lines))
        fit(what, str(folder / "job.yaml"), overrides=[f"fit={settings}"], say=lambda _: None)
        written.append([(folder / "out" / name).read_bytes() for name in (artefact, "card.json", "card.md")])
    assert written[0] == written[1]
