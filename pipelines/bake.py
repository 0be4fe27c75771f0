"""Baked training shards: one epoch's draw of the interleaving, written out.

A shard of the token store becomes the shard of the same number; the draw is keyed by utterance, so a baked
epoch equals the same epoch drawn at load time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipelines.config import RunConfig
from pipelines.engines.local import LocalEngine
from pipelines.files import join, make_folder, remove_partials, write_text
from pipelines.layout import layout_of
from pipelines.progress import meter
from pipelines.run_folder import RunFolder
from pipelines.store import MANIFEST, ShardSet, parse_utterance, read_samples, sequence_sample, shard_name, write_shard
from schemas.manifest import TRAINING_SHARDS, Manifest, ShardEntry
from schemas.records import StreamKind
from schemas.vocabulary import VocabularyLayout
from transforms.backend import digest_json
from transforms.interleave import InterleaveConfig, encode_utterance
from transforms.text.tokenizer import load_tokenizer

BASE: tuple[StreamKind, ...] = ("units",)
RECORDS_FOR_WORKERS = 10_000


@dataclass(frozen=True, slots=True)
class BakeJob:
    """Picklable work on the shards of one epoch."""

    store: str
    folder: str
    tokenizer: str
    layout: VocabularyLayout
    config: InterleaveConfig
    seed: int
    epoch: int

    def open(self) -> Callable[[int], ShardEntry]:
        tokenizer = load_tokenizer(self.tokenizer)

        def work(shard: int) -> ShardEntry:
            samples = []
            counts = dict.fromkeys(("transcript_tokens", "text_tokens", "speech_tokens"), 0)
            for utterance_id, files in read_samples(join(self.store, shard_name(shard))):
                record = parse_utterance(files)
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
                for segment in sequence.segments:
                    counts[f"{segment.modality}_tokens"] += segment.token_end - segment.token_start
                samples.append((utterance_id, sequence_sample(sequence)))
            return write_shard(self.folder, shard, samples, counts=counts)

        return work


def training_manifest(job: BakeJob, entries: list[ShardEntry]) -> Manifest:
    source = ShardSet(job.store).manifest
    details: dict[str, Any] = {
        "epoch": job.epoch,
        "seed": job.seed,
        "interleave": job.config.model_dump(mode="json"),
        "layout": job.layout.to_json(),
        "token_store": digest_json([entry.sha256 for entry in source.shards]),
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


def bake(config: RunConfig, folder: RunFolder) -> None:
    """Interleaved training shards of each epoch that the config asks for."""
    store = ShardSet(folder.corpus)
    kinds = BASE if config.interleave.streams == "base" else None
    layout = layout_of(
        store.manifest,
        load_tokenizer(folder.tokenizer),
        kinds=kinds,
        marker_style=config.interleave.marker_style,
    )
    # a small corpus is baked sooner than workers start
    engine = config.engine.build() if store.manifest.records > RECORDS_FOR_WORKERS else LocalEngine(workers=1)
    for epoch in range(config.interleave.epochs):
        target = folder.interleaved(epoch)
        make_folder(target)
        remove_partials(target)
        job = BakeJob(folder.corpus, target, folder.tokenizer, layout, config.interleave, config.seed, epoch)
        entries: list[ShardEntry] = []
        with meter(f"bake {epoch}", total=store.manifest.records, unit="utterances") as show:
            for entry in engine.run(job, [shard.shard for shard in store.manifest.shards]):
                entries.append(entry)
                show(sum(e.records for e in entries))
        write_text(join(target, MANIFEST), training_manifest(job, entries).to_json())
