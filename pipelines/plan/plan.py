"""`plait plan`: utterances, hours, shards, seconds by stage, disk and GPU-hours of a corpus job that is not run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pipelines.bake import too_few_switches
from pipelines.config import RayEngineConfig, RunConfig
from pipelines.engines.placement import Resources
from pipelines.engines.ray import pools_of
from pipelines.ingest import read_all
from pipelines.job_stages import encoder_configs, stages_of
from pipelines.opted_out import read_opted_out
from pipelines.plan.census import Census, draw, take_census
from pipelines.plan.gpus import Gpu, gpu_named
from pipelines.plan.rates import Rates, Trial, rates_of_file, rates_of_previous_run, try_stages
from pipelines.run_folder import RunFolder
from pipelines.stages import Stage
from schemas.errors import UserError
from schemas.records import SAMPLE_RATE_HZ, SourceRow
from transforms.interleave import DRAW_STAGE, draw_runs
from transforms.seeds import rng_for

SAMPLE, UTILISATION = 12, 0.3

# Bytes in the token store, fitted on its samples of the 546 bundled prompts that come through.
JSON_BYTES, JSON_BYTES_A_WORD, JSON_BYTES_A_CHARACTER = 710, 112, 1.84
FLAC_BYTES_A_SECOND = 19_400
TAR_BLOCK, NPY_HEADER = 512, 128


@dataclass(frozen=True, slots=True)
class GpuCost:
    """An estimate of GPU-hours from operations counted on the sample.

    Args:
        hours: At ``utilisation`` x the peak of plain float32, in which the models run, by stage.
        hours_half: The same if all of it ran on the tensor cores in 16 bits: the floor.
        cpu_hours: Of the stages without torch, a core each.
    """

    gpu: str
    utilisation: float
    gflops_a_second: dict[str, float]
    hours: dict[str, float]
    hours_half: dict[str, float]
    cpu_hours: dict[str, float]
    source: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a job would take.

    Args:
        shard_bytes: Mean size of a token shard.
        seconds_by_stage: Summed over the workers.
        seconds: Wall clock with the job's workers, each on a core of its own.
        limits: What the estimate leaves out or rests on, a sentence each.
    """

    census: Census
    shards: int
    shard_utterances: float
    shard_bytes: float
    store_bytes: float
    baked_bytes: float
    workers: int
    seconds_by_stage: dict[str, float]
    seconds: float
    rates: str
    gpu: GpuCost | None
    limits: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def plan(
    config: RunConfig,
    *,
    gpu: str | None = None,
    sample: int = SAMPLE,
    rates_file: str | None = None,
    utilisation: float = UTILISATION,
) -> Plan:
    """Estimate a job. Rates come from ``rates_file``, else from a run in the output folder, else from a sample.

    Raises:
        UserError: The job is wrong, the GPU is unknown, or no utterance of the sample came through.
    """
    chosen = gpu_named(gpu) if gpu is not None else None
    stages = stages_of(config)
    rows, total, refused, opted_out = draw(
        read_all(config.ingest, needs_text=config.needs_text),
        limit=config.limit,
        opted_out=read_opted_out(RunFolder(config.output)),
    )
    census = take_census(rows, total=total, refused=refused, opted_out=opted_out, max_duration_s=config.max_duration_s)
    rates = rates_of_file(rates_file, stages) if rates_file is not None else rates_of_previous_run(config)
    trial = None
    if rates is None or chosen is not None:
        trial = try_stages(stages, rows[:sample], batch_rows=config.batch_rows, keep_audio=config.store.audio)
        rates = rates or trial.rates
    if rates is None:
        raise UserError(f"plan: none of {len(rows[:sample])} utterances came through the stages; `plait run` says why")
    audio_s = census.hours * 3600
    by_stage = {name: rate * audio_s for name, rate in rates.seconds.items()}
    store_bytes = census.usable * utterance_bytes(config, census)
    return Plan(
        census=census,
        shards=config.store.shards,
        shard_utterances=census.usable / config.store.shards,
        shard_bytes=store_bytes / config.store.shards,
        store_bytes=store_bytes,
        baked_bytes=census.usable * baked_bytes(config, census),
        workers=config.engine.workers,
        seconds_by_stage=by_stage,
        seconds=wall_seconds(config, by_stage, rates.load_seconds),
        rates=rates.source,
        gpu=gpu_cost(chosen, trial, rates, audio_s, utilisation) if chosen and trial else None,
        limits=(*limits(rates, stages), *idle_workers(config), *few_switches(config, rows)),
    )


def limits(rates: Rates, stages: Sequence[Stage]) -> tuple[str, ...]:
    said = ["hours count all audio that can be read; what the alignment's gate drops costs decoding and aligning alone"]
    left_out = [name for name in ("write", "tokenizer", "bake") if name not in rates.seconds]
    if left_out:
        said.append(f"not in the seconds: {', '.join(left_out)}")
    if any(getattr(getattr(stage, "encoder", None), "device", "cpu") != "cpu" for stage in stages):
        said.append("seconds are of the machine that the rates were taken on")
    return tuple(said)


def idle_workers(config: RunConfig) -> Iterator[str]:
    """A shard is worked on in one place: with fewer of them than workers, some have nothing to do."""
    workers, shards = config.engine.workers, config.store.shards
    if workers > shards:
        yield (
            f"{workers} workers but {shards} shards: {workers - shards} would wait; store.shards: about four a worker, "
            "ten minutes of work each"
        )


def few_switches(config: RunConfig, rows: Sequence[SourceRow]) -> Iterator[str]:
    """Where the texts are too short for the interleaving; a written word is what stands between blanks."""
    sizes = {row.utterance_id: size for row in rows if (size := len(row.text.split())) > 1}
    if config.align is None or not config.interleave.epochs or not sizes:
        return
    unswitched = sum(
        len(draw_runs(size, rng_for(name, stage=DRAW_STAGE, run_seed=config.seed, epoch=0), config.interleave)) == 1
        for name, size in sizes.items()
    )
    if said := too_few_switches(config.interleave, unswitched / len(sizes)):
        yield said


def utterance_bytes(config: RunConfig, census: Census) -> float:
    """Of a mean utterance in the token store: tar members of JSON, an array a stream, and FLAC."""
    duration_s = _mean_duration_s(census)
    words = census.mean_words if config.align is not None else 0.0
    text = JSON_BYTES_A_WORD * words + JSON_BYTES_A_CHARACTER * census.mean_text_bytes
    sizes = [JSON_BYTES + text]
    for encoder in encoder_configs(config):
        width = 2 if encoder.codebook_size <= 65_536 else 4
        sizes.append(NPY_HEADER + width * duration_s * SAMPLE_RATE_HZ / encoder.hop_samples)
    if config.store.audio:
        sizes.append(FLAC_BYTES_A_SECOND * duration_s)
    return sum(map(_member, sizes))


def baked_bytes(config: RunConfig, census: Census) -> float:
    """Of a mean utterance in all baked epochs, at most: a token a frame, as if nothing were deduplicated."""
    kinds = encoder_configs(config)[:1] if config.interleave.streams == "base" else encoder_configs(config)
    frames = sum(_mean_duration_s(census) * SAMPLE_RATE_HZ / encoder.hop_samples for encoder in kinds)
    # of a word either its sound or its text is in a sequence; a text token is at least a byte
    tokens = max(frames, census.mean_text_bytes)
    segments = 1 + census.mean_words / min(config.interleave.text_words[0], config.interleave.speech_words[0])
    return config.interleave.epochs * (_member(NPY_HEADER + 4 * tokens) + _member(100 + 120 * segments))


def _member(size: float) -> float:
    """A tar member: a header, and padding of half a block in the mean."""
    return TAR_BLOCK + size + TAR_BLOCK / 2


def _mean_duration_s(census: Census) -> float:
    return census.hours * 3600 / census.usable if census.usable else 0.0


def wall_seconds(config: RunConfig, by_stage: Mapping[str, float], load_seconds: float) -> float:
    """With a core for each worker: a shard is worked on in one place, or flows through the pools of Ray."""
    engine, shards = config.engine, config.store.shards
    driver = sum(by_stage.get(name, 0.0) for name in ("tokenizer", "bake"))
    work = {name: spent for name, spent in by_stage.items() if name not in ("tokenizer", "bake")}
    if isinstance(engine, RayEngineConfig):
        names = [stage.name for stage in stages_of(config)]
        own: dict[str, Resources] = {name: one.build_resources() for name, one in engine.stages.items()}
        pools = pools_of(names, engine.build_resources(), own)
        last = pools[-1][0][-1]
        slowest = 0.0
        for members, resources in pools:
            spent = sum(work.get(name, 0.0) for name in members)
            spent += sum(work.get(name, 0.0) for name in ("write",) if last in members)
            slowest = max(slowest, spent / min(resources.workers, shards))
        return load_seconds + slowest + driver
    rounds = -(-shards // engine.workers)
    return load_seconds + sum(work.values()) * rounds / shards + driver


def gpu_cost(chosen: tuple[str, Gpu], trial: Trial, rates: Rates, audio_s: float, utilisation: float) -> GpuCost:
    name, gpu = chosen

    def hours(flops: float, tflops: float) -> float:
        return flops * audio_s / (tflops * 1e12 * utilisation) / 3600

    # bake and tokenizer are the driver's
    on_cpu = {stage: rate for stage, rate in rates.seconds.items() if stage not in trial.flops}
    return GpuCost(
        gpu=name,
        utilisation=utilisation,
        gflops_a_second={stage: flops / 1e9 for stage, flops in trial.flops.items()},
        hours={stage: hours(flops, gpu.fp32_tflops) for stage, flops in trial.flops.items()},
        hours_half={stage: hours(flops, gpu.half_tflops) for stage, flops in trial.flops.items()},
        cpu_hours={stage: rate * audio_s / 3600 for stage, rate in on_cpu.items()},
        source=gpu.source,
    )
