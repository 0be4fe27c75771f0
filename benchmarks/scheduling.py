"""What a run costs beside its stages: the driver's memory and the seconds a row, with stages that do nothing.

Two runs in processes of their own, on tables of 1,000 and of 1,000,000 rows. Reading the table, parting it by shard,
batches, processes, tars, commits, manifest and dropped.parquet are the real ones; decoding, alignment and encoding
are stubs here alone. One row in a hundred is dropped.

python -m benchmarks.scheduling [--rows N] [--workers N]
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.record import save
from pipelines import run
from pipelines.config import RunConfig, load_run
from pipelines.run_folder import RunFolder
from schemas.errors import RecordError
from schemas.records import AlignedWord, SourceRow, Stream, Utterance

FEW_ROWS = 1_000
ROWS_A_SHARD = 1_000
NUM_SAMPLES = 16_000


@dataclass(frozen=True, slots=True)
class FakeAligner:
    fingerprint: str = "fake"


@dataclass(frozen=True, slots=True)
class FakeStage:
    """A stage that knows the answer."""

    name: str
    fingerprint: str = "fake"
    aligner: FakeAligner = FakeAligner()

    def open(self):
        return {"decode": decode, "align": align, "units": encode}[self.name]


def decode(rows: Sequence[SourceRow]) -> list[Utterance]:
    for row in rows:
        if row.utterance_id.endswith("00"):
            raise RecordError("too_short", "a row that a rule filters", outcome="filtered")
    return [Utterance(row, np.zeros(NUM_SAMPLES, np.float32), "0" * 64) for row in rows]


def align(utterances: Sequence[Utterance]) -> list[Utterance]:
    words = (AlignedWord("word", 0, 4, 0, NUM_SAMPLES, 0.0),)
    return [replace(utterance, words=words) for utterance in utterances]


def encode(utterances: Sequence[Utterance]) -> list[Utterance]:
    stream = Stream("units", 640, 500, np.zeros(25, np.int32), "fake")
    return [replace(utterance, streams=(stream,)) for utterance in utterances]


def stubbed(config: RunConfig, rows: int, folder: Path) -> dict[str, object]:
    """Build the token store of a table in this process; its memory and its seconds."""
    real = run.corpus_job

    def corpus_job(*args: object) -> object:
        return replace(real(*args), stages=tuple(map(FakeStage, ("decode", "align", "units"))))

    run.corpus_job = corpus_job  # type: ignore[assignment]
    parted = run.partition
    seconds = {}

    def partition(*args: object, **options: object) -> object:
        began = time.perf_counter()
        done = parted(*args, **options)
        seconds["read_and_part"] = time.perf_counter() - began
        return done

    run.partition = partition  # type: ignore[assignment]
    (folder / "out/corpus/commits").mkdir(parents=True)
    began = time.perf_counter()
    manifest, _ = run.build_store(config, RunFolder(config.output), lambda: None)
    wall = time.perf_counter() - began
    assert manifest.inputs == rows == manifest.records + manifest.filtered
    return {
        "rows": rows,
        "shards": len(manifest.shards),
        "driver_peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "wall_seconds": round(wall, 2),
        "read_and_part_ms_a_row": round(1000 * seconds["read_and_part"] / rows, 4),
        "ms_a_row": round(1000 * wall / rows, 4),
    }


def child(rows: int, workers: int, folder: Path) -> None:
    table = folder / "corpus.tsv"
    with table.open("w") as file:
        file.write("id\taudio\ttext\tspeaker\n")
        for n in range(rows):
            file.write(
                f"utterance-{n:09d}\taudio/{n % 997:03d}/{n:09d}.flac\tthe words of an utterance, {n}\ts{n % 97}\n"
            )
    overrides = (
        f"output={folder}/out",
        f"ingest={{kind: table, path: {table}}}",
        f"store.shards={max(1, rows // ROWS_A_SHARD)}",
        f"engine={{kind: local, workers: {workers}}}",
        "pitch=null",
        "style=null",
        "limit=null",
        "store.audio=false",
    )
    print(json.dumps(stubbed(load_run("jobs/demo/corpus.yaml", overrides=overrides), rows, folder)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child is not None:
        child(args.rows, args.workers, args.child)
        return
    found = []
    for rows in (FEW_ROWS, args.rows):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "benchmarks.scheduling", "--rows", str(rows), "--child", folder]
            done = subprocess.run(
                [*command, "--workers", str(args.workers)], check=True, capture_output=True, text=True
            )
            found.append(json.loads(done.stdout.splitlines()[-1]))
            print(found[-1], flush=True)
    few, many = found
    figures = {"few": few, "many": many, "driver_grew_mb": round(many["driver_peak_mb"] - few["driver_peak_mb"], 1)}
    print(f"the driver grew by {figures['driver_grew_mb']} MB, {many['ms_a_row']} ms a row")
    print(save("scheduling", {"workers": args.workers, **figures}))


if __name__ == "__main__":
    main()
