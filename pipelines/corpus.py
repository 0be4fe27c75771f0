"""The plan of a token store: rows are parted by shard, a shard's batches run through the stages, and it is committed.

A shard is final when its commit file stands; a rerun does the shards whose commit is missing or was made from
other rows or another plan. The manifest is assembled last, from the commits.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import TypeVar, cast

from pipelines.commits import read_commit, take_back, write_commit
from pipelines.engines.protocol import BatchDone, Report
from pipelines.engines.worker import prepare_worker
from pipelines.files import join, names_in, remove
from pipelines.partition import ShardInputs, Spills, read_rows
from pipelines.stages import Stage, apply_stage
from pipelines.store import Sample, read_samples, shard_name, utterance_sample, write_shard, write_tar
from schemas.manifest import ShardCommit
from schemas.records import DeadLetter, SourceRow, StoredUtterance, Utterance
from transforms.backend import digest_json
from transforms.streams import emitted_frames

N = TypeVar("N", int, float)


@dataclass(slots=True)
class Batch:
    """Some records of a shard on their way through the stages, and what became of those that fell out.

    Args:
        index, count: Which of the shard's batches this is; their composition follows from the shard alone.
        size: Records that were in it at the start, with those that never became rows.
        began: Clock when the first stage took it, in seconds since the epoch.
    """

    shard: int
    index: int
    count: int
    size: int
    records: Sequence[SourceRow] | Sequence[Utterance]
    dropped: list[DeadLetter]
    seconds: dict[str, float] = field(default_factory=dict)
    began: float = 0.0

    @property
    def done(self) -> BatchDone:
        return BatchDone(
            shard=self.shard,
            records=self.size,
            samples=sum(u.num_samples for u in self.records if isinstance(u, Utterance)),
            failed=sum(letter.outcome == "failed" for letter in self.dropped),
            dropped=count_causes(self.dropped),
            examples=example_of_each_cause(self.dropped),
            seconds=self.seconds,
        )


@dataclass(frozen=True, slots=True)
class CorpusPart:
    """A batch of a shard whose samples wait in a small tar for the others."""

    shard: int
    index: int
    count: int
    done: BatchDone
    counts: dict[str, int]
    dropped: tuple[DeadLetter, ...]
    began: float


@dataclass(frozen=True, slots=True)
class ShardResult:
    """What a worker tells the driver of a shard that it committed: figures, however much was dropped.

    Args:
        began, ended: Clock, in seconds since the epoch.
    """

    shard: int
    records: int
    samples: int
    failed: int
    dropped: dict[str, int]
    examples: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    began: float = 0.0
    ended: float = 0.0

    @classmethod
    def of(cls, commit: ShardCommit) -> "ShardResult":
        return cls(
            shard=commit.entry.shard,
            records=commit.entry.records,
            samples=commit.entry.counts.get("samples", 0),
            failed=sum(letter.outcome == "failed" for letter in commit.dropped),
            dropped=count_causes(commit.dropped),
            examples=example_of_each_cause(commit.dropped),
        )


@dataclass(frozen=True, slots=True)
class CorpusJob:
    """Picklable work on the shards of a token store.

    Args:
        stages: What each record goes through, decoding first.
        spills: Where the rows of each shard lie.
        inputs: What each shard is made from.
        folder: The token store.
        parts: Where engines that spread a shard's batches keep them until it is whole.
        keep_audio: Store each recording as FLAC too.
        batch_rows: Records that go through the stages together.
    """

    stages: tuple[Stage, ...]
    spills: Spills
    inputs: tuple[ShardInputs, ...]
    folder: str
    parts: str
    keep_audio: bool
    batch_rows: int

    @property
    def stage_names(self) -> tuple[str, ...]:
        return tuple(stage.name for stage in self.stages)

    @property
    def fingerprint(self) -> str:
        """Digest of all that decides the bytes of a shard, given its rows; the version stands for the code."""
        stages = [stage.fingerprint for stage in self.stages]
        return digest_json([version("plait"), *stages, self.keep_audio, self.batch_rows])

    def batches(self, shard: int) -> Iterator[Batch]:
        """The shard's rows in order of their ids, cut into batches; what the reader refused goes with the first."""
        began = time.perf_counter()
        rows, dropped = read_rows(self.spills, shard)
        seconds = {"read": time.perf_counter() - began}
        count = max(1, -(-len(rows) // self.batch_rows))
        for index in range(count):
            cut = rows[index * self.batch_rows : (index + 1) * self.batch_rows]
            size = len(cut) + len(dropped)
            yield Batch(shard, index, count, size, cut, dropped, seconds)
            dropped, seconds = [], {}

    def open_stages(self, names: Sequence[str]) -> Callable[[Batch], Batch]:
        prepare_worker()
        runs = [(stage.name, stage.open()) for stage in self.stages if stage.name in names]

        def step(batch: Batch) -> Batch:
            seconds, dropped = dict(batch.seconds), list(batch.dropped)
            records, first = batch.records, batch.began or time.time()
            for name, run in runs:
                if not records:
                    break
                began = time.perf_counter()
                records, lost = apply_stage(name, run, records)
                seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - began
                dropped += lost
            return replace(batch, records=records, dropped=dropped, seconds=seconds, began=first)

        return step

    def open(self) -> Callable[[int, Report], ShardResult]:
        step = self.open_stages(self.stage_names)
        fingerprint = self.fingerprint

        def work(shard: int, report: Report) -> ShardResult:
            counts: dict[str, int] = {}
            dropped: list[DeadLetter] = []
            seconds: dict[str, float] = {}
            began = time.time()

            def samples() -> Iterator[tuple[str, Sample]]:
                for batch in map(step, self.batches(shard)):
                    yield from self._samples(batch, counts)
                    dropped.extend(batch.dropped)
                    add_up(seconds, batch.seconds)
                    report(batch.done)

            return self._commit(shard, samples(), fingerprint, counts, dropped, seconds, began)

        return work

    def dead_letters(self, shard: int) -> Sequence[DeadLetter]:
        return read_commit(self.folder, shard).dropped

    def name_of(self, shard: int) -> str:
        return shard_name(shard)

    def write_part(self, batch: Batch) -> CorpusPart:
        counts: dict[str, int] = {}
        began = time.perf_counter()
        write_tar(self._part_url(batch.shard, batch.index), self._samples(batch, counts))
        add_up(batch.seconds, {"write": time.perf_counter() - began})
        dropped = tuple(batch.dropped)
        return CorpusPart(batch.shard, batch.index, batch.count, batch.done, counts, dropped, batch.began)

    def assemble(self, shard: int, parts: Sequence[CorpusPart]) -> ShardResult:
        counts: dict[str, int] = {}
        seconds: dict[str, float] = {}
        for part in parts:
            add_up(counts, part.counts)
            add_up(seconds, part.done.seconds)

        def samples() -> Iterator[tuple[str, Sample]]:
            for part in parts:
                yield from read_samples(self._part_url(shard, part.index))

        dropped = [letter for part in parts for letter in part.dropped]
        began = min(part.began for part in parts)
        if len(names_in(join(self.parts, f"{shard:05d}"))) < len(parts):  # a worker died after its commit
            standing = ShardResult.of(read_commit(self.folder, shard))
            return replace(standing, seconds=seconds, began=began, ended=time.time())
        result = self._commit(shard, samples(), self.fingerprint, counts, dropped, seconds, began)
        remove(join(self.parts, f"{shard:05d}"))
        return result

    def _part_url(self, shard: int, index: int) -> str:
        return join(self.parts, f"{shard:05d}", f"{index:05d}.tar")

    def _samples(self, batch: Batch, counts: dict[str, int]) -> Iterator[tuple[str, Sample]]:
        for utterance in cast(Sequence[Utterance], batch.records):
            record = stored(utterance)
            add_up(counts, amounts(record))
            waveform = utterance.waveform if self.keep_audio else None
            yield record.utterance_id, utterance_sample(record, waveform=waveform)

    def _commit(
        self,
        shard: int,
        samples: Iterator[tuple[str, Sample]],
        fingerprint: str,
        counts: dict[str, int],
        dropped: list[DeadLetter],
        seconds: dict[str, float],
        began: float,
    ) -> ShardResult:
        """Write the tar, then the commit that makes it final; ``samples`` fills the other arguments as it goes."""
        start = time.perf_counter()
        spent = sum(seconds.values())
        take_back(self.folder, shard)
        entry = write_shard(self.folder, shard, samples, counts=counts)
        inputs = self.inputs[shard]
        commit = ShardCommit(entry, tuple(sorted(dropped)), inputs.digest, fingerprint, inputs.opted_out)
        write_commit(self.folder, commit)
        # what is left of the time when the stages' own is taken away
        add_up(seconds, {"write": time.perf_counter() - start - (sum(seconds.values()) - spent)})
        return replace(ShardResult.of(commit), seconds=seconds, began=began, ended=time.time())


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


def amounts(record: StoredUtterance) -> dict[str, int]:
    """What an utterance adds to the counts of its shard."""
    counted = {"samples": record.num_samples, "words": len(record.words)}
    for stream in record.streams:
        counted[f"{stream.kind}_frames"] = len(stream.ids)
        counted[f"{stream.kind}_tokens"] = len(emitted_frames(stream))
    return counted


def add_up(sums: dict[str, N], more: dict[str, N]) -> None:
    for name, amount in more.items():
        sums[name] = sums[name] + amount if name in sums else amount


def count_causes(dropped: Sequence[DeadLetter]) -> dict[str, int]:
    causes: dict[str, int] = {}
    for letter in dropped:
        cause = f"{letter.stage}/{letter.code}"
        causes[cause] = causes.get(cause, 0) + 1
    return causes


def example_of_each_cause(dropped: Iterable[DeadLetter]) -> dict[str, str]:
    """The sentence with the lowest id."""
    examples: dict[str, str] = {}
    for letter in dropped:
        add_example(examples, f"{letter.stage}/{letter.code}", f"{letter.utterance_id}: {letter.detail}")
    return examples


def add_example(examples: dict[str, str], cause: str, example: str) -> None:
    examples[cause] = min(example, examples.get(cause, example))
