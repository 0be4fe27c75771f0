"""The manifest and `dropped.parquet` of a token store, assembled from its commits, one in memory at a time."""

from collections.abc import Iterator

from pipelines.commits import read_commits
from pipelines.config import RunConfig
from pipelines.corpus import CorpusJob
from pipelines.files import HashingWriter, join, open_write, write_text
from pipelines.job_stages import encoder_configs
from pipelines.run_folder import RunFolder
from pipelines.store import MANIFEST
from schemas.arrow import write_dropped
from schemas.errors import EngineError
from schemas.manifest import TOKEN_STORE, Manifest, ShardCommit, ShardEntry, StreamInfo
from schemas.records import DeadLetter


def write_store_manifest(folder: RunFolder, job: CorpusJob, config: RunConfig, *, inputs: int) -> Manifest:
    """Finish a token store.

    Args:
        inputs: What the reader gave, counted apart from what came out: else nothing lost would ever show.

    Raises:
        EngineError: A shard has no commit, or one of another plan.
    """
    encoders = encoder_configs(config)
    streams = tuple(StreamInfo(e.stream_kind, e.hop_samples, e.codebook_size, e.fingerprint) for e in encoders)
    return assemble_manifest(
        folder,
        num_shards=len(job.inputs),
        fingerprint=job.fingerprint,
        inputs=inputs,
        streams=streams,
        details={"aligner": config.align and config.align.fingerprint, "seed": config.seed},  # type: ignore[attr-defined]
    )


def assemble_manifest(
    folder: RunFolder,
    *,
    num_shards: int,
    fingerprint: str,
    inputs: int,
    streams: tuple[StreamInfo, ...],
    details: dict[str, object],
) -> Manifest:
    entries: list[ShardEntry] = []
    outcomes = {"filtered": 0, "failed": 0}

    def letters() -> Iterator[DeadLetter]:
        for commit in _commits(folder, fingerprint):
            entries.append(commit.entry)
            for letter in commit.dropped:
                outcomes[letter.outcome] += 1
                yield letter

    with open_write(folder.dropped) as file:
        hashed = HashingWriter(file)
        write_dropped(letters(), hashed)
    if [entry.shard for entry in entries] != list(range(num_shards)):
        raise EngineError(f"{folder.corpus}: {len(entries)} of {num_shards} shards are committed; run again")
    manifest = Manifest(
        format=TOKEN_STORE,
        plan_fingerprint=fingerprint,
        inputs=inputs,
        filtered=outcomes["filtered"],
        failed=outcomes["failed"],
        dropped_sha256=hashed.sha256,
        streams=streams,
        shards=tuple(entries),
        details=details,
    )
    write_text(join(folder.corpus, MANIFEST), manifest.to_json())
    return manifest


def _commits(folder: RunFolder, fingerprint: str) -> Iterator[ShardCommit]:
    for commit in read_commits(folder.corpus):
        if commit.plan_fingerprint != fingerprint:
            raise EngineError(f"{folder.corpus}: shard {commit.entry.shard} is of another run; run again")
        yield commit
