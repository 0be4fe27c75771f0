"""What is told of a run adds up, wherever it is told."""

import shutil
import socket
from typing import Any
from urllib.request import urlopen

from hypothesis import given
from hypothesis import strategies as st

from pipelines.config import MetricsConfig
from pipelines.corpus import ShardResult
from pipelines.engines.protocol import BatchDone
from pipelines.metrics import read_metrics
from pipelines.observe import Tally, observed


class FakeClock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def batch(shard: int, records: int, dropped: int = 0) -> BatchDone:
    return BatchDone(shard, records, samples=16_000 * (records - dropped), failed=0, **told(shard, dropped))


def result(shard: int, records: int, dropped: int = 0) -> ShardResult:
    return ShardResult(shard, records, samples=16_000 * records, failed=0, **told(shard, dropped))


def told(shard: int, dropped: int) -> dict[str, Any]:
    causes = {"align/gate_coverage": dropped} if dropped else {}
    return {"dropped": causes, "examples": dict.fromkeys(causes, f"{shard}: too little"), "seconds": {"units": 2.0}}


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 3)), min_size=1, max_size=6))
def test_batches_and_results_say_the_same(shards):
    """Whether a shard is told of by its batches, its result, or both, the sums are the same."""
    total = sum(kept + dropped for kept, dropped in shards)
    flying, done = (Tally(total=total, shards=len(shards)) for _ in range(2))
    for number, (kept, dropped) in enumerate(shards):
        flying.batch(batch(number, kept + dropped, dropped))
        done.batch(batch(number, kept + dropped, dropped))
        done.shard(result(number, kept, dropped))
    first, second = flying.snapshot(), done.snapshot()
    assert (first.records, first.hours, first.dropped) == (second.records, second.hours, second.dropped)
    lossy = [number for number, (_, dropped) in enumerate(shards) if dropped]
    assert first.examples == second.examples == (told(lossy[0], 1)["examples"] if lossy else {})
    assert first.records == total
    assert (first.shards_done, second.shards_done) == (0, len(shards))
    assert first.queued_shards == second.queued_shards == 0


def test_time_left_follows_from_this_runs_rate_and_not_from_what_stood():
    clock = FakeClock()
    tally = Tally(total=100, shards=3, standing=[result(0, 40)], clock=clock)
    assert tally.snapshot().seconds_left is None
    clock.now += 10
    tally.batch(batch(1, 20))
    now = tally.snapshot()
    assert (now.records, now.seconds_left, now.queued_shards) == (60, 20.0, 1)


def test_the_gpus_share_is_of_their_workers_time():
    clock = FakeClock()
    tally = Tally(total=10, shards=2, gpu_stages=frozenset({"units"}), gpu_workers=2, clock=clock)
    clock.now += 4
    tally.batch(batch(0, 5))
    assert tally.snapshot().gpu_busy == 0.25
    assert Tally(total=10, shards=2).snapshot().gpu_busy is None


def test_prometheus_and_metrics_json_say_what_the_tally_says(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    tally = Tally(total=10, shards=2)
    file = tmp_path / "plait.prom"
    config = MetricsConfig(prometheus_port=port, prometheus_file=str(file))
    with observed(tally, str(tmp_path), config) as look:
        tally.batch(batch(0, 5, 2))
        assert look().worst == "2 dropped, most by align/gate_coverage (2)"
        served = urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
    for line in (
        "plait_records_total 5.0",
        'plait_dropped_total{code="gate_coverage",stage="align"} 2.0',
        'plait_stage_seconds_total{stage="units"} 2.0',
        "plait_queued_shards 1.0",
    ):
        assert line in served
        assert line in file.read_text()
    assert read_metrics(str(tmp_path))["progress"]["records"] == 5


def test_a_metrics_file_that_can_no_longer_be_written_is_told_once(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("pipelines.observe.WRITE_EVERY_S", -1.0)
    folder = tmp_path / "node"
    folder.mkdir()
    tally = Tally(total=10, shards=2)
    file = folder / "plait.prom"
    with observed(tally, str(tmp_path), MetricsConfig(prometheus_file=str(file))) as look:
        shutil.rmtree(folder)
        for _ in range(2):
            look()
    told = f"metrics.prometheus_file: cannot write {file}: No such file or directory"
    assert capsys.readouterr().out.count(told) == 1
    assert read_metrics(str(tmp_path))["progress"]["records"] == 0
