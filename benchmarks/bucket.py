"""Every engine's output in a bucket that fails now and then: python -m benchmarks.bucket [SEED]

An S3 server on loopback behind a proxy that answers a share of the requests with 500, 503, late, not at all, or carries
them out and loses the answer. Every run must end with the digests of a run on a disk. Writes results/bucket.json.
"""

import logging
import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.faults import ENGINES, PROMPTS, SHARDS, undisturbed
from benchmarks.record import save
from pipelines.verify import verify
from tests.faults.harness import Corpus, digests, plait_run
from tests.faults.store_server import BUCKET, object_store

SHARE = 0.05


def main(seed: int) -> None:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line a request
    runs = []
    with TemporaryDirectory() as temporary, object_store(seed=seed, share=SHARE) as store:
        os.environ.update(store.env)
        corpus = Corpus.of(Path(temporary), prompts=PROMPTS, shards=SHARDS)
        reference, _ = undisturbed(corpus, "local")
        for name, engine in ENGINES.items():
            output = f"s3://{BUCKET}/{name}"
            store.weather.calm = False
            store.weather.seen.clear()
            began = time.monotonic()
            done = plait_run(corpus.job(output, engine, name=name), corpus.folder / f"{name}.log", store.env)
            seconds = time.monotonic() - began
            store.weather.calm = True
            found = {
                "engine": engine,
                "exit_code": done.code,
                "said": "" if done.code == 0 else done.output[-500:],
                "same": done.code == 0 and digests(output) == reference and not list(verify(output)),
                "left_over": [key for key in store.keys(f"{name}/") if "/." in key],
                "requests": dict(store.weather.seen),
                "seconds": round(seconds, 1),
            }
            runs.append(found)
            print(found, flush=True)
    print(save("bucket", {"prompts": PROMPTS, "shards": SHARDS, "share_of_faults": SHARE, "runs": runs}))
    if not all(found["same"] and not found["left_over"] for found in runs):
        sys.exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
