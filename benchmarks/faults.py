"""Runs that are killed at random moments and run again: python -m benchmarks.faults [SEED]

Local, Ray and Beam; the driver, a worker process, a whole Ray node. Every rerun must give the digests of an
undisturbed run, pass `verify`, and leave no temporary file and no process behind. Writes results/faults.json.
"""

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.record import save
from tests.faults.harness import ROOT, Corpus, Crash, crash, digests, plait_run

PROMPTS, SHARDS = 24, 6
ENGINES = {
    "local": "{kind: local, workers: 2}",
    "ray": "{kind: ray, workers: 2, num_cpus: 0.25}",
    "beam": "{kind: beam, workers: 2}",
}
PLAN = {
    ("local", "driver"): 8,
    ("local", "worker"): 7,
    ("beam", "driver"): 4,
    ("beam", "worker"): 4,
    ("ray", "driver"): 5,
    ("ray", "worker"): 5,
    ("ray", "node"): 3,
}


@contextmanager
def ray_cluster() -> Iterator[object]:
    """A Ray head on this machine, to which nodes are added; what it runs finds the project by its path."""
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    try:
        yield cluster
    finally:
        cluster.shutdown()


def undisturbed(corpus: Corpus, engine: str) -> tuple[dict[str, str], float]:
    """Digests of a run that nobody disturbs, and the seconds in which a moment is drawn: its own."""
    output = corpus.folder / f"undisturbed-{engine}"
    began = time.monotonic()
    done = plait_run(corpus.job(str(output), ENGINES[engine]), corpus.folder / "log")
    assert done.code == 0, done.output
    return digests(output), time.monotonic() - began


def attempt(corpus: Corpus, reference: dict[str, str], *, seed: int, name: str, victim: str, within_s: float) -> Crash:
    """A crash; what it breaks is its outcome."""
    try:
        if victim != "node":
            return crash(corpus, reference, seed=seed, engine=ENGINES[name], victim=victim, within_s=within_s)
        with ray_cluster() as cluster:
            node = cluster.add_node(num_cpus=2)
            raylet = node.all_processes["raylet"][0].process.pid
            return crash(
                corpus,
                reference,
                seed=seed,
                engine=f"{{kind: ray, workers: 2, num_cpus: 1, address: '{cluster.address}'}}",
                victim=victim,
                within_s=within_s,
                victims=lambda run: [raylet],
            )
    except (AssertionError, TimeoutError) as error:
        return Crash(seed, ENGINES[name], victim, 0.0, True, 0, None, f"broken: {str(error)[:2000]}")


def main(first_seed: int) -> None:
    crashes: list[tuple[str, Crash]] = []
    with TemporaryDirectory() as temporary:
        corpus = Corpus.of(Path(temporary), prompts=PROMPTS, shards=SHARDS)
        references = {name: undisturbed(corpus, name) for name in ENGINES}
        assert len({str(sorted(digests.items())) for digests, _ in references.values()}) == 1
        seed = first_seed
        for (name, victim), number in PLAN.items():
            reference, seconds = references[name]
            for _ in range(number):
                # what comes before the rows are parted is not in the moment
                within_s = 0.65 * seconds
                found = attempt(corpus, reference, seed=seed, name=name, victim=victim, within_s=within_s)
                crashes.append((name, found))
                print(f"{name:<6}{victim:<7}{found.moment_s:>7.2f} s {found.stood} stood: {found.outcome}", flush=True)
                seed += 1
    struck = [(name, found) for name, found in crashes if found.struck]
    figures = {
        "runs": len(crashes),
        "struck": len(struck),
        "same": sum(found.outcome == "same" for _, found in crashes),
        "struck_by_engine_and_victim": dict(Counter(f"{name}/{found.victim}" for name, found in struck)),
        "prompts": PROMPTS,
        "shards": SHARDS,
        "crashes": [found.to_json() for _, found in crashes],
    }
    print(save("faults", figures))
    if figures["same"] < len(crashes):
        sys.exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
