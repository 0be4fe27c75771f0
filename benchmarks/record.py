"""Where a benchmark's figures come from: the machine and the versions, and the file they are kept in."""

import json
import os
import platform
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
PACKAGES = (
    "plait",
    "torch",
    "transformers",
    "ray",
    "apache-beam",
    "numpy",
    "pocketsphinx",
    "torchfcpe",
    "faster-whisper",
)


def machine() -> dict[str, object]:
    """Processor, cores and versions."""
    model = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
    }


def save(name: str, figures: dict[str, object]) -> Path:
    """Write ``results/NAME.json`` and return its path."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({"machine": machine(), **figures}, indent=1, sort_keys=True) + "\n")
    return path
