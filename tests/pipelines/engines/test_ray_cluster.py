"""A Ray cluster that is small, lacks a GPU, or isn't there."""

import signal
import socket

import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.engines.placement import Resources
from pipelines.engines.ray import RayEngine
from schemas.errors import EngineError, UserError
from tests.fake_job import FakeStagedJob
from tests.pipelines.conftest import JOB, write_table

LIMIT_S = 120


@pytest.fixture(scope="module")
def two_cpus():
    """A Ray of 2 CPUs and no GPU, started once for all tests."""
    import ray

    ray.init(num_cpus=2, num_gpus=0, include_dashboard=False, log_to_driver=False, object_store_memory=100_000_000)
    yield
    ray.shutdown()


@pytest.fixture(autouse=True)
def _no_test_hangs():
    """What these tests are about is that nothing waits for ever."""

    def over(*_: object) -> None:
        raise TimeoutError(f"not over after {LIMIT_S} s")

    before = signal.signal(signal.SIGALRM, over)
    signal.alarm(LIMIT_S)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def test_nobody_at_the_address_is_one_line_and_exit_code_2(tmp_path):
    # first of the tests: a process that is connected stays with its cluster
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        write_table(tmp_path / "corpus.tsv", ("hello-world",), {})
        (tmp_path / "job.yaml").write_text(JOB.format(output=tmp_path / "out", table=tmp_path / "corpus.tsv"))
        engine = f"engine={{kind: ray, workers: 1, address: '{address}'}}"
        result = CliRunner().invoke(app, ["run", str(tmp_path / "job.yaml"), "--set", engine])
    assert result.exit_code == 2
    lines = [line for line in result.stderr.splitlines() if line.startswith("plait:")]
    assert lines == [
        f"plait: engine.address: no Ray cluster at {address}: Connection refused; start one with `ray start --head`"
    ]


def test_a_batch_that_kills_its_workers_ends_the_run(two_cpus):
    with pytest.raises(EngineError, match="what is finished is kept, run again to resume"):
        list(RayEngine(Resources(1, 0.5, 0)).run_stages(FakeStagedJob(deadly=1), range(2), lambda _: None))


def test_two_cpus_work_through_stages_of_their_own(two_cpus):
    """Pools that ask for more than twice what there is: each gets a worker, and the flow goes on."""
    stages = {"units": Resources(4, 0.5, 0), "style": Resources(2, 0.25, 0)}
    engine = RayEngine(Resources(4, 0.25, 0), stages=stages)
    results = sorted(engine.run_stages(FakeStagedJob(), range(4), lambda _: None))
    assert results == [(shard, 2) for shard in range(4)]


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ({"units": Resources(1, 0.5, 1)}, "engine: one worker of each stage needs 1 GPUs together (units 1), the Ray"),
        ({"units": Resources(1, 2, 0)}, "engine: one worker of each stage needs 3.5 CPUs together (decode+align 0.5,"),
        ({"unit": Resources(1, 1, 0)}, "engine.stages: this job has no stage 'unit' (it has: decode, align, units,"),
    ],
)
def test_what_the_cluster_cannot_give_is_one_line(two_cpus, stages, message):
    engine = RayEngine(Resources(1, 0.5, 0), stages=stages, start_timeout_s=0)
    with pytest.raises(UserError) as raised:
        list(engine.run_stages(FakeStagedJob(), range(4), lambda _: None))
    assert str(raised.value).startswith(message)
    assert "\n" not in str(raised.value)
