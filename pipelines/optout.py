"""`plait optout`: takes utterances out of a finished run, and keeps them out of later ones.

Only the shards that hold them are written anew, without them, and so are the baked shards made of those. What stays is
a tombstone in ``dropped.parquet`` (the id and no content) and the id in ``opted-out.txt``, which every later run of
the folder reads. Whatever moment this is killed at, the same command or the next run finishes it.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from pipelines.bake import bake, remove_other_epochs, withdraw_all
from pipelines.commits import read_commit, write_commit
from pipelines.config import RunConfig, load_run
from pipelines.corpus import add_up, amounts
from pipelines.files import copy, exists, join, make_folder, read_text, remove, remove_partials, write_text
from pipelines.lock import lock
from pipelines.metrics import update_metrics
from pipelines.opted_out import read_opted_out, write_opted_out
from pipelines.partition import tombstone
from pipelines.run import corpus_figures
from pipelines.run_folder import RunFolder
from pipelines.store import MANIFEST, Sample, ShardSet, parse_utterance, read_samples, shard_name, write_shard
from pipelines.store_manifest import assemble_manifest
from schemas.errors import UserError
from schemas.manifest import Manifest, ShardCommit
from transforms.seeds import shard_of


@dataclass(frozen=True, slots=True)
class OptOut:
    """What came of it: utterances taken out, shards written anew, ids that no shard holds."""

    removed: int
    shards: int
    unknown: tuple[str, ...]


def opt_out(output: str, ids: Collection[str]) -> OptOut:
    """Take utterances out of a run's shards.

    Raises:
        UserError: No ids, no finished run, a run.yaml that is gone or damaged, or another run writes there.
    """
    named = {utterance_id.strip() for utterance_id in ids} - {""}
    if not named:
        raise UserError("optout: no ids; name some, or a file of them with --ids")
    folder = RunFolder(output)
    with lock(output):
        manifest = _manifest(folder)
        # not through YAML: a folder may be named like a date
        config = load_run(join(output, "run.yaml")).model_copy(update={"output": output})
        remove_partials(output)
        everybody = read_opted_out(folder) | named
        write_opted_out(folder, everybody)
        by_shard: dict[int, set[str]] = {}
        for utterance_id in everybody:
            by_shard.setdefault(shard_of(utterance_id, num_shards=len(manifest.shards)), set()).add(utterance_id)
        remove_other_epochs(config, folder)
        known: set[str] = set()
        removed, shards = 0, 0
        for shard, wanted in sorted(by_shard.items()):
            commit = read_commit(folder.corpus, shard)
            held = {utterance_id for utterance_id, _ in read_samples(join(folder.corpus, shard_name(shard)))} & wanted
            letters = {letter.utterance_id for letter in commit.dropped} & wanted - set(commit.opted_out)
            known |= held | letters | set(commit.opted_out)
            if held or letters:
                _keep_aside(folder)
                removed += len(held)
                shards += 1
                _rewrite(folder, commit, held | letters)
        if exists(join(folder.work, MANIFEST)):
            _finish(folder, manifest, config)
        return OptOut(removed, shards, tuple(sorted(named - known)))


def _manifest(folder: RunFolder) -> Manifest:
    """The manifest, or what an opt-out that was killed had put aside."""
    aside = join(folder.work, MANIFEST)
    if not exists(join(folder.corpus, MANIFEST)) and exists(aside):
        return Manifest.from_json(read_text(aside))
    return ShardSet(folder.corpus).manifest


def _keep_aside(folder: RunFolder) -> None:
    if exists(join(folder.corpus, MANIFEST)):
        make_folder(folder.work)
        write_text(join(folder.work, MANIFEST), read_text(join(folder.corpus, MANIFEST)))
        withdraw_all(folder)


def _rewrite(folder: RunFolder, commit: ShardCommit, gone: set[str]) -> None:
    """The commit is written before the tar: a tar that still holds somebody shows what is left to do."""
    shard = commit.entry.shard
    target = join(folder.corpus, shard_name(shard))
    counts: dict[str, int] = {}
    new = gone - set(commit.opted_out)
    tombstones = [tombstone(letter.utterance_id) for letter in commit.dropped if letter.utterance_id in new]

    def samples() -> Iterator[tuple[str, Sample]]:
        for utterance_id, sample in read_samples(target):
            if utterance_id not in gone:
                add_up(counts, amounts(parse_utterance(sample)))
                yield utterance_id, sample
            elif utterance_id in new:
                tombstones.append(tombstone(utterance_id))

    entry = write_shard(folder.work, shard, samples(), counts=counts)
    dropped = [letter for letter in commit.dropped if letter.utterance_id not in new]
    opted_out = tuple(sorted({*commit.opted_out, *gone}))
    letters = tuple(sorted([*dropped, *tombstones]))
    write_commit(folder.corpus, replace(commit, entry=entry, dropped=letters, opted_out=opted_out))
    copy(join(folder.work, shard_name(shard)), target)


def _finish(folder: RunFolder, before: Manifest, config: RunConfig) -> None:
    manifest = assemble_manifest(
        folder,
        num_shards=len(before.shards),
        fingerprint=before.plan_fingerprint,
        inputs=before.inputs,
        streams=before.streams,
        details=before.details,
    )
    bake(config, folder)
    update_metrics(folder.output, "corpus", corpus_figures(manifest, folder, config, {}))
    # it shows utterances, perhaps those
    remove(join(folder.output, "report.html"))
    remove(folder.work)
