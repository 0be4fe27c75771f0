"""Ranks: one process a device, started by ``torchrun`` or Ray Train; parameters sharded by FSDP2.

Every rank makes the whole global batch and takes its rows, so batches don't depend on the number of ranks and the
loss is divided by the global count of targets without a message. At 1,000,000 tokens a second that costs a rank one
second a million-token step, in a thread beside it.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed, nn

from pipelines.train.loader import Batch
from schemas.errors import UserError


@dataclass(frozen=True, slots=True)
class World:
    """This process among all of a training."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def own_rows(self, batch: Batch) -> Batch:
        """This rank's rows of the global batch."""
        rows = len(batch.tokens) // self.size
        return batch.rows(self.rank * rows, (self.rank + 1) * rows)

    def sum(self, values: Tensor) -> Tensor:
        """The sum over all ranks."""
        if self.size > 1:
            distributed.all_reduce(values)
        return values

    def any(self, flag: bool) -> bool:
        """Whether the flag is set on any rank; every rank must ask."""
        if self.size == 1:
            return flag
        value = torch.tensor([int(flag)])
        distributed.all_reduce(value, op=distributed.ReduceOp.MAX)
        return bool(value.item())

    def wait(self) -> None:
        if self.size > 1:
            distributed.barrier()


@contextmanager
def joined_world(environment: Mapping[str, str] = os.environ) -> Iterator[World]:
    """The process group that the launcher described (``RANK``, ``WORLD_SIZE``, ``LOCAL_RANK``); one process without.

    A group that stands already, as under Ray Train, is used and left standing.
    """
    size = int(environment.get("WORLD_SIZE", "1"))
    if size == 1:
        yield World()
        return
    world = World(int(environment["RANK"]), size, int(environment.get("LOCAL_RANK", "0")))
    ours = not distributed.is_initialized()
    if ours:
        distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield world
    finally:
        if ours:
            distributed.destroy_process_group()


def check_rows(world: World, *, sequences: int, micro_batches: int) -> None:
    if sequences % (world.size * micro_batches):
        raise UserError(
            f"data.sequences: {sequences} rows a step can't be dealt to {world.size} ranks of {micro_batches} "
            "micro-batches; make it a multiple of their product"
        )


def shard_model(model: Any, world: World, *, device: torch.device, half: bool) -> None:
    """FSDP2 in place: every layer is a unit, the rest another; ``half``: products in bfloat16, sums in float32."""
    if world.size == 1:
        return
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    mesh = init_device_mesh(device.type, (world.size,))
    policy = MixedPrecisionPolicy(
        param_dtype=torch.bfloat16 if half else None, reduce_dtype=torch.float32 if half else None
    )
    layers = next(module for module in model.modules() if isinstance(module, nn.ModuleList))
    for layer in layers:
        fully_shard(layer, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)
    if device.type == "cpu":  # gloo takes a mean for a sum in its reduce-scatter: two ranks doubled every gradient
        for unit in [*layers, model]:
            unit.set_force_sum_reduction_for_comms(True)
