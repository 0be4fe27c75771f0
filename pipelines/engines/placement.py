"""How many workers of each pool fit on the nodes that are there.

Every pool gets one worker before any gets a second: a pool without a worker stops the flow for good, and Ray itself
places whatever was asked for first. ::

    pools   [decode align] 4 x 0.5 CPU   [units] 4 x 0.5 CPU        nodes  2 CPUs, 0.5 kept for tasks
    placed  2                            1
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SLACK = 1e-6  # fractions of a CPU do not add up exactly


@dataclass(frozen=True, slots=True)
class Resources:
    """What a pool of actors asks for: ``num_cpus`` and ``num_gpus`` are an actor's."""

    workers: int
    num_cpus: float
    num_gpus: float

    @property
    def bundle(self) -> dict[str, float]:
        """An actor's resources in Ray's terms."""
        asked = {"CPU": self.num_cpus, "GPU": self.num_gpus}
        return {name: amount for name, amount in asked.items() if amount}


def place(pools: Sequence[Resources], nodes: Sequence[Mapping[str, float]], *, task_cpus: float) -> list[int]:
    """Workers that fit, pool by pool, at most as many as the pool asks for; 0 where not even one does.

    An actor lies on one node. The first workers are placed largest first, the others in turn, each on the first node
    with room.

    Args:
        nodes: Resources of each node, in Ray's terms.
        task_cpus: Kept free for tasks, on the node with the most CPUs.
    """
    free = sorted((dict(node) for node in nodes), key=lambda node: -node.get("CPU", 0.0))
    if free:
        free[0]["CPU"] = free[0].get("CPU", 0.0) - task_cpus
    placed = [0] * len(pools)
    by_size = sorted(range(len(pools)), key=lambda index: (-pools[index].num_gpus, -pools[index].num_cpus, index))
    open_pools = [index for index in by_size if pools[index].workers]
    while open_pools:
        still = []
        for index in open_pools:
            if _take(pools[index].bundle, free):
                placed[index] += 1
                if placed[index] < pools[index].workers:
                    still.append(index)
        open_pools = still
    return placed


def _take(bundle: Mapping[str, float], free: Sequence[dict[str, float]]) -> bool:
    for node in free:
        if all(node.get(name, 0.0) + SLACK >= amount for name, amount in bundle.items()):
            for name, amount in bundle.items():
                node[name] -= amount
            return True
    return False


def shortage(
    pools: Sequence[tuple[str, Resources]], nodes: Sequence[Mapping[str, float]], *, task_cpus: float
) -> str | None:
    """Why not one worker of each pool fits, in a sentence; None where they do."""
    ones = [Resources(1, pool.num_cpus, pool.num_gpus) for _, pool in pools]
    placed = place(ones, nodes, task_cpus=task_cpus)
    if all(placed):
        return None
    for name, option in (("GPU", "num_gpus"), ("CPU", "num_cpus")):
        asked = {label: getattr(pool, option) for label, pool in pools if getattr(pool, option)}
        need = sum(asked.values()) + (task_cpus if name == "CPU" else 0)
        have = sum(node.get(name, 0.0) for node in nodes)
        if need > have + SLACK:
            detail = ", ".join(f"{label} {amount:g}" for label, amount in asked.items())
            return (
                f"one worker of each stage needs {need:g} {name}s together ({detail}), the Ray cluster has {have:g}; "
                f"add nodes, or lower engine.{option} or engine.stages"
            )
    label, pool = next(pools[index] for index, number in enumerate(placed) if not number)
    sizes = ", ".join(sorted({f"{node.get('CPU', 0.0):g} CPUs and {node.get('GPU', 0.0):g} GPUs" for node in nodes}))
    return (
        f"no node has room for a worker of {label}, {pool.num_cpus:g} CPUs and {pool.num_gpus:g} GPUs, beside the "
        f"other stages' (nodes of {sizes}); add nodes, or lower what engine and engine.stages ask for"
    )
