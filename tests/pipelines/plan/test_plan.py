"""`plait plan`: what a job would take, against what runs took."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.config import RunConfig, load_run
from pipelines.ingest import read_rows
from pipelines.job_stages import stages_of
from pipelines.plan.census import draw, header_duration_s, take_census, total_and_margin
from pipelines.plan.gpus import GPUS, gpu_named
from pipelines.plan.plan import few_switches, gpu_cost, idle_workers, plan, wall_seconds
from pipelines.plan.rates import Rates, Trial, rates_of_file, rates_of_previous_run
from pipelines.plan.text import lines
from pipelines.run_folder import RunFolder
from pipelines.store import ShardSet
from schemas.errors import UserError
from schemas.records import DeadLetter, SourceRow
from tests.pipelines.conftest import GOOD_IDS, job
from transforms.audio_reader import AudioReader

RATES = "benchmarks/results/stages.json"
DEMO = "jobs/demo/corpus.yaml"


def row(name: str) -> SourceRow:
    return SourceRow(name, f"{name}.wav", "some words")


@given(ids=st.sets(st.text("abcdef", min_size=1, max_size=6), max_size=60), seed=st.randoms())
def test_a_sample_is_the_same_in_any_order_and_counts_all(ids, seed):
    rows = [row(name) for name in sorted(ids)]
    shuffled = rows[:]
    seed.shuffle(shuffled)
    sample, total, refused, opted_out = draw(rows, limit=None, opted_out=(), size=10)
    assert draw(iter(shuffled), limit=None, opted_out=(), size=10) == (sample, total, refused, opted_out)
    assert (total, refused, opted_out) == (len(ids), 0, 0)
    assert len(sample) == min(10, len(ids))
    # a smaller sample is the beginning of a larger one
    assert draw(rows, limit=None, opted_out=(), size=4)[0] == sample[:4]


@pytest.mark.parametrize(("workers", "said"), [(2, []), (64, ["64 workers but 3 shards: 61 would wait"])])
def test_workers_without_a_shard_are_said(tmp_path, workers, said):
    config = job(tmp_path, output="out", overrides=(f"engine.workers={workers}",))
    assert [note.partition(";")[0] for note in idle_workers(config)] == said


@pytest.mark.parametrize(
    ("words", "override", "said"),
    [
        (6, "interleave={epochs: 1}", True),
        (60, "interleave={epochs: 1}", False),
        (6, "interleave={epochs: 0}", False),
        (6, "interleave={epochs: 1, text_words: [2, 3], speech_words: [2, 3]}", False),
    ],
)
def test_texts_too_short_to_be_interleaved_are_said(tmp_path, words, override, said):
    rows = [SourceRow(f"{number}", "a.wav", "word " * words) for number in range(500)]
    notes = list(few_switches(job(tmp_path, output="out", overrides=(override,)), rows))
    assert len(notes) == said
    for note in notes:
        assert 0.93 < int(note.split("%")[0]) / 100 < 0.99
        assert note.endswith("lower interleave.text_words and interleave.speech_words for short utterances")


def test_a_job_that_transcribes_is_planned_with_its_transcriber(tmp_path):
    heard = f"align={{kind: whisperx, models: {{en: {tmp_path}}}, transcribe: true}}"
    names = [stage.name for stage in stages_of(load_run(DEMO, overrides=[heard]))]
    assert names == ["decode", "transcribe", "align", "units", "pitch", "style"]


def test_refused_and_opted_out_rows_are_counted_and_not_drawn():
    letter = DeadLetter("t.tsv:3", "ingest", "malformed_row", "", "failed", "")
    sample, *numbers = draw([row("a"), letter, row("b"), row("c")], limit=3, opted_out={"b"})
    assert [one.utterance_id for one in sample] == ["a"] or [one.utterance_id for one in sample] == ["c", "a"]
    assert numbers == [3, 0, 1]
    assert draw([row("a"), letter], limit=None, opted_out=())[1:] == (2, 1, 0)


def test_the_interval_holds_the_truth_nine_times_of_ten():
    """On the bundled recordings, of which a few are thirty times as long as the mean; 0.90 was measured."""
    config = load_run(DEMO)
    reader = AudioReader()
    rows = [one for one in read_rows(config.ingest) if isinstance(one, SourceRow)]
    seconds = np.array([header_duration_s(one, reader) for one in rows])
    assert seconds.sum() == pytest.approx(1456, rel=0.01)
    rng = np.random.default_rng(0)
    estimates = [total_and_margin(rng.choice(seconds, 100, replace=False).tolist(), len(seconds)) for _ in range(200)]
    hits = sum(abs(total - seconds.sum()) <= margin for total, margin in estimates)
    assert 0.85 <= hits / 200 < 1
    assert total_and_margin(seconds.tolist(), len(seconds)) == (pytest.approx(seconds.sum()), 0.0)


def test_a_whole_corpus_is_counted_exactly(small_corpus: Path):
    config = job(small_corpus, output="nowhere")
    rows, total, refused, opted_out = draw(read_rows(config.ingest), limit=None, opted_out=())
    census = take_census(rows, total=total, refused=refused, opted_out=opted_out, max_duration_s=100)
    assert census.hours == census.hours_low == census.hours_high
    assert census.utterances == len(GOOD_IDS) + 5
    assert census.unreadable == 2


def test_a_recording_that_is_too_long_has_no_hours(tmp_path):
    for name, duration_s in (("long", 3), ("short", 1)):
        sf.write(tmp_path / f"{name}.wav", np.zeros(16_000 * duration_s, np.int16), 16_000)
    rows = [SourceRow(name, str(tmp_path / f"{name}.wav"), "words") for name in ("long", "short")]
    census = take_census(rows, total=2, refused=0, opted_out=0, max_duration_s=2)
    assert (census.too_long, census.usable, census.hours * 3600) == (1, 1, pytest.approx(1.0))


def test_disk_is_near_what_a_run_wrote(small_corpus: Path):
    config = job(small_corpus, output="out")
    found = plan(config, rates_file=RATES)
    manifest = ShardSet(RunFolder(config.output).corpus).manifest
    written = sum(entry.num_bytes for entry in manifest.shards) / manifest.records
    assert found.store_bytes / found.census.usable == pytest.approx(written, rel=0.3)
    baked = ShardSet(RunFolder(config.output).interleaved(0)).manifest
    assert found.baked_bytes >= config.interleave.epochs * sum(entry.num_bytes for entry in baked.shards) * 0.8


def test_rates_of_a_run_in_the_same_folder_come_first(small_corpus: Path):
    config = job(small_corpus, output="out")
    rates = rates_of_previous_run(config)
    assert rates is not None
    assert {"decode", "align", "units", "pitch", "style", "write"} <= rates.seconds.keys()
    assert plan(config).rates == rates.source
    other = job(small_corpus, output="out", overrides=("align.scale=0.25",))
    assert rates_of_previous_run(other) is None
    assert rates_of_previous_run(job(small_corpus, output="nowhere")) is None


def test_a_sample_is_really_run(small_corpus: Path):
    config = job(small_corpus, output="nowhere")
    found = plan(config, sample=3, gpu="L4")
    assert found.gpu is not None
    assert all(found.seconds_by_stage[stage.name] > 0 for stage in stages_of(config))
    # the encoder of Whisper tiny: convolutions and two layers of 384 at 50 Hz, about 0.4 GFLOP a second
    assert 0.2 < found.gpu.gflops_a_second["units"] < 1.0
    assert set(found.gpu.gflops_a_second) == {"units", "pitch"}
    assert {"decode", "align", "style"} <= found.gpu.cpu_hours.keys()
    assert all(0 < found.gpu.hours_half[name] < hours for name, hours in found.gpu.hours.items())
    assert not Path(config.output).exists()
    assert any(line.startswith("GPU-hours") and "an estimate" in line for line in lines(found))


def test_gpu_hours_follow_from_the_peak_and_its_share():
    trial = Trial(None, {"units": 1e9}, 1, 1.0)
    rates = Rates({"decode": 0.5, "units": 2.0}, "here")
    cost = gpu_cost(gpu_named("T4"), trial, rates, 3600 * 8100, 0.5)
    # 8100 hours of 1 GFLOP a second, at half of 8.1 TFLOP/s
    assert cost.hours == {"units": pytest.approx(2.0)}
    assert cost.cpu_hours == {"decode": pytest.approx(4050)}


def with_engine(engine: str) -> RunConfig:
    return load_run(DEMO, overrides=(f"engine={engine}", "store.shards=10"))


def test_wall_clock_is_that_of_the_slowest_place():
    work = {"decode": 10.0, "align": 10.0, "units": 40.0, "pitch": 20.0, "style": 10.0, "write": 10.0}
    assert wall_seconds(with_engine("{kind: local, workers: 1}"), work, 0) == 100
    assert wall_seconds(with_engine("{kind: local, workers: 5}"), work, 3) == 23
    # ten shards on three workers are four rounds
    assert wall_seconds(with_engine("{kind: beam, workers: 3}"), work, 0) == 40
    pooled = "{kind: ray, workers: 2, stages: {units: {workers: 8}}}"
    assert wall_seconds(with_engine("{kind: ray, workers: 2}"), work, 0) == 50
    # decode and align 10 s, units 5 s, pitch, style and write 20 s: side by side
    own = pooled.replace("workers: 8", "workers: 8, num_cpus: 1")
    assert wall_seconds(with_engine(own), work, 0) == 20
    assert wall_seconds(with_engine("{kind: local, workers: 1}"), {**work, "bake": 7.0}, 0) == 107


@pytest.mark.parametrize("name", ["h100", "RTX 4090", "NVIDIA A100"])
def test_gpus_are_found_by_what_people_call_them(name):
    assert gpu_named(name)[0] in GPUS


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--gpu", "B52"], "--gpu: no figures for 'B52' (there are: H100,"),
        (["--rates", "nowhere.json"], "--rates: nowhere.json: No such file or directory"),
        (["--rates", "pyproject.toml"], "--rates: pyproject.toml is no result of `python -m benchmarks.stages`"),
    ],
)
def test_a_mistake_is_one_line(arguments, message):
    result = CliRunner().invoke(app, ["plan", DEMO, *arguments])
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert message in result.stderr


def test_rates_that_lack_a_stage_are_refused(tmp_path):
    (tmp_path / "r.json").write_text('{"stages": {"decode": {"seconds": 1, "audio_seconds": 2, "load_seconds": 0}}}')
    with pytest.raises(UserError, match="has no stage 'align'"):
        rates_of_file(str(tmp_path / "r.json"), stages_of(load_run(DEMO)))


def test_the_command_prints_for_people_and_for_programs():
    people = CliRunner().invoke(app, ["plan", DEMO, "--rates", RATES])
    assert people.exit_code == 0, people.output
    assert "hours       0.40 (every audio header read)" in people.stdout
    found = json.loads(CliRunner().invoke(app, ["plan", DEMO, "--rates", RATES, "--json"]).stdout)
    assert found["census"]["utterances"] == 551
    loading = sum(stage["load_seconds"] for stage in json.loads(Path(RATES).read_text())["stages"].values())
    work = sum(found["seconds_by_stage"].values()) / 2
    assert found["seconds"] == pytest.approx(work + loading, rel=0.01)
