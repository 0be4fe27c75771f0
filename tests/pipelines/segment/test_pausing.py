"""Long recordings without transcripts come apart at their pauses, and a corpus job takes them as speech alone."""

import numpy as np
import soundfile as sf

from pipelines.config import load_run
from pipelines.run import run
from pipelines.segment.run import load_segment, segment
from pipelines.store import ShardSet
from tests.pipelines.segment.test_segment import IDS, joined, rows_of

JOB = """\
output: {folder}/out
engine: {{kind: local, workers: 1}}
ingest: {{kind: folder, path: {folder}/long, licence: CC-BY-SA-3.0}}
align: null
longform: {{longest_s: 10}}
"""


def test_recordings_without_transcripts_become_speech_in_a_token_store(tmp_path):
    audio, _ = joined(IDS)
    (tmp_path / "long").mkdir()
    sf.write(tmp_path / "long/talk.flac", audio, 16_000)
    sf.write(tmp_path / "long/hum.flac", np.zeros(80_000, np.float32), 16_000)
    (tmp_path / "job.yaml").write_text(JOB.format(folder=tmp_path))
    figures = segment(load_segment(tmp_path / "job.yaml"))
    assert (figures["recordings"], figures["whole"], figures["filtered"]) == (2, 1, 1)
    assert [(row["id"], row["code"]) for row in rows_of(tmp_path / "out/dropped.tsv")] == [("hum", "no_speech")]
    rows = rows_of(tmp_path / "out/transcripts.tsv")
    assert len(rows) == figures["segments"] >= 4
    assert {row["text"] for row in rows} == {""}
    edges = [int(row[name]) for row in rows for name in ("start_sample", "end_sample")]
    assert edges == sorted(edges)
    assert max(int(row["end_sample"]) - int(row["start_sample"]) for row in rows) <= 160_000
    loud = np.abs(audio) > 0.05
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        loud[start:end] = False
    assert loud.sum() < 160, "what is loud is speech, and in a segment"
    job = tmp_path / "corpus.yaml"
    job.write_text(
        f"output: {tmp_path}/corpus\ningest: {{kind: table, path: {tmp_path}/out/transcripts.tsv}}\nalign: null\n"
        "engine: {kind: local, workers: 1}\nstore: {shards: 2}\ninterleave: {epochs: 0}\n"
    )
    assert run(load_run(job))["in_shards"] == len(rows)
    stored = {record.utterance_id: record for record in ShardSet(str(tmp_path / "corpus/corpus")).utterances()}
    assert set(stored) == {row["id"] for row in rows}
    assert {record.licence for record in stored.values()} == {"CC-BY-SA-3.0"}
    # again: everything stands
    assert segment(load_segment(tmp_path / "job.yaml"))["segments"] == len(rows)
