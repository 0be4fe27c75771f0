"""A plan as a person reads it."""

from collections.abc import Iterator

from pipelines.plan.plan import GpuCost, Plan

_UNITS = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def lines(plan: Plan) -> Iterator[str]:
    census = plan.census
    yield f"utterances  {census.utterances:,}{_details(refused=census.refused, opted_out=census.opted_out)}"
    exact = census.hours_low == census.hours_high
    how = "every audio header read" if exact else f"95 %: {census.hours_low:,.2f} to {census.hours_high:,.2f}"
    seen = "" if exact else f"; headers of {census.sampled:,} read"
    yield f"hours       {census.hours:,.2f} ({how}{seen})"
    if census.unreadable or census.too_long:
        yield f"            of these headers: {census.unreadable} unreadable, {census.too_long} too long"
    yield (
        f"shards      {plan.shards:,} of {plan.shard_utterances:,.1f} utterances and {_size(plan.shard_bytes)} each "
        "(means)"
    )
    per_hour = plan.store_bytes / census.hours if census.hours else 0.0
    yield (
        f"disk        {_size(plan.store_bytes)} token store ({_size(per_hour)} an hour), "
        f"at most {_size(plan.baked_bytes)} baked"
    )
    yield f"rates       {plan.rates}"
    whole = sum(plan.seconds_by_stage.values())
    for name, spent in plan.seconds_by_stage.items():
        yield f"  {name:<10}{_time(spent):>12}  {spent / whole:5.1%}" if whole else f"  {name}"
    yield f"time        {_time(whole)} of one worker; {_time(plan.seconds)} on {plan.workers}, each with its own core"
    if plan.gpu is not None:
        yield from _gpu(plan.gpu)
    yield from (f"note        {said}" for said in plan.limits)


def _gpu(cost: GpuCost) -> Iterator[str]:
    yield (
        f"GPU-hours   {sum(cost.hours.values()):,.4g} on {cost.gpu}, an estimate: operations counted on the sample, at "
        f"{cost.utilisation:.0%} of its float32 peak"
    )
    yield f"            {sum(cost.hours_half.values()):,.4g} if all of it ran in 16 bits on the tensor cores"
    for name, hours in cost.hours.items():
        yield f"  {name:<10}{hours:>12,.4g}  {cost.gflops_a_second[name]:,.1f} GFLOP a second of audio"
    on_cpu = ", ".join(f"{name} {hours:,.4g}" for name, hours in cost.cpu_hours.items())
    yield f"CPU-hours   {sum(cost.cpu_hours.values()):,.4g} beside it ({on_cpu})"


def _details(**numbers: int) -> str:
    told = [f"{number:,} {name.replace('_', ' ')}" for name, number in numbers.items() if number]
    return f" ({', '.join(told)})" if told else ""


def _size(amount: float) -> str:
    for factor, unit in _UNITS:
        if amount >= factor:
            return f"{amount / factor:,.1f} {unit}"
    return f"{amount:,.0f} B"


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:,.1f} s"
    if seconds < 7200:
        return f"{seconds / 60:,.1f} min"
    return f"{seconds / 3600:,.1f} h"
