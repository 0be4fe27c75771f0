"""The Slurm script runs, with stubs for Slurm, Ray and plait: what it starts, where, and that it ends all."""

import os
import subprocess
import textwrap
import time
from pathlib import Path

import pytest

SCRIPT = Path("jobs/slurm/plait-ray.sbatch").resolve()

STUBS = {
    "scontrol": 'printf "%s\\n" n1 n2 n3',
    # drops its own options, and runs what it was given, as a step on a node does
    "srun": """
        for option in "$@"; do
            case $option in --nodelist=*) node=${option#--nodelist=};; --*) ;; *) break;; esac
            shift
        done
        NODE=$node exec "$@"
        """,
    "ray": """
        if [[ $1 == list ]]; then
            printf '['; for _ in "$NOTES"/joined-*; do [[ -e $_ ]] && printf '{"node_id": "x"}, '; done; printf ']'
            exit
        fi
        echo "$NODE ray $* token=${#RAY_AUTH_TOKEN} mode=$RAY_AUTH_MODE" >>"$NOTES/calls"
        [[ $NODE == "${ABSENT:-}" ]] || touch "$NOTES/joined-$NODE"
        [[ $NODE == "${BROKEN:-}" ]] && exit 1
        trap 'echo "$NODE ended" >>"$NOTES/calls"; exit 0' TERM
        while true; do sleep 0.05; done
        """,
    "plait": 'echo "plait $*" >>"$NOTES/calls"; exit "${PLAIT_RC:-0}"',
}


@pytest.fixture
def cluster(tmp_path):
    """Runs the script; returns its exit code, what it said, and the stubs' notes."""
    for name, body in STUBS.items():
        stub = tmp_path / "bin" / name
        stub.parent.mkdir(exist_ok=True)
        stub.write_text("#!/usr/bin/env bash\n" + textwrap.dedent(body))
        stub.chmod(0o755)

    def run(*args: str, **environment: str) -> tuple[int, str, list[str]]:
        done = subprocess.run(
            ["bash", str(SCRIPT), *args],
            env={
                **os.environ,
                "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
                "NOTES": str(tmp_path),
                "SLURM_JOB_ID": "4242",
                "SLURM_JOB_NODELIST": "n[1-3]",
                "SLURM_CPUS_PER_TASK": "16",
                "SLURM_GPUS_ON_NODE": "2",
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=60,
        )
        notes = tmp_path / "calls"
        return done.returncode, done.stdout + done.stderr, notes.read_text().splitlines() if notes.exists() else []

    return run


def test_a_cluster_starts_runs_the_job_and_ends(cluster):
    code, said, calls = cluster("job.yaml", "--set", "output=/scratch/out")
    assert code == 0, said
    assert "3 nodes at n1:24242" in said
    shared = "--num-cpus=16 --num-gpus=2 --temp-dir=/tmp/plait-ray-4242 token=64 mode=token"
    assert calls[0] == f"n1 ray start --block --head --port=24242 {shared}"
    assert sorted(calls[1:3]) == [f"{node} ray start --block --address=n1:24242 {shared}" for node in ("n2", "n3")]
    assert calls[3] == "plait run job.yaml --engine ray --set engine.address=n1:24242 --set output=/scratch/out"
    assert sorted(calls[4:]) == ["n1 ended", "n2 ended", "n3 ended"]


def test_the_jobs_exit_code_is_the_runs_own(cluster):
    code, _, calls = cluster("job.yaml", PLAIT_RC="2")
    assert code == 2
    assert sorted(calls[-3:]) == ["n1 ended", "n2 ended", "n3 ended"]


def test_a_node_that_never_joins_ends_the_job_in_time(cluster):
    began = time.monotonic()
    code, said, calls = cluster("job.yaml", ABSENT="n3", PLAIT_RAY_WAIT_S="1")
    assert code == 1
    assert "2 of 3 nodes joined within 1 s" in said
    assert not any(call.startswith("plait") for call in calls)
    assert time.monotonic() - began < 45


def test_a_head_that_dies_ends_the_job(cluster):
    code, said, calls = cluster("job.yaml", BROKEN="n1", ABSENT="n1")
    assert code == 1
    assert "a node's step ended while the cluster started" in said
    assert not any(call.startswith("plait") for call in calls)


def test_a_job_without_a_file_says_how_it_is_called(cluster):
    code, said, calls = cluster()
    assert code != 0
    assert "usage: sbatch plait-ray.sbatch JOB.yaml" in said
    assert not calls
