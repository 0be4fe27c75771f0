"""Seconds and x real time of every stage of a corpus, one thread each, in one run on the bundled speech.

python -m benchmarks.stages [--limit N]
"""

import argparse
import time

from benchmarks.record import save
from pipelines.config import load_run
from pipelines.engines.worker import prepare_worker
from pipelines.ingest.usable import usable_rows
from pipelines.job_stages import stages_of
from pipelines.stages import apply_stage
from schemas.records import SAMPLE_RATE_HZ


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--job", default="jobs/demo/corpus.yaml")
    parser.add_argument("--limit", type=int, default=200, help="utterances, first by id")
    args = parser.parse_args()

    prepare_worker()
    config = load_run(args.job)
    rows = usable_rows(config.sources[0], print)[: args.limit]
    current, figures = rows, {}
    for stage in stages_of(config):
        began = time.perf_counter()
        run = stage.open()
        loaded = time.perf_counter()
        done, lost = [], []
        for start in range(0, len(current), 16):
            kept, dropped = apply_stage(stage.name, run, current[start : start + 16])
            done += kept
            lost += dropped
        spent = time.perf_counter() - loaded
        current = done
        audio_s = sum(utterance.num_samples for utterance in done) / SAMPLE_RATE_HZ
        figures[stage.name] = {
            "load_seconds": round(loaded - began, 2),
            "seconds": round(spent, 2),
            "audio_seconds": round(audio_s, 1),
            "x_real_time": round(audio_s / spent, 1),
            "dropped": len(lost),
        }
        print(f"{stage.name:<8} {spent:8.2f} s   {audio_s / spent:8.1f} x real time   {len(lost)} dropped", flush=True)
    print(save("stages", {"job": args.job, "limit": args.limit, "threads": 1, "stages": figures}))


if __name__ == "__main__":
    main()
