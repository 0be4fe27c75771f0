"""A Ray cluster of two nodes, joined by the commands of jobs/ray/README.md, on one machine.

Runs a job locally, then from a shell on the cluster, then submitted by ``ray job submit``, and compares the digests.
Every wait is bounded, and every process that was started is gone afterwards::

    python -m benchmarks.two_nodes [--job jobs/demo/corpus.yaml] [--limit 48]
"""

import argparse
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.record import save
from pipelines.run_folder import RunFolder
from pipelines.store import ShardSet

START_S, RUN_S, STOP_S = 120, 600, 20
MEMORY_BYTES = 200_000_000
RAY = str(Path(sys.executable).parent / "ray")
PLAIT = (sys.executable, "-m", "pipelines.cli")


@dataclass(frozen=True)
class TwoNodes:
    """A running cluster: where it is, what its clients need in their environment."""

    address: str
    dashboard: str
    environment: Mapping[str, str]

    def actor_tasks(self) -> dict[str, dict[str, int]]:
        """Calls of the stages' actors that finished, by job and by node."""
        code = (
            "import json, sys; from ray.util.state import list_tasks; "
            "found = list_tasks(address=sys.argv[1], limit=10000, detail=True, raise_on_missing_output=False, "
            "filters=[('type', '=', 'ACTOR_TASK'), ('state', '=', 'FINISHED')]); "
            "print(json.dumps([[t.job_id, t.node_id, t.name] for t in found]))"
        )
        lines = self.call((sys.executable, "-c", code, self.dashboard), limit_s=START_S).splitlines()
        counted: dict[str, Counter[str]] = {}
        for job, node, name in json.loads(lines[-1]):
            if "_StageActor" in name and "submit" in name:
                counted.setdefault(job, Counter())[node] += 1
        return {job: dict(nodes) for job, nodes in counted.items()}

    def call(self, command: Sequence[str], *, limit_s: float = RUN_S) -> str:
        done = subprocess.run(
            command, env=dict(self.environment), capture_output=True, text=True, timeout=limit_s, check=False
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
        return done.stdout


def free_ports(number: int) -> list[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.socket() for _ in range(number)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


def own_processes(marker: str) -> list[int]:
    """Processes whose command line names a folder of this run's own."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with suppress(OSError):
                if marker.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
    return found


def stop(nodes: Sequence["subprocess.Popen[bytes]"], marker: str) -> None:
    """Ask, wait, then kill; `ray stop` would end other people's Ray on this machine too."""
    for node in reversed(nodes):
        node.send_signal(signal.SIGTERM)
    for node in nodes:
        with suppress(subprocess.TimeoutExpired):
            node.wait(STOP_S)
    for sent in (signal.SIGTERM, signal.SIGKILL):
        for pid in own_processes(marker):
            with suppress(ProcessLookupError):
                os.kill(pid, sent)
        time.sleep(1)


@contextmanager
def two_nodes(*, num_cpus: int = 2) -> Iterator[TwoNodes]:
    """Start a head, join a second node to it, wait until both are there; stop them afterwards."""
    with tempfile.TemporaryDirectory(prefix="plait-ray-", dir="/tmp") as folder:
        port, dashboard, first_agent, second_agent, client = free_ports(5)
        environment = {
            **os.environ,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0",
            "PYTHONPATH": os.pathsep.join(filter(None, [str(Path.cwd()), os.environ.get("PYTHONPATH", "")])),
        }
        shared = [f"--num-cpus={num_cpus}", f"--object-store-memory={MEMORY_BYTES}", "--block", "--num-gpus=0"]
        head = [
            *(RAY, "start", "--head", f"--port={port}", f"--dashboard-port={dashboard}"),
            *(f"--dashboard-agent-listen-port={first_agent}", f"--ray-client-server-port={client}"),
            *(f"--temp-dir={folder}", *shared),
        ]
        # two nodes on one machine: the second needs an agent's port and a folder of its own
        join = [
            *(RAY, "start", f"--address=127.0.0.1:{port}", f"--dashboard-agent-listen-port={second_agent}"),
            *(f"--temp-dir={folder}/second", *shared),
        ]
        cluster = TwoNodes(f"127.0.0.1:{port}", f"http://127.0.0.1:{dashboard}", environment)
        nodes: list[subprocess.Popen[bytes]] = []
        try:
            with (Path(folder) / "start.log").open("wb") as log:
                for number, command in enumerate((head, join), 1):
                    nodes.append(
                        subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
                    )
                    _wait_for(cluster, number, nodes, Path(folder) / "start.log")
            yield cluster
        finally:
            stop(nodes, folder)


def _wait_for(cluster: TwoNodes, number: int, nodes: Sequence["subprocess.Popen[bytes]"], log: Path) -> None:
    code = (
        "import sys; from ray._raylet import GcsClient; "
        "print(sum(node.state == 0 for node in GcsClient(sys.argv[1]).get_all_node_info().values()))"
    )
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if any(node.poll() is not None for node in nodes):
            break
        asked = subprocess.run(
            (sys.executable, "-c", code, cluster.address),
            env=dict(cluster.environment),
            capture_output=True,
            text=True,
            timeout=START_S,
            check=False,
        )
        if asked.returncode == 0 and int(asked.stdout.split()[-1]) >= number:
            return
        time.sleep(0.5)
    raise SystemExit(f"node {number} did not come up\n{log.read_text()[-3000:]}")


def digests(output: Path) -> dict[str, str]:
    """Of every shard and of what was dropped."""
    folder = RunFolder(str(output))
    sets = {"corpus": ShardSet(folder.corpus), "epoch-0": ShardSet(folder.interleaved(0))}
    found = {f"{name}/{entry.name}": entry.sha256 for name, kept in sets.items() for entry in kept.manifest.shards}
    return {**found, "dropped": sets["corpus"].manifest.dropped_sha256}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--job", default="jobs/demo/corpus.yaml")
    parser.add_argument("--limit", type=int, default=48, help="utterances, first by id")
    args = parser.parse_args()
    job = str(Path(args.job).resolve())

    with tempfile.TemporaryDirectory(prefix="plait-two-nodes-") as outputs, two_nodes() as cluster:
        seconds: dict[str, float] = {}

        def command(name: str, *more: str) -> tuple[str, ...]:
            sets = [
                f"output={outputs}/{name}",
                f"limit={args.limit}",
                "text.vocab_size=400",
                "store.shards=8",
                "batch_rows=2",
                *more,
            ]
            return (*PLAIT, "run", job, *(part for one in sets for part in ("--set", one)))

        def timed(name: str, call: Sequence[str]) -> str:
            began = time.perf_counter()
            said = cluster.call(call)
            seconds[name] = round(time.perf_counter() - began, 1)
            print(f"{name:<7} {seconds[name]:6.1f} s", flush=True)
            return said

        timed("local", command("local", "engine={kind: local, workers: 2}"))
        # more than half of a node a worker: two of them cannot lie on one
        ray = "engine={kind: ray, workers: 2, num_cpus: 1.1%s}"
        timed("shell", command("shell", ray % f", address: '{cluster.address}'"))
        submit = (RAY, "job", "submit", "--address", cluster.dashboard, "--working-dir", str(Path.cwd()), "--")
        said = timed("submit", (*submit, *command("submit", ray % "")))
        batches = cluster.actor_tasks()
        found = {name: digests(Path(outputs) / name) for name in seconds}
        equal = {name: found[name] == found["local"] for name in ("shell", "submit")}
        figures = {
            "job": args.job,
            "limit": args.limit,
            "nodes": 2,
            "seconds": seconds,
            "finished_calls_by_job_and_node": batches,
            "digests_equal_to_local": equal,
            "digests": found["local"],
            "submitted_job_succeeded": "succeeded" in said,
        }
        print(batches, equal)
        print(save("two_nodes", figures))
        if not all(equal.values()) or any(len(nodes) < 2 for nodes in batches.values()):
            raise SystemExit(f"digests differ, or a node did nothing: {equal} {batches}")


if __name__ == "__main__":
    main()
