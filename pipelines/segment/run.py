"""`plait segment`: long recordings with their transcripts to segments that a corpus job takes.

Output folder::

    OUT/segment.yaml  transcripts.tsv  words.ctm  dropped.tsv  audio/KEY/KEY_000.flac  commits/KEY.json  metrics.json
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, SerializeAsAny

from pipelines.backends import resolve_backends
from pipelines.config import LocalEngineConfig
from pipelines.corpus import add_up
from pipelines.failures import stop_if_sick
from pipelines.files import exists, join, local_path, make_folder, remove, remove_partials, write_text
from pipelines.ingest import OneOrSeveral, read_all
from pipelines.lock import Check, lock
from pipelines.metrics import update_metrics
from pipelines.partition import Parted, partition, read_rows
from pipelines.progress import meter
from pipelines.run_folder import RunFolder
from pipelines.segment.commits import (
    DROPPED,
    TABLE,
    read_commits,
    stands,
    withdraw_others,
    withdraw_tables,
    write_tables,
)
from pipelines.segment.job import SegmentJob, digest_of, recording_number
from pipelines.stages import Decode
from pipelines.yaml_config import OutputFolder, Section, read_yaml, validate
from schemas.errors import EngineError, TransientError, UserError
from schemas.records import SAMPLE_RATE_HZ, DeadLetter
from transforms.align.gate import GateConfig
from transforms.align.longform import SEGMENT_SAMPLES
from transforms.backend import BackendConfig

JOB = "segment.yaml"
ALIGNERS = ("fused", "pocketsphinx", "ctc")
"""Those that place any words in any stretch of audio."""
_BUCKETS = 64  # bound the rows that are in memory at once


class LongformConfig(Section):
    """The long-form aligner's settings.

    Args:
        longest_s: A segment is cut before it gets longer; only a single written word may be.
        rejoin: What finds the place where text and audio agree again after a passage that one of them lacks:
            ``whisper`` (English alone), or ``none``: what follows is lost.
    """

    longest_s: float = Field(default=SEGMENT_SAMPLES / SAMPLE_RATE_HZ, ge=2, le=100)
    rejoin: Literal["whisper", "none"] = "whisper"


class SegmentConfig(Section):
    """A segmentation job: long recordings with their transcripts in, short aligned segments out; or without, and then
    segments of speech.

    Args:
        output: Folder of the segments, local or in a bucket.
        limit: First N recordings by id, for a trial.
        max_failed_ratio: As of a corpus job, of recordings.
        max_duration_s: Longer recordings are filtered.
        engine: Processes on this machine.
        ingest: The corpus, or a list of corpora that are read one after another.
        align: What finds the times of the words: ``fused``, ``pocketsphinx`` or ``ctc``; null for recordings without
            transcripts, which are cut at their pauses.
        gate: What segments are rejected.
        longform: How recordings are cut.
    """

    output: OutputFolder
    limit: int | None = Field(default=None, ge=1)
    max_failed_ratio: float = Field(default=0.01, ge=0, le=1)
    max_duration_s: float = Field(default=14_400, gt=0)
    engine: LocalEngineConfig = Field(default_factory=LocalEngineConfig)
    ingest: OneOrSeveral
    align: SerializeAsAny[BackendConfig] | None
    gate: GateConfig = Field(default_factory=GateConfig)
    longform: LongformConfig = Field(default_factory=LongformConfig)

    def to_yaml(self) -> str:
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


@dataclass(frozen=True, slots=True)
class _Plan:
    """Sorted ids of all recordings, numbers of those that are not finished, and what is no recording."""

    recordings: Sequence[str]
    todo: Sequence[int]
    letters: Sequence[DeadLetter]


def load_segment(
    path: str | Path, *, output: str | None = None, workers: int | None = None, overrides: Sequence[str] = ()
) -> SegmentConfig:
    """Read and check a segmentation job.

    Raises:
        UserError: One line with the path of the wrong key.
    """
    options = [f"output={json.dumps(output)}"] if output is not None else []
    options += [f"engine.workers={workers}"] if workers is not None else []
    data = resolve_backends(read_yaml(path, overrides=[*overrides, *options]), ("align",), where=str(path))
    config = validate(SegmentConfig, data, where=str(path))
    if config.align is not None and (kind := config.align.model_dump()["kind"]) not in ALIGNERS:
        raise UserError(f"{path}: align.kind: {kind} aligns no part of a recording; choose {', '.join(ALIGNERS)}")
    return config


def segment(config: SegmentConfig) -> dict[str, Any]:
    """Cut all recordings of a job; returns the figures that `metrics.json` holds.

    Raises:
        UserError: The job or its surroundings are wrong, or another run writes the output.
        EngineError: Workers died, too many recordings failed, or none gave a segment.
    """
    local = local_path(config.output)
    if local is not None and "://" in config.output:
        config = config.model_copy(update={"output": str(local)})
    if exists(join(config.output, TABLE)) and not exists(join(config.output, JOB)):
        raise UserError(
            f"output: {config.output} holds a {TABLE} that is not of `plait segment`; choose another folder"
        )
    make_folder(config.output)
    try:
        with lock(config.output) as still_ours:
            return _segment(config, RunFolder(config.output), still_ours)
    except TransientError as error:
        raise EngineError(f"{error}; what is finished is kept, run again to resume") from error


def _segment(config: SegmentConfig, folder: RunFolder, still_ours: Check) -> dict[str, Any]:
    began = time.perf_counter()
    remove(folder.work)
    remove_partials(config.output)
    rows_folder = join(folder.work, "rows")
    make_folder(rows_folder)
    write_text(join(config.output, JOB), config.to_yaml())
    parted = partition(
        read_all(config.ingest, needs_text=config.align is not None),
        rows_folder,
        num_shards=_BUCKETS,
        limit=config.limit,
    )
    job = SegmentJob(
        decode=Decode(config.max_duration_s, needs_text=config.align is not None),
        aligner=config.align,  # type: ignore[arg-type]
        gate=config.gate,
        max_samples=int(config.longform.longest_s * SAMPLE_RATE_HZ),
        rejoin=config.longform.rejoin == "whisper",
        spills=parted.spills,
        folder=config.output,
    )
    plan = _plan(parted, job)
    if plan.todo:
        withdraw_tables(config.output)
        _work(config, job, plan, folder, still_ours)
    still_ours()
    withdraw_others(config.output, plan.recordings)
    write_tables(config.output, plan.recordings, plan.letters)
    figures = _figures(config.output, plan)
    figures["wall_seconds"] = round(time.perf_counter() - began, 2)
    update_metrics(config.output, "segment", figures)
    remove(folder.work)
    if not figures["segments"]:
        raise EngineError(f"no recording gave a segment; see {join(config.output, DROPPED)}")
    return figures


def _plan(parted: Parted, job: SegmentJob) -> _Plan:
    """What is there to do, the longest transcripts first: the last to end is then a short one."""
    fingerprint = job.fingerprint
    recordings: list[str] = []
    todo: list[tuple[int, str, int]] = []
    letters: list[DeadLetter] = []
    for bucket, inputs in enumerate(parted.inputs):
        if not inputs.rows:
            continue
        rows, refused = read_rows(parted.spills, bucket)
        letters += refused
        for place, row in enumerate(rows):
            recordings.append(row.utterance_id)
            if stands(job.folder, row.utterance_id, digest_of(row, fingerprint)) is None:
                todo.append((-len(row.text), row.utterance_id, recording_number(bucket, place)))
    return _Plan(sorted(recordings), [number for _, _, number in sorted(todo)], letters)


def _work(config: SegmentConfig, job: SegmentJob, plan: _Plan, folder: RunFolder, still_ours: Check) -> None:
    total = len(plan.recordings)
    standing = total - len(plan.todo)
    if standing:
        print(f"segment: {standing} of {total} recordings stand already", flush=True)
    done = failed = 0
    causes: dict[str, int] = {}

    with meter("segment", total=len(plan.todo), unit="recordings") as show:
        for result in config.engine.build(folder.work).run(job, plan.todo, lambda _: None):
            still_ours()
            done += 1
            failed += result.failed
            add_up(causes, {result.cause: 1} if result.cause else {})
            show(done)
            stop_if_sick(failed, total, config.max_failed_ratio, dropped=causes, what="recordings")


def _figures(output: str, plan: _Plan) -> dict[str, Any]:
    counts = dict.fromkeys(
        ("segments", "whole", "in_part", "filtered", "failed", "words", "words_lost", "samples", "samples_kept"), 0
    )
    speech = 0
    causes: dict[str, int] = {}
    outcomes = {"trimmed": "in_part", "filtered": "filtered", "failed": "failed"}
    for letter in plan.letters:
        add_up(counts, {outcomes[letter.outcome]: 1})
        add_up(causes, {f"{letter.stage}/{letter.code}": 1})
    for commit in read_commits(output, plan.recordings):
        kept = sum(entry.end_sample - entry.start_sample for entry in commit.segments)
        add_up(counts, {"segments": len(commit.segments), "words": commit.words})
        add_up(counts, {"samples": commit.num_samples, "samples_kept": kept})
        if commit.loss is None:
            add_up(counts, {"whole": 1})
            continue
        loss = commit.loss
        add_up(counts, {outcomes[loss.outcome]: 1, "words_lost": loss.words or 0})
        add_up(causes, {f"{loss.stage}/{loss.code}": 1})
        speech += loss.speech_samples or 0
    hours = {name: round(counts.pop(key) / SAMPLE_RATE_HZ / 3600, 4) for name, key in _HOURS.items()}
    return {
        "recordings": len(plan.recordings) + len(plan.letters),
        **counts,
        **hours,
        "speech_lost_s": round(speech / SAMPLE_RATE_HZ, 2),
        "lost_by_cause": dict(sorted(causes.items(), key=lambda item: (-item[1], item[0]))),
    }


_HOURS = {"hours": "samples", "hours_in_segments": "samples_kept"}
