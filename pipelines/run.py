"""`plait run`: a corpus job from its rows to a token store, a text tokenizer and baked training shards.

Output folder::

    OUT/run.yaml  corpus/{shard-*.tar,commits/,manifest.json}  tokenizer/  interleaved/epoch-K/  dropped.parquet
    metrics.json
"""

import hashlib
import io
import shutil
import time
from collections.abc import Iterable
from typing import Any

from pipelines.bake import bake
from pipelines.config import RunConfig
from pipelines.corpus import CorpusJob, ShardResult, finished
from pipelines.files import join, local_path, make_folder, open_write, remove_partials, write_text
from pipelines.ingest import read_rows as read_corpus
from pipelines.metrics import update_metrics
from pipelines.partition import digest_rows, part_count, partition, read_rows
from pipelines.progress import meter
from pipelines.run_folder import RunFolder
from pipelines.stages import Align, Decode, Encode
from pipelines.store import MANIFEST, ShardSet
from pipelines.text_tokenizer import check_tokenizer, prepare_tokenizer
from pipelines.verify import read_dropped
from schemas.arrow import dropped_to_table, write_parquet
from schemas.errors import EngineError, UserError
from schemas.manifest import TOKEN_STORE, Manifest, ShardCommit, StreamInfo
from schemas.records import SAMPLE_RATE_HZ, DeadLetter
from transforms.encoder import SpeechEncoderConfig

# Below this many failures a ratio says nothing: one bad file of ten is no sick run.
FEWEST_FAILURES_TO_STOP = 10


def run(config: RunConfig) -> dict[str, Any]:
    """Build all that a corpus job asks for; returns the figures that `metrics.json` holds.

    Raises:
        UserError: The job or its surroundings are wrong.
        EngineError: Workers died, or too many records failed.
    """
    local = local_path(config.output)
    if local is None:
        raise UserError(f"output: {config.output} is remote; write to a local or mounted folder and copy it")
    if "://" in config.output:
        config = config.model_copy(update={"output": str(local)})
    check_tokenizer(config)
    folder = RunFolder(config.output)
    for path in (config.output, folder.corpus, join(folder.corpus, "commits")):
        make_folder(path)
        remove_partials(path)
    write_text(join(config.output, "run.yaml"), config.to_yaml())
    began = time.perf_counter()
    manifest, seconds = build_store(config, folder)
    seconds["tokenizer"] = _timed(lambda: prepare_tokenizer(config, folder))
    seconds["bake"] = _timed(lambda: bake(config, folder))
    figures = corpus_figures(manifest, folder, config, seconds)
    figures["wall_seconds"] = round(time.perf_counter() - began, 2)
    update_metrics(config.output, "corpus", figures)
    return figures


def _timed(work: Any) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def encoder_configs(config: RunConfig) -> tuple[SpeechEncoderConfig, ...]:
    chosen = (config.units, config.pitch, config.style)
    return tuple(encoder for encoder in chosen if encoder is not None)  # type: ignore[misc]


def build_store(config: RunConfig, folder: RunFolder) -> tuple[Manifest, dict[str, float]]:
    """The token store; shards that stand already are kept."""
    rows_folder = folder.rows
    _clear(rows_folder)
    make_folder(rows_folder)
    total = partition(read_corpus(config.ingest), rows_folder, num_shards=config.store.shards, limit=config.limit)
    if total == 0:
        raise UserError(f"ingest.path: no recordings found in {config.ingest.path}")
    job = CorpusJob(
        decode=Decode(config.max_duration_s),
        align=Align(config.align, config.gate),  # type: ignore[arg-type]
        encoders=tuple(Encode(encoder) for encoder in encoder_configs(config)),
        rows_folder=rows_folder,
        row_parts=part_count(total),
        folder=folder.corpus,
        keep_audio=config.store.audio,
    )
    fingerprint = job.fingerprint
    commits: dict[int, ShardCommit] = {}
    for shard in range(config.store.shards):
        digest = digest_rows(*read_rows(rows_folder, shard, parts=job.row_parts))
        commit = finished(folder.corpus, shard, inputs_digest=digest, fingerprint=fingerprint)
        if commit is not None:
            commits[shard] = commit
    if commits:
        print(f"corpus: {len(commits)} of {config.store.shards} shards stand already", flush=True)
    seconds: dict[str, float] = {}
    todo = [shard for shard in range(config.store.shards) if shard not in commits]
    with meter("corpus", total=total, unit="utterances") as show:
        for result in config.engine.build().run(job, todo):
            commits[result.commit.entry.shard] = result.commit
            _add_seconds(seconds, result)
            show(_accounted(commits.values()), note=_worst(commits.values()))
            _stop_if_sick(commits.values(), total, config.max_failed_ratio)
    manifest = _write_store_manifest(config, folder, fingerprint, commits, inputs=total)
    _clear(rows_folder)
    if manifest.records == 0:
        raise EngineError(f"no utterance reached a shard; {_worst(commits.values())}; see {folder.dropped}")
    return manifest, seconds


def _clear(url: str) -> None:
    path = local_path(url)
    if path is not None and path.exists():
        shutil.rmtree(path)


def _add_seconds(seconds: dict[str, float], result: ShardResult) -> None:
    for name, spent in result.seconds.items():
        seconds[name] = seconds.get(name, 0.0) + spent


def _accounted(commits: Iterable[ShardCommit]) -> int:
    return sum(commit.entry.records + len(commit.dropped) for commit in commits)


def dropped_by_cause(dropped: Iterable[DeadLetter]) -> dict[str, int]:
    causes: dict[str, int] = {}
    for letter in dropped:
        cause = f"{letter.stage}/{letter.code}"
        causes[cause] = causes.get(cause, 0) + 1
    return dict(sorted(causes.items(), key=lambda item: (-item[1], item[0])))


def _worst(commits: Iterable[ShardCommit]) -> str:
    causes = dropped_by_cause(letter for commit in commits for letter in commit.dropped)
    if not causes:
        return ""
    cause, number = next(iter(causes.items()))
    return f"{sum(causes.values())} dropped, most by {cause} ({number})"


def _stop_if_sick(commits: Iterable[ShardCommit], total: int, max_failed_ratio: float) -> None:
    commits = list(commits)
    failed = sum(letter.outcome == "failed" for commit in commits for letter in commit.dropped)
    if failed >= FEWEST_FAILURES_TO_STOP and failed > max_failed_ratio * total:
        raise EngineError(
            f"{failed} of {total} records failed, more than max_failed_ratio {max_failed_ratio}; {_worst(commits)}"
        )


def _write_store_manifest(
    config: RunConfig, folder: RunFolder, fingerprint: str, commits: dict[int, ShardCommit], *, inputs: int
) -> Manifest:
    """``inputs`` is what the reader gave, counted apart from what came out: else nothing lost would ever show."""
    dropped = sorted(letter for commit in commits.values() for letter in commit.dropped)
    buffer = io.BytesIO()
    write_parquet(dropped_to_table(dropped), buffer)
    with open_write(folder.dropped) as file:
        file.write(buffer.getvalue())
    outcomes = [letter.outcome for letter in dropped]
    manifest = Manifest(
        format=TOKEN_STORE,
        plan_fingerprint=fingerprint,
        inputs=inputs,
        filtered=outcomes.count("filtered"),
        failed=outcomes.count("failed"),
        dropped_sha256=hashlib.sha256(buffer.getvalue()).hexdigest(),
        streams=tuple(
            StreamInfo(e.stream_kind, e.hop_samples, e.codebook_size, e.fingerprint) for e in encoder_configs(config)
        ),
        shards=tuple(commits[shard].entry for shard in sorted(commits)),
        details={"aligner": config.align.fingerprint, "seed": config.seed},  # type: ignore[attr-defined]
    )
    write_text(join(folder.corpus, MANIFEST), manifest.to_json())
    return manifest


def corpus_figures(
    manifest: Manifest, folder: RunFolder, config: RunConfig, seconds: dict[str, float]
) -> dict[str, Any]:
    """Figures of a run for people and for `metrics.json`. Tokens are counted as a model sees them, deduplicated."""
    audio_s = manifest.count("samples") / SAMPLE_RATE_HZ
    tokens: dict[str, int] = {info.kind: manifest.count(f"{info.kind}_tokens") for info in manifest.streams}
    figures: dict[str, Any] = {
        "utterances": manifest.inputs,
        "in_shards": manifest.records,
        "filtered": manifest.filtered,
        "failed": manifest.failed,
        "dropped_by_cause": dropped_by_cause(read_dropped(folder.dropped)),
        "hours": round(audio_s / 3600, 4),
        "words_aligned": manifest.count("words"),
        "tokens_by_kind": tokens,
        "speech_tokens_per_second": round(sum(tokens.values()) / audio_s, 2),
        "seconds_by_stage": {name: round(spent, 2) for name, spent in seconds.items()},
    }
    if config.interleave.epochs:
        baked = ShardSet(folder.interleaved(0)).manifest
        tokens["text"] = baked.count("transcript_tokens")
        figures["interleaved_tokens"] = {name: baked.count(f"{name}_tokens") for name in ("text", "speech")}
    return figures
