"""A run over 2,000 damaged inputs with all streams: python -m benchmarks.fuzz [NUMBER [SEED]]

None may crash it, hang it, write outside its output or be missing from its accounts. Writes results/fuzz.json.
"""

import resource
import sys
import time
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.record import save
from tests.faults.fuzzing import MAX_DATA_BYTES, fuzz


def main(number: int, seed: int) -> None:
    began = time.monotonic()
    with TemporaryDirectory() as temporary:
        found = fuzz(Path(temporary) / "fuzz", number=number, seed=seed, all_streams=True, timeout_s=3600)
    figures = {
        **asdict(found),
        "seed": seed,
        "seconds": round(time.monotonic() - began, 1),
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024,
        "data_limit_mib": MAX_DATA_BYTES >> 20,
    }
    print(save("fuzz", figures))


if __name__ == "__main__":
    arguments = [int(value) for value in sys.argv[1:]]
    main(*arguments, *(2_000, 1)[len(arguments) :])
