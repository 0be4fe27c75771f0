"""The plan of a token store: rows are parted by shard, each shard runs through the stages and is committed.

A shard is final when its commit file stands; a rerun does the shards whose commit is missing or was made from
other rows or another plan. The manifest is assembled last, from the commits.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import cast

from pipelines.engines.local import limit_threads
from pipelines.files import exists, join, read_text, write_text
from pipelines.partition import digest_rows, read_rows
from pipelines.stages import Align, Decode, Encode, Stage, apply_stage
from pipelines.store import Sample, shard_name, utterance_sample, write_shard
from schemas.manifest import ShardCommit
from schemas.records import SourceRow, StoredUtterance, Utterance
from transforms.backend import digest_json
from transforms.streams import emitted_frames

ROWS_A_BATCH = 16


@dataclass(frozen=True, slots=True)
class ShardResult:
    """What a worker tells the driver of a shard: the commit and the seconds that each stage took."""

    commit: ShardCommit
    seconds: dict[str, float]
    resumed: bool = False


@dataclass(frozen=True, slots=True)
class CorpusJob:
    """Picklable work on the shards of a token store.

    Args:
        rows_folder, row_parts: Where the rows of each shard lie (see ``partition``), in how many parts.
        folder: The token store.
        keep_audio: Store each recording as FLAC too.
    """

    decode: Decode
    align: Align
    encoders: tuple[Encode, ...]
    rows_folder: str
    row_parts: int
    folder: str
    keep_audio: bool

    @property
    def stages(self) -> tuple[Stage, ...]:
        return (self.decode, self.align, *self.encoders)

    @property
    def fingerprint(self) -> str:
        """Digest of all that decides the bytes of a shard, given its rows; the version stands for the code."""
        stages = [stage.fingerprint for stage in self.stages]
        return digest_json([version("plait"), *stages, self.keep_audio, ROWS_A_BATCH])

    def open(self) -> Callable[[int], ShardResult]:
        limit_threads()
        runs = [(stage.name, stage.open()) for stage in self.stages]
        fingerprint = self.fingerprint

        def work(shard: int) -> ShardResult:
            seconds: dict[str, float] = {}
            rows, dropped = read_rows(self.rows_folder, shard, parts=self.row_parts)
            inputs_digest = digest_rows(rows, dropped)
            samples: list[tuple[str, Sample]] = []
            counts: dict[str, int] = {}
            for batch in batches(rows):
                current: Sequence[SourceRow] | Sequence[Utterance] = batch
                for name, run in runs:
                    if not current:
                        break
                    began = time.perf_counter()
                    current, lost = apply_stage(name, run, current)
                    seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - began
                    dropped += lost
                began = time.perf_counter()
                for utterance in cast(Sequence[Utterance], current):
                    record = stored(utterance)
                    add_counts(counts, record)
                    waveform = utterance.waveform if self.keep_audio else None
                    samples.append((record.utterance_id, utterance_sample(record, waveform=waveform)))
                seconds["write"] = seconds.get("write", 0.0) + time.perf_counter() - began
            began = time.perf_counter()
            entry = write_shard(self.folder, shard, samples, counts=counts)
            commit = ShardCommit(entry, tuple(sorted(dropped)), inputs_digest, fingerprint)
            write_text(commit_url(self.folder, shard), commit.to_json())
            seconds["write"] = seconds.get("write", 0.0) + time.perf_counter() - began
            return ShardResult(commit, seconds)

        return work


def stored(utterance: Utterance) -> StoredUtterance:
    row = utterance.row
    return StoredUtterance(
        utterance_id=row.utterance_id,
        text=row.text,
        num_samples=utterance.num_samples,
        words=utterance.words,
        streams=utterance.streams,
        speaker=row.speaker,
        language=row.language,
        licence=row.licence,
        source=row.source,
        audio_sha256=utterance.audio_sha256,
        alignment=utterance.alignment,
    )


def add_counts(counts: dict[str, int], record: StoredUtterance) -> None:
    amounts = {"samples": record.num_samples, "words": len(record.words)}
    for stream in record.streams:
        amounts[f"{stream.kind}_frames"] = len(stream.ids)
        amounts[f"{stream.kind}_tokens"] = len(emitted_frames(stream))
    for name, amount in amounts.items():
        counts[name] = counts.get(name, 0) + amount


def commit_url(folder: str, shard: int) -> str:
    return join(folder, "commits", f"{shard_name(shard)}.json")


def finished(folder: str, shard: int, *, inputs_digest: str, fingerprint: str) -> ShardCommit | None:
    """The commit of a shard, if it stands and was made from these rows by this plan."""
    url = commit_url(folder, shard)
    if not exists(url) or not exists(join(folder, shard_name(shard))):
        return None
    commit = ShardCommit.from_json(read_text(url))
    same = commit.inputs_digest == inputs_digest and commit.plan_fingerprint == fingerprint
    return commit if same else None


def batches(rows: Sequence[SourceRow]) -> Iterator[list[SourceRow]]:
    """Batches of a shard's own rows, in order: their composition follows from the shard alone."""
    for start in range(0, len(rows), ROWS_A_BATCH):
        yield list(rows[start : start + ROWS_A_BATCH])
