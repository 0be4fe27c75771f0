"""`plait fit` from a job file to an artefact that a corpus job then uses."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.fit.job import _drawn, fit
from pipelines.run import run
from pipelines.store import ShardSet
from schemas.errors import UserError
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
    drawn = _drawn(rows, count, seed)
    assert len(drawn) == min(count, len(rows))
    assert drawn == sorted(drawn)
    assert set(_drawn(rows[::-1], count, seed)) == set(drawn)
    assert set(_drawn(rows, count + 1, seed)) >= set(drawn)
    for row in drawn:  # one recording less moves no other out of the draw
        others = [other for other in rows if other != row]
        assert set(_drawn(others, count, seed)) >= set(drawn) - {row}


def test_a_fit_takes_the_sample_alone(job_file, tmp_path):
    fit("units", str(job_file), overrides=["sample=2", "fit.clusters=8"], say=lambda _: None)
    assert json.loads((tmp_path / "units" / "card.json").read_text())["fitted_on"]["utterances"] <= 2


def test_a_wrong_key_of_the_fit_names_its_path(job_file):
    with pytest.raises(UserError, match=r"fit\.cluster: unknown key; did you mean clusters\?"):
        fit("units", str(job_file), overrides=["fit.cluster=3"], say=print)


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
