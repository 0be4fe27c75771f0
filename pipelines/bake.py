"""Baked training shards: one epoch's draw of the interleaving, written out.

A shard of the token store becomes the shard of the same number; the draw is keyed by utterance, so a baked
epoch equals the same epoch drawn at load time. A baked shard stands as long as its token shard, the tokenizer and
the policy do.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tarfile import TarError
from tempfile import TemporaryDirectory
from typing import Any

from pipelines.commits import commits_folder, read_commits, take_back, withdraw, write_commit
from pipelines.config import RunConfig
from pipelines.engines.local import LocalEngine
from pipelines.engines.protocol import BatchDone, Report
from pipelines.files import fetch_folder, join, make_folder, names_in, remove, remove_partials, write_text
from pipelines.layout import layout_of
from pipelines.progress import meter
from pipelines.run_folder import RunFolder
from pipelines.store import (
    MANIFEST,
    Sample,
    ShardSet,
    digest_of_store,
    parse_utterance,
    read_samples,
    sequence_sample,
    shard_name,
    write_shard,
)
from schemas.errors import EngineError
from schemas.manifest import TRAINING_SHARDS, Manifest, ShardCommit, ShardEntry
from schemas.records import DeadLetter, StoredUtterance, StreamKind
from schemas.vocabulary import VocabularyLayout
from transforms.backend import digest_json
from transforms.interleave import InterleaveConfig, encode_utterance
from transforms.text.tokenizer import load_tokenizer
from transforms.written import written_groups

BASE: tuple[StreamKind, ...] = ("units",)
RECORDS_FOR_WORKERS = 10_000
_COUNTS = ("transcript_tokens", "text_tokens", "speech_tokens", "of_several_words", "without_a_switch")
_BAKE_VERSION = 3  # since 2, no switch falls between two words that no blank parts; since 3, switches are counted
MANY_WITHOUT_A_SWITCH = 1 / 3


@dataclass(frozen=True, slots=True)
class BakeJob:
    """Picklable work on the shards of one epoch.

    Args:
        sources, records: Digests of the token shards by number, and how many utterances each holds.
    """

    store: str
    sources: tuple[str, ...]
    records: tuple[int, ...]
    folder: str
    tokenizer: str
    layout: VocabularyLayout
    config: InterleaveConfig
    seed: int
    epoch: int

    @property
    def fingerprint(self) -> str:
        """Digest of all that decides a baked shard, given its token shard."""
        drawn = [self.layout.to_json(), self.config.model_dump(mode="json"), self.seed, self.epoch]
        return digest_json([_BAKE_VERSION, *drawn])

    def dead_letters(self, shard: int) -> Sequence[DeadLetter]:
        return ()

    def name_of(self, shard: int) -> str:
        return join(self.folder, shard_name(shard))

    def open(self) -> Callable[[int, Report], ShardEntry]:
        with TemporaryDirectory() as temporary:
            tokenizer = load_tokenizer(fetch_folder(self.tokenizer, Path(temporary)))

        def work(shard: int, report: Report) -> ShardEntry:
            counts = dict.fromkeys(_COUNTS, 0)
            source = join(self.store, shard_name(shard))

            def samples() -> Iterator[tuple[str, Sample]]:
                for record in read_whole(source, self.records[shard]):
                    sequence = encode_utterance(
                        record,
                        source="interleaved",
                        layout=self.layout,
                        tokenizer=tokenizer,
                        config=self.config,
                        run_seed=self.seed,
                        epoch=self.epoch,
                    )
                    counts["transcript_tokens"] += len(tokenizer.encode(record.text))
                    if len(written_groups(record.words, record.text)) > 1:
                        counts["of_several_words"] += 1
                        counts["without_a_switch"] += len(sequence.segments) == 1
                    for segment in sequence.segments:
                        counts[f"{segment.modality}_tokens"] += segment.token_end - segment.token_start
                    yield record.utterance_id, sequence_sample(sequence)

            take_back(self.folder, shard)
            entry = write_shard(self.folder, shard, samples(), counts=counts)
            write_commit(self.folder, ShardCommit(entry, (), self.sources[shard], self.fingerprint))
            report(BatchDone(shard, entry.records, samples=0, failed=0))
            return entry

        return work


def read_whole(url: str, records: int) -> Iterator[StoredUtterance]:
    """The utterances of a token shard.

    Raises:
        EngineError: It is damaged, or does not hold so many: a tar that was cut ends without a word.
    """
    found = 0
    try:
        for _, files in read_samples(url):
            yield parse_utterance(files)
            found += 1
    except (TarError, EOFError, KeyError, ValueError) as error:
        raise EngineError(f"{url}: damaged after {found} records; remove it and run again") from error
    if found != records:
        raise EngineError(f"{url}: {found} records, its commit says {records}; remove it and run again")


def training_manifest(job: BakeJob, entries: list[ShardEntry]) -> Manifest:
    source = ShardSet(job.store).manifest
    details: dict[str, Any] = {
        "epoch": job.epoch,
        "seed": job.seed,
        "interleave": job.config.model_dump(mode="json"),
        "layout": job.layout.to_json(),
        "token_store": digest_of_store(source),
    }
    return Manifest(
        format=TRAINING_SHARDS,
        plan_fingerprint=digest_json(details),
        inputs=source.records,
        filtered=0,
        failed=0,
        dropped_sha256="",
        streams=source.streams,
        shards=tuple(sorted(entries, key=lambda entry: entry.shard)),
        details=details,
    )


def too_few_switches(config: InterleaveConfig, share: float) -> str | None:
    """A sentence where more than a third of the interleaved sequences of several words, such a share, are of one
    modality."""
    if share <= MANY_WITHOUT_A_SWITCH:
        return None
    keys = [f"interleave.{name}" for name in ("text_words", "speech_words", "chunk_words") if config.has_option(name)]
    what = f"; lower {' and '.join(keys)} for short utterances" if keys else ""
    return f"{share:.0%} of the interleaved sequences of several words have no switch of modality{what}"


def withdraw_all(folder: RunFolder) -> None:
    """Before token shards change: neither they nor what was baked of them is finished then."""
    for name in names_in(folder.baked):
        withdraw(join(folder.baked, name))
    withdraw(folder.corpus)


def remove_other_epochs(config: RunConfig, folder: RunFolder) -> None:
    """Take away epochs that the job no longer names: nobody would bake them anew when somebody opts out."""
    wanted = {f"epoch-{epoch}" for epoch in range(config.interleave.epochs)}
    for name in names_in(folder.baked):
        if name.startswith("epoch-") and name not in wanted:
            withdraw(join(folder.baked, name))
            remove(join(folder.baked, name))


def bake(config: RunConfig, folder: RunFolder) -> None:
    """Interleaved training shards of each epoch that the config asks for, and no others."""
    remove_other_epochs(config, folder)
    if not config.interleave.epochs:
        return
    store = ShardSet(folder.corpus)
    kinds = BASE if config.interleave.streams == "base" else None
    with TemporaryDirectory() as temporary:
        tokenizer = load_tokenizer(fetch_folder(folder.tokenizer, Path(temporary)))
    layout = layout_of(store.manifest, tokenizer, kinds=kinds, marker_style=config.interleave.marker_style)
    sources = tuple(entry.sha256 for entry in store.manifest.shards)
    records = tuple(entry.records for entry in store.manifest.shards)
    # a small corpus is baked sooner than workers start
    engine = (
        config.engine.build(folder.work) if store.manifest.records > RECORDS_FOR_WORKERS else LocalEngine(workers=1)
    )
    for epoch in range(config.interleave.epochs):
        target = folder.interleaved(epoch)
        for url in (target, commits_folder(target)):
            make_folder(url)
        remove_partials(target)
        job = BakeJob(
            folder.corpus, sources, records, target, folder.tokenizer, layout, config.interleave, config.seed, epoch
        )
        entries = {
            commit.entry.shard: commit.entry
            for commit in read_commits(target)
            if commit.entry.shard < len(sources)
            and (commit.inputs_digest, commit.plan_fingerprint) == (sources[commit.entry.shard], job.fingerprint)
        }
        todo = [shard for shard in range(len(sources)) if shard not in entries]
        if todo:
            withdraw(target)
        with meter(f"bake {epoch}", total=store.manifest.records, unit="utterances") as show:
            for entry in engine.run(job, todo, lambda _: None):
                entries[entry.shard] = entry
                show(sum(e.records for e in entries.values()))
        write_text(join(target, MANIFEST), training_manifest(job, list(entries.values())).to_json())
