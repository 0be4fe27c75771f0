"""The same corpus on every engine: one digest, and how long each takes, in one run.

Speed is taken on the whole bundled corpus: wall seconds of the store's shards from the first one's start to the last
one's end (``work``), and the start of Ray's, Beam's or the pool's processes apart (``start_up``). Parity is taken on
its first prompts: every engine, one and two workers, the table forwards and backwards.

python -m benchmarks.engines [--limit N] [--parity-limit N]
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.record import save
from pipelines.run_folder import RunFolder
from pipelines.store import ShardSet

JOB = "jobs/demo/corpus.yaml"
TABLE = Path("examples/asterisk-en/transcripts.tsv")
SPEED = ("local-1", "local-2", "ray-2", "beam-2")
PARITY = tuple(f"{kind}-{workers}" for kind in ("local", "ray", "beam") for workers in (1, 2))


def backwards(target: Path) -> None:
    """The bundled table in the opposite order, its audio by whole paths."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, delimiter="\t")
        rows, names = list(reader), reader.fieldnames or []
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, delimiter="\t")
        writer.writeheader()
        writer.writerows({**row, "audio": str((TABLE.parent / row["audio"]).resolve())} for row in reversed(rows))


def build(engine: str, output: Path, *, limit: int | None, table: Path | None = None) -> dict[str, object]:
    """Run the job in a process of its own; what it took and what came out."""
    kind, workers = engine.split("-")
    settings = {
        "output": str(output),
        "engine": f"{{kind: {kind}, workers: {workers}}}",
        "limit": "null" if limit is None else str(limit),
        "interleave.epochs": "0",
    }
    if table is not None:
        settings["ingest.path"] = str(table)
    command = [sys.executable, "-m", "pipelines.cli", "run", JOB]
    for key, value in settings.items():
        command += ["--set", f"{key}={value}"]
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, timeout=3600)
    wall = time.perf_counter() - began
    manifest = ShardSet(RunFolder(str(output)).corpus).manifest
    progress = json.loads((output / "metrics.json").read_text())["progress"]
    return {
        "wall_seconds": round(wall, 2),
        "work_seconds": progress["work_s"],
        "start_up_seconds": round(wall - progress["work_s"], 2),
        "records": manifest.records,
        "digests": [manifest.dropped_sha256, *(entry.sha256 for entry in manifest.shards)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=int, default=None, help="prompts for the speed, first by id; all if unset")
    parser.add_argument("--parity-limit", type=int, default=100, help="prompts for the parity")
    args = parser.parse_args()
    speed, parity, seen = {}, {}, set()
    with tempfile.TemporaryDirectory() as folder:
        for engine in SPEED:
            found = build(engine, Path(folder) / f"speed-{engine}", limit=args.limit)
            seen.add(tuple(found.pop("digests")))
            speed[engine] = found
            print(f"{engine:<8} {found}", flush=True)
        if len(seen) != 1:
            raise SystemExit("the engines' digests differ")
        seen.clear()
        backwards(Path(folder) / "backwards.tsv")
        for engine in PARITY:
            for order in ("forwards", "backwards"):
                table = Path(folder) / "backwards.tsv" if order == "backwards" else TABLE.resolve()
                found = build(engine, Path(folder) / f"{engine}-{order}", limit=args.parity_limit, table=table)
                digests = tuple(found["digests"])
                seen.add(digests)
                parity[f"{engine} {order}"] = digests[1][:16]
                print(f"{engine:<8} {order:<10} {len(seen)} digest so far", flush=True)
    work = {engine: float(found["work_seconds"]) for engine, found in speed.items()}
    ratios = {
        "local_2_over_1": round(work["local-1"] / work["local-2"], 3),
        "ray_over_local": round(work["ray-2"] / work["local-2"], 3),
        "beam_over_local": round(work["beam-2"] / work["local-2"], 3),
    }
    print(ratios)
    print(
        save(
            "engines",
            {
                "limit": args.limit,
                "speed": speed,
                "ratios": ratios,
                "parity": {"prompts": args.parity_limit, "different_digests": len(seen), "first_shard": parity},
            },
        )
    )
    if len(seen) != 1:
        raise SystemExit("the digests differ between engines, workers or orders")


if __name__ == "__main__":
    main()
