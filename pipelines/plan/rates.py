"""How long a stage works on a second of audio: of a previous run, of a recorded benchmark, or tried on a sample."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from pipelines.config import RunConfig
from pipelines.corpus import stored
from pipelines.engines.worker import prepare_worker
from pipelines.files import exists, join, read_text
from pipelines.metrics import read_metrics
from pipelines.plan.flops import flop_counter
from pipelines.stages import Stage, apply_stage
from pipelines.store import utterance_sample
from schemas.errors import UserError
from schemas.records import SAMPLE_RATE_HZ, SourceRow, Utterance

STAGE_SECTIONS = ("align", "gate", "units", "pitch", "style", "max_duration_s", "batch_rows")


@dataclass(frozen=True, slots=True)
class Rates:
    """Seconds that one worker, of one thread, spends on a second of audio, by stage.

    Args:
        source: Where they come from, for people.
        load_seconds: Of all models, once a worker; 0 where it was not measured.
    """

    seconds: dict[str, float]
    source: str
    load_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Trial:
    """A sample that went through the stages.

    Args:
        rates: None where no utterance came through.
        flops: Floating-point operations of a stage on a second of audio; stages that take no GPU have none.
    """

    rates: Rates | None
    flops: dict[str, float]
    utterances: int
    audio_s: float


def rates_of_previous_run(config: RunConfig) -> Rates | None:
    """Of a run in the same output folder with the same stages; None where there is none."""
    url = join(config.output, "run.yaml")
    if not exists(url):
        return None
    before, now = yaml.safe_load(read_text(url)), config.model_dump(mode="json")
    if any(before.get(name) != now[name] for name in STAGE_SECTIONS):
        return None
    progress = read_metrics(config.output).get("progress", {})
    audio_s = 3600 * float(progress.get("new_hours", 0.0))
    if not audio_s:
        return None
    seconds = {name: spent / audio_s for name, spent in progress["seconds_by_stage"].items()}
    return Rates(seconds, f"the run in {config.output} ({audio_s / 3600:.2f} h of audio)")


def rates_of_file(path: str, stages: Sequence[Stage]) -> Rates:
    """Of a file that ``python -m benchmarks.stages`` wrote.

    Raises:
        UserError: It is none, or lacks a stage.
    """
    try:
        figures: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
        measured = figures["stages"]
        seconds = {name: one["seconds"] / one["audio_seconds"] for name, one in measured.items()}
        load_seconds = sum(one["load_seconds"] for one in measured.values())
    except OSError as error:
        raise UserError(f"--rates: {path}: {error.strerror}") from error
    except (KeyError, TypeError, ValueError, ZeroDivisionError, AttributeError) as error:
        raise UserError(f"--rates: {path} is no result of `python -m benchmarks.stages`") from error
    missing = [stage.name for stage in stages if stage.name not in seconds]
    if missing:
        raise UserError(f"--rates: {path} has no stage {missing[0]!r}")
    machine = figures.get("machine", {}).get("processor", "an unnamed machine")
    return Rates(seconds, f"{path} ({figures.get('job', 'an unnamed job')} on {machine})", load_seconds)


def takes_gpu(stage: Stage) -> bool:
    """Whether the stage's backend can be put on a device; torch alone doesn't say so."""
    backend = getattr(stage, "encoder", None) or getattr(stage, "aligner", None)
    return hasattr(backend, "device")


def try_stages(stages: Sequence[Stage], rows: Sequence[SourceRow], *, batch_rows: int, keep_audio: bool) -> Trial:
    """Run rows through the stages here, on one thread, and count what torch computes."""
    prepare_worker()
    seconds: dict[str, float] = {}
    flops: dict[str, float] = {}
    load_seconds = 0.0
    batches: list[Sequence[Any]] = [rows[start : start + batch_rows] for start in range(0, len(rows), batch_rows)]
    for stage in stages:
        began = time.perf_counter()
        run = stage.open()
        load_seconds += time.perf_counter() - began
        if batches:  # what a library prepares at its first call is no rate
            apply_stage(stage.name, run, batches[0][:1])
        began = time.perf_counter()
        done = [apply_stage(stage.name, run, batch)[0] for batch in batches]
        spent = time.perf_counter() - began
        # counted apart: the counter looks at every operation and costs time
        counter = flop_counter()
        with counter:
            counted = apply_stage(stage.name, run, batches[0])[0] if batches else []
        batches = [batch for batch in done if batch]
        audio_s = sum(map(_audio_s, batches))
        if not audio_s:
            return Trial(None, {}, 0, 0.0)
        seconds[stage.name] = spent / audio_s
        if takes_gpu(stage) and counter.total and counted:
            flops[stage.name] = counter.total / _audio_s(counted)
    utterances = [cast(Utterance, utterance) for batch in batches for utterance in batch]
    audio_s = _audio_s(utterances)
    began = time.perf_counter()
    for utterance in utterances:
        utterance_sample(stored(utterance), waveform=utterance.waveform if keep_audio else None)
    seconds["write"] = (time.perf_counter() - began) / audio_s
    source = f"{len(utterances)} utterances of the corpus ({audio_s:.0f} s), run through the stages here"
    return Trial(Rates(seconds, source, load_seconds), flops, len(utterances), audio_s)


def _audio_s(batch: Sequence[SourceRow | Utterance]) -> float:
    return sum(record.num_samples for record in batch if isinstance(record, Utterance)) / SAMPLE_RATE_HZ
