"""What fits on a cluster, pool by pool."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.engines.placement import Resources, place, shortage

resources = st.builds(
    Resources, st.integers(1, 6), st.sampled_from([0.25, 0.5, 1, 2, 4]), st.sampled_from([0, 0, 0.25, 1])
)
nodes = st.lists(
    st.fixed_dictionaries({"CPU": st.integers(0, 8).map(float), "GPU": st.integers(0, 2).map(float)}), max_size=4
)


@given(pools=st.lists(resources, min_size=1, max_size=4), nodes=nodes)
def test_no_more_than_there_is_and_no_more_than_was_asked_for(pools, nodes):
    placed = place(pools, nodes, task_cpus=0.5)
    for name, amount in (("CPU", "num_cpus"), ("GPU", "num_gpus")):
        taken = sum(number * getattr(pool, amount) for number, pool in zip(placed, pools, strict=True))
        assert taken <= sum(node[name] for node in nodes) + 1e-3
    assert all(0 <= number <= pool.workers for number, pool in zip(placed, pools, strict=True))


@given(pools=st.lists(resources, min_size=1, max_size=4), nodes=nodes)
def test_where_there_is_no_shortage_every_pool_starts(pools, nodes):
    """The law that keeps a small cluster from hanging."""
    named = [(str(index), pool) for index, pool in enumerate(pools)]
    placed = place(pools, nodes, task_cpus=0.5)
    assert (shortage(named, nodes, task_cpus=0.5) is None) == all(placed)


def test_two_cpus_hold_every_pool_before_any_grows():
    pools = [Resources(4, 0.5, 0), Resources(4, 0.25, 0), Resources(4, 0.5, 0)]
    assert place(pools, [{"CPU": 2.0}], task_cpus=0.5) == [1, 2, 1]


def test_a_quarter_of_a_gpu_four_times():
    pools = [Resources(64, 1, 0), Resources(8, 1, 0.25)]
    assert place(pools, [{"CPU": 16.0}, {"CPU": 8.0, "GPU": 1.0}], task_cpus=0.5) == [19, 4]


@pytest.mark.parametrize(
    ("pool", "nodes", "message"),
    [
        (
            Resources(1, 1, 1),
            [{"CPU": 8.0}],
            "one worker of each stage needs 1 GPUs together (units 1), the Ray cluster has 0; add nodes, or lower "
            "engine.num_gpus or engine.stages",
        ),
        (
            Resources(1, 4, 0),
            [{"CPU": 2.0}],
            "one worker of each stage needs 4.5 CPUs together (units 4), the Ray cluster has 2; add nodes, or lower "
            "engine.num_cpus or engine.stages",
        ),
        (
            Resources(1, 3, 0),
            [{"CPU": 2.0}, {"CPU": 2.0}],
            "no node has room for a worker of units, 3 CPUs and 0 GPUs, beside the other stages' (nodes of 2 CPUs and "
            "0 GPUs); add nodes, or lower what engine and engine.stages ask for",
        ),
    ],
)
def test_a_shortage_says_what_is_missing(pool, nodes, message):
    assert shortage([("units", pool)], nodes, task_cpus=0.5) == message
