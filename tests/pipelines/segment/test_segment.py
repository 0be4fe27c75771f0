"""Long recordings come apart into segments that a corpus job takes; what is lost is written down."""

import csv
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from hypothesis import assume, given
from hypothesis import strategies as st
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.config import load_run
from pipelines.ingest import TableConfig, read_rows
from pipelines.segment.commits import recording_key, segment_names, tsv_line
from pipelines.segment.cutting import Passage, _with_all_text
from pipelines.segment.run import load_segment, segment
from schemas.errors import EngineError, UserError
from schemas.records import SourceRow
from tests.pipelines.conftest import EXAMPLES, prompts
from transforms.align.given import GivenConfig
from transforms.audio_reader import AudioReader
from transforms.text.verbalise import verbalise

IDS = (
    "conf-getconfno",
    "queue-thankyou",
    "vm-rec-temp",
    "auth-incorrect",
    "agent-alreadyon",
    "demo-nogo",
    "hello-world",
    "demo-echodone",
)
EXTRA = "It was a bright cold day in April and the clocks were striking thirteen."
LONG, PARTLY, SHORT = "talks/first talk", "talks/second", "a.third"
TABLES = ("transcripts.tsv", "words.ctm", "dropped.tsv")
JOB = """\
output: {folder}/out
engine: {{kind: local, workers: 2}}
ingest: {{kind: table, path: {folder}/long.tsv, source: talks, licence: CC-BY-SA-3.0}}
align: {{kind: pocketsphinx}}
longform: {{longest_s: 10}}
"""


def joined(ids: tuple[str, ...]) -> tuple[np.ndarray, str]:
    """Prompts in a row with 0.75 s of faint noise between them, and their texts."""
    rng = np.random.default_rng(1)
    audio = []
    for name in ids:
        waveform, _ = sf.read(EXAMPLES / prompts()[name]["audio"], dtype="float32")
        audio += [waveform, rng.normal(0, 1e-4, 12_000).astype(np.float32)]
    return np.concatenate(audio), " ".join(prompts()[name]["text"] for name in ids)


def digests(folder: Path) -> dict[str, str]:
    """Of all that a run's bytes are promised for."""
    files = [folder / name for name in TABLES] + sorted((folder / "audio").rglob("*.flac"))
    files += sorted((folder / "commits").iterdir())
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def spoken(text: str) -> list[str]:
    return [word.text for word in verbalise(text, "en")]


def segments_of(folder: Path, recording: str) -> list[dict[str, str]]:
    return [row for row in rows_of(folder / "out/transcripts.tsv") if row["recording"] == recording]


@pytest.fixture(scope="module")
def cut(tmp_path_factory):
    """A folder with the job and its finished output; 41 s, 18 s with a paragraph that nobody says, and bad rows."""
    folder = tmp_path_factory.mktemp("segment")
    audio, text = joined(IDS)
    sf.write(folder / "first.flac", audio, 16_000)
    sf.write(folder / "second.flac", joined(IDS[:4])[0], 16_000)
    sf.write(folder / "third.flac", joined(IDS[:1])[0], 16_000)
    first, second = (joined(ids)[1] for ids in (IDS[:2], IDS[2:4]))
    rows = [
        (LONG, "first.flac", f'"{text}"', "Allison\u2028Smith"),
        (PARTLY, "second.flac", f"{first} {EXTRA} {second}", ""),
        (SHORT, "third.flac", "An altogether different thing was never said here, nobody knows why.", ""),
        ("gone", "nowhere.flac", text, ""),
        (LONG, "third.flac", text, "twice"),
    ]
    with (folder / "long.tsv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t")
        writer.writerow(["id", "audio", "text", "speaker"])
        writer.writerows(rows)
    (folder / "job.yaml").write_text(JOB.format(folder=folder))
    figures = segment(load_segment(folder / "job.yaml"))
    return folder, figures


def test_all_words_come_out_once_and_in_order(cut):
    folder, _ = cut
    found = segments_of(folder, LONG)
    assert len(found) >= 4
    assert " ".join(row["text"] for row in found) == f'"{joined(IDS)[1]}"'
    assert [row["id"] for row in found] == [f"{LONG}_{number:03d}" for number in range(len(found))]
    edges = [int(row[name]) for row in found for name in ("start_sample", "end_sample")]
    assert edges == sorted(edges)
    assert max(int(row["end_sample"]) - int(row["start_sample"]) for row in found) <= 160_000
    assert {(row["speaker"], row["licence"]) for row in found} == {("Allison\u2028Smith", "CC-BY-SA-3.0")}
    assert LONG not in {row["id"] for row in rows_of(folder / "out/dropped.tsv") if row["code"] != "duplicate_id"}


def test_a_corpus_job_takes_the_segments_with_their_times(cut):
    folder, _ = cut
    original, _ = sf.read(folder / "first.flac", dtype="float32")
    rows = list(read_rows(TableConfig(path=str(folder / "out/transcripts.tsv"))))
    assert len(rows) == len(rows_of(folder / "out/transcripts.tsv")) >= 7
    aligner = GivenConfig(path=str(folder / "out/words.ctm")).load()
    starts = {row["id"]: int(row["start_sample"]) for row in rows_of(folder / "out/transcripts.tsv")}
    commits = [json.loads(path.read_text()) for path in (folder / "out/commits").iterdir()]
    times = {entry["segment_id"]: entry["words"] for commit in commits for entry in commit["segments"]}
    for row in rows:
        assert isinstance(row, SourceRow)
        waveform, _ = AudioReader().decode(row)
        words = aligner.align_row(row, waveform).words
        assert [word.text for word in words] == spoken(row.text)
        assert [[word.text, word.start_sample, word.end_sample] for word in words] == times[row.utterance_id]
        if row.utterance_id.startswith(LONG):
            start = starts[row.utterance_id]
            assert np.abs(waveform - original[start : start + len(waveform)]).max() < 1e-4
    job = folder / "corpus.yaml"
    job.write_text(
        f"output: {folder}/corpus\ningest: {{kind: table, path: {folder}/out/transcripts.tsv}}\n"
        f"align: {{kind: given, path: {folder}/out/words.ctm}}\n"
    )
    assert load_run(job).align.fingerprint  # type: ignore[attr-defined]


def test_a_paragraph_that_nobody_says_is_lost_alone(cut):
    folder, _ = cut
    found = spoken(" ".join(row["text"] for row in segments_of(folder, PARTLY)))
    said = spoken(joined(IDS[:4])[1])
    assert not {"bright", "april", "clocks", "thirteen"} & set(found)
    kept = iter(said)
    assert all(word in kept for word in found), "not the words that are said, in order"
    assert len(found) >= 0.9 * len(said)
    (lost,) = [row for row in rows_of(folder / "out/dropped.tsv") if row["id"] == PARTLY]
    assert (lost["outcome"], lost["code"]) == ("trimmed", "partly_aligned")
    written = len(joined(IDS[:4])[1].split()) + len(EXTRA.split())
    assert int(lost["words"]) + len(" ".join(row["text"] for row in segments_of(folder, PARTLY)).split()) == written


def test_each_row_ends_as_segments_or_as_a_line_with_a_code(cut):
    folder, figures = cut
    dropped = rows_of(folder / "out/dropped.tsv")
    assert [(row["id"], row["outcome"], row["stage"], row["code"]) for row in dropped if row["id"] != SHORT] == [
        ("gone", "failed", "decode", "missing_file"),
        (LONG, "failed", "ingest", "duplicate_id"),
        (PARTLY, "trimmed", "segment", "partly_aligned"),
    ]
    (short,) = [row for row in dropped if row["id"] == SHORT]
    assert (short["stage"], short["words"]) == ("segment", "11")
    assert float(short["speech_s"]) > 2
    names = ("recordings", "whole", "in_part", "failed", "filtered")
    recordings, whole, in_part, failed, filtered = (figures[name] for name in names)
    assert (recordings, whole, in_part, failed + filtered) == (5, 1, 1, 3)
    assert figures["segments"] == len(rows_of(folder / "out/transcripts.tsv"))
    assert figures["lost_by_cause"]["decode/missing_file"] == 1


def test_a_killed_run_goes_on_to_the_same_bytes(cut):
    """What a kill leaves: a recording without its commit, half its audio, a file of a name that no segment has.

    The first run had two processes, the second has one.
    """
    folder, _ = cut
    out = folder / "out"
    whole = digests(out)
    key = recording_key(LONG)
    standing = out / "commits" / f"{recording_key(PARTLY)}.json"
    before = standing.stat().st_mtime_ns
    (out / "commits" / f"{key}.json").unlink()
    (out / "audio" / key / f"{key}_000.flac").write_bytes(b"half")
    (out / "audio" / key / f"{key}_099.flac").write_bytes(b"old")
    for name in TABLES:
        (out / name).unlink()
    segment(load_segment(folder / "job.yaml", workers=1))
    assert digests(out) == whole
    assert standing.stat().st_mtime_ns == before


def test_a_recording_whose_audio_appears_is_taken_up_again(cut):
    folder, _ = cut
    shutil.copytree(folder / "out", folder / "appeared")
    job = load_segment(folder / "job.yaml", output=str(folder / "appeared"), workers=1)
    assert segment(job)["lost_by_cause"]["decode/missing_file"] == 1
    shutil.copy(folder / "third.flac", folder / "nowhere.flac")
    try:
        assert "decode/missing_file" not in segment(job)["lost_by_cause"]
    finally:
        (folder / "nowhere.flac").unlink()


def test_who_leaves_the_corpus_leaves_the_output(cut):
    folder, _ = cut
    shutil.copytree(folder / "out", folder / "fewer")
    (folder / "left.txt").write_text(f"{PARTLY}\n")
    options = ["--output", f"{folder}/fewer", "--set", f"ingest.exclude_ids={folder}/left.txt"]
    done = CliRunner().invoke(app, ["segment", f"{folder}/job.yaml", *options])
    assert done.exit_code == 0, done.stderr
    key = recording_key(PARTLY)
    assert [path for path in (folder / "fewer").rglob("*") if key in path.name] == []
    text = "".join((folder / "fewer" / name).read_text(encoding="utf-8") for name in TABLES)
    assert LONG in text
    assert PARTLY not in text


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("align={kind: given, path: x}", "align.kind: given aligns no part of a recording; choose fused"),
        ("longform.longest=3", "longform.longest: unknown key; did you mean longest_s?"),
        ("engine.workers=0", "engine.workers: input should be greater than or equal to 1"),
        ("ingest.path=nowhere.tsv", "nowhere.tsv"),
        (f"output={EXAMPLES}", "holds a transcripts.tsv that is not of `plait segment`"),
    ],
)
def test_a_users_mistake_is_one_line(cut, override, message):
    folder, _ = cut
    done = CliRunner().invoke(app, ["segment", str(folder / "job.yaml"), "--set", override])
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_nothing_cut_is_a_failed_run(tmp_path):
    (tmp_path / "long.tsv").write_text("id\taudio\ttext\nx\tnowhere.flac\tHello.\n")
    (tmp_path / "job.yaml").write_text(JOB.format(folder=tmp_path))
    config = load_segment(tmp_path / "job.yaml", overrides=["gate.opinion=none", "longform.rejoin=none"])
    with pytest.raises(EngineError, match=r"no recording gave a segment; see .*dropped\.tsv"):
        segment(config)
    assert [row["code"] for row in rows_of(tmp_path / "out/dropped.tsv")] == ["missing_file"]


def test_the_bundled_job_is_one_that_the_command_takes():
    assert load_segment("jobs/segment.yaml").longform.longest_s == 20
    with pytest.raises(UserError, match="output: input should be a valid string"):
        load_segment("jobs/segment.yaml", overrides=["output=[]"])


TEXTS = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=40).map(str.strip).filter(bool)


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4, unique_by=lambda row: row[0]))
def test_what_is_written_the_table_reader_reads(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("table") / "t.tsv"
    lines = [tsv_line((name, "audio/x.flac", text)) for name, text in rows]
    path.write_bytes(tsv_line(("id", "audio", "text")) + b"".join(lines))
    found = list(read_rows(TableConfig(path=str(path))))
    assert [(row.utterance_id, row.text) for row in found if isinstance(row, SourceRow)] == rows


@given(st.lists(st.text(max_size=1024), min_size=2, max_size=2, unique=True), st.integers(1, 2000))
def test_ids_become_file_names_of_their_own(ids, count):
    first, second = (recording_key(name) for name in ids)
    assert first != second
    assert max(len(first), len(second)) <= 200
    assert not set("/.:*?\\ ") & set(first + second)
    names = segment_names("x", count)
    assert names == sorted(names)
    assert len(set(names)) == count


@given(st.lists(st.tuples(st.sampled_from(["one", '"two"', "-", "three,", "!", "(four"]), st.booleans()), max_size=12))
def test_all_text_but_lost_words_is_in_a_segment(tokens):
    """Each word is lost or a segment of its own; marks go with what stands, unless words are lost there."""
    text, written, standing, kept = "", [], [], []
    for token, stands in tokens:
        start = len(text) + len(token) - len(token.lstrip('"(-!'))
        end = start + len(token.strip('"(-!,'))
        text += token + " "
        if end > start:
            written.append((start, end))
            if stands:
                standing.append(Passage(0, 1, start, end))
                kept.append(token)
    assume(standing)
    found = _with_all_text(standing, text, written)
    edges = [edge for piece in found for edge in (piece.char_start, piece.char_end)]
    assert edges == sorted(edges)
    joined_text = " ".join(text[piece.char_start : piece.char_end].strip() for piece in found).split()
    assert [token.strip('"(-!,') for token in joined_text if token not in "-!"] == [t.strip('"(-!,') for t in kept]
    if len(kept) == len(written):
        assert joined_text == text.split()
