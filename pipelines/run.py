"""`plait run`: a corpus job from its rows to a token store, a text tokenizer and baked training shards.

Output folder::

    OUT/run.yaml  corpus/{shard-*.tar,commits/,manifest.json}  tokenizer/  interleaved/epoch-K/  dropped.parquet
    metrics.json  opted-out.txt
"""

import time
from collections.abc import Mapping
from typing import Any

from pipelines.bake import bake, too_few_switches, withdraw_all
from pipelines.commits import commit_url, commits_folder, committed, read_commits
from pipelines.config import RunConfig
from pipelines.corpus import CorpusJob, ShardResult, add_up, count_causes
from pipelines.engines.protocol import BatchDone
from pipelines.failures import stop_if_sick
from pipelines.files import join, local_path, make_folder, remove, remove_partials, sha256_of, write_text
from pipelines.ingest import read_all
from pipelines.job_stages import encoder_configs, stages_of
from pipelines.lock import Check, lock
from pipelines.mended import has_mended_audio
from pipelines.metrics import update_metrics
from pipelines.observe import Snapshot, Tally, observed
from pipelines.opted_out import read_opted_out
from pipelines.partition import Parted, partition
from pipelines.run_folder import RunFolder
from pipelines.store import ShardSet, shard_name, shard_number
from pipelines.store_manifest import write_store_manifest
from pipelines.text_tokenizer import check_tokenizer, prepare_tokenizer
from schemas.errors import EngineError, TransientError, UserError
from schemas.manifest import Manifest, ShardCommit
from schemas.records import SAMPLE_RATE_HZ


def run(config: RunConfig) -> dict[str, Any]:
    """Build all that a corpus job asks for; returns the figures that `metrics.json` holds.

    Raises:
        UserError: The job or its surroundings are wrong, or another run writes the output.
        EngineError: Workers died, too many records failed, or a store gave no answer.
    """
    local = local_path(config.output)
    if local is not None and "://" in config.output:
        config = config.model_copy(update={"output": str(local)})
    check_tokenizer(config)
    folder = RunFolder(config.output)
    make_folder(config.output)
    try:
        with lock(config.output) as still_ours:
            return _run(config, folder, still_ours)
    except TransientError as error:
        raise EngineError(f"{error}; what is finished is kept, run again to resume") from error


def _run(config: RunConfig, folder: RunFolder, still_ours: Check) -> dict[str, Any]:
    remove(folder.work)
    remove_partials(config.output)
    for url in (folder.corpus, commits_folder(folder.corpus)):
        make_folder(url)
    write_text(join(config.output, "run.yaml"), config.to_yaml())
    began = time.perf_counter()
    manifest, now = build_store(config, folder, still_ours)
    seconds = dict(now.seconds_by_stage)
    for name, work in (("tokenizer", prepare_tokenizer), ("bake", bake)):
        start = time.perf_counter()
        work(config, folder)
        seconds[name] = time.perf_counter() - start
    figures = corpus_figures(manifest, folder, config, seconds)
    figures["wall_seconds"] = round(time.perf_counter() - began, 2)
    update_metrics(config.output, "corpus", figures)
    remove(folder.work)
    for cause, example in now.examples.items():
        print(f"dropped by {cause}: {now.dropped[cause]}, such as {example}", flush=True)
    if said := too_few_switches(config.interleave, figures.get("interleaved_without_a_switch", 0.0)):
        print(said, flush=True)
    return figures


def corpus_job(config: RunConfig, folder: RunFolder, parted: Parted) -> CorpusJob:
    """The plan of a config's token store."""
    return CorpusJob(
        stages=stages_of(config),
        spills=parted.spills,
        inputs=parted.inputs,
        folder=folder.corpus,
        parts=join(folder.work, "parts"),
        keep_audio=config.store.audio,
        batch_rows=config.batch_rows,
    )


def build_store(config: RunConfig, folder: RunFolder, still_ours: Check) -> tuple[Manifest, Snapshot]:
    """The token store, and where the run stands after it; shards that stand already are kept."""
    num_shards = config.store.shards
    _check_shards(folder, num_shards)
    rows_folder = join(folder.work, "rows")
    make_folder(rows_folder)
    for source in config.sources:
        print(f"reading {source.path}", flush=True)
    parted = partition(
        read_all(config.ingest, needs_text=config.needs_text),
        rows_folder,
        num_shards=num_shards,
        limit=config.limit,
        opted_out=read_opted_out(folder),
    )
    job = corpus_job(config, folder, parted)
    standing, again = _standing(job)
    if standing or again:
        print(f"corpus: {len(standing)} of {num_shards} shards stand already{_told(again)}", flush=True)
    gpu_stages = frozenset(
        encoder.stream_kind
        for encoder in encoder_configs(config)
        if config.engine.on_gpu(encoder.stream_kind, getattr(encoder, "device", "cpu"))
    )
    tally = Tally(
        total=parted.total,
        shards=num_shards,
        standing=standing,
        gpu_stages=gpu_stages,
        gpu_workers=max((config.engine.workers_of(stage) for stage in gpu_stages), default=1),
    )
    # the largest first: the last to end is then a small one, and no worker waits long for it
    missing = set(range(num_shards)) - {result.shard for result in standing}
    todo = sorted(missing, key=lambda shard: (-parted.inputs[shard].rows, shard))
    if todo:
        withdraw_all(folder)
        _build_shards(config, folder, job, todo, tally, still_ours)
    still_ours()
    manifest = write_store_manifest(folder, job, config, inputs=parted.total)
    now = tally.snapshot()
    if manifest.records == 0:
        raise EngineError(f"no utterance reached a shard; {now.told_worst}; see {folder.dropped}")
    return manifest, now


def _build_shards(
    config: RunConfig, folder: RunFolder, job: CorpusJob, todo: list[int], tally: Tally, still_ours: Check
) -> None:
    engine = config.engine.build(folder.work)
    with observed(tally, config.output, config.metrics) as look:

        def check(now: Snapshot) -> None:
            stop_if_sick(now.failed, now.total, config.max_failed_ratio, dropped=now.dropped, examples=now.examples)

        def report(done: BatchDone) -> None:
            tally.batch(done)
            check(look())

        for result in engine.run_stages(job, todo, report):
            still_ours()
            tally.shard(result)
            check(look())


def _check_shards(folder: RunFolder, num_shards: int) -> None:
    """An id's shard depends on how many there are: another number is another corpus.

    Raises:
        UserError: The corpus in the folder has more shards than the job asks for.
    """
    expected = {shard_name(shard) for shard in range(num_shards)}
    beyond = [name for name in committed(folder.corpus) if name not in expected]
    if beyond:
        raise UserError(
            f"store.shards: {folder.corpus} holds shards up to number {shard_number(beyond[-1])}, the job asks for "
            f"{num_shards}; keep the number, or choose another output"
        )


def _standing(job: CorpusJob) -> tuple[list[ShardResult], dict[str, int]]:
    """Shards that were made from these rows by this plan, and how many others stood, by why they are made again.

    A shard is made again too where the audio of a record that could not be decoded is new.
    """
    fingerprint = job.fingerprint
    standing: list[ShardResult] = []
    again: dict[str, int] = {}
    whole = 0
    for commit in read_commits(job.folder):
        whole += 1
        inputs = job.inputs[commit.entry.shard]
        made_from = (commit.inputs_digest, commit.opted_out, commit.plan_fingerprint)
        if made_from != (inputs.digest, inputs.opted_out, fingerprint):
            add_up(again, {"rows or settings changed": 1})
        # an opt-out that was killed may have left the tar that was
        elif commit.opted_out and sha256_of(join(job.folder, commit.entry.name))[0] != commit.entry.sha256:
            add_up(again, {"damaged": 1})
        elif _audio_is_new(job, commit):
            add_up(again, {"had failed records whose audio is new": 1})
        else:
            standing.append(ShardResult.of(commit))
    damaged = len(committed(job.folder)) - whole
    if damaged:
        add_up(again, {"damaged": damaged})
    return standing, again


def _told(again: Mapping[str, int]) -> str:
    if not again:
        return ""
    reasons = ", ".join(f"{number} {reason}" for reason, number in again.items())
    return f", {sum(again.values())} are made again ({reasons})"


def _audio_is_new(job: CorpusJob, commit: ShardCommit) -> bool:
    undecoded = [letter for letter in commit.dropped if (letter.stage, letter.outcome) == ("decode", "failed")]
    return has_mended_audio(
        [(letter.code, letter.audio) for letter in undecoded], commit_url(job.folder, commit.entry.shard)
    )


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
        "dropped_by_cause": dropped_by_cause(folder),
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
        several = baked.count("of_several_words")
        figures["interleaved_without_a_switch"] = round(baked.count("without_a_switch") / max(several, 1), 4)
    return figures


def dropped_by_cause(folder: RunFolder) -> dict[str, int]:
    causes: dict[str, int] = {}
    for commit in read_commits(folder.corpus):
        add_up(causes, count_causes(commit.dropped))
    return dict(sorted(causes.items(), key=lambda item: (-item[1], item[0])))
