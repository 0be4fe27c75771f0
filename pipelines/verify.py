"""`plait verify`: re-hash every shard and redo the accounting."""

import json
from collections.abc import Iterator

from pipelines.commits import commits_folder, parse_commit
from pipelines.files import exists, join, names_in, open_read, read_bytes, read_many, sha256_of
from pipelines.store import MANIFEST, ShardSet, digest_of_store, parse_sequence, parse_utterance, read_samples
from schemas.arrow import read_parquet, table_to_dropped
from schemas.errors import UserError
from schemas.manifest import TOKEN_STORE, Manifest, ShardEntry
from schemas.records import DeadLetter
from transforms.seeds import shard_of
from transforms.streams import ceil_div


def read_dropped(url: str) -> list[DeadLetter]:
    with open_read(url) as file:
        return table_to_dropped(read_parquet(file))


def shard_sets(output: str) -> list[str]:
    """Folders of all shard sets of a run, or the folder itself if it is one."""
    if exists(join(output, MANIFEST)):
        return [output]
    found = [join(output, "corpus")] if exists(join(output, "corpus", MANIFEST)) else []
    baked = join(output, "interleaved")
    found += [join(baked, name) for name in names_in(baked) if exists(join(baked, name, MANIFEST))]
    if not found:
        raise UserError(f"{output}: no finished shards there; give the output folder of a run")
    return found


def verify(output: str) -> Iterator[str]:
    """Every difference between what the manifests say and what lies there, a line each."""
    yield from _check_metrics(join(output, "metrics.json"))
    tokens = join(output, "corpus")
    now = digest_of_store(ShardSet(tokens).manifest) if exists(join(tokens, MANIFEST)) else None
    for folder in shard_sets(output):
        manifest = ShardSet(folder).manifest
        yield from _check_commits(folder)
        made_of = manifest.details.get("token_store")
        if now is not None and made_of is not None and made_of != now:
            yield f"{folder}: baked from another token store than the one in {tokens}; run again"
        dropped: frozenset[str] = frozenset()
        if manifest.format == TOKEN_STORE:
            found, dropped = _check_accounts(folder, manifest)
            yield from found
        elif manifest.records != manifest.inputs:
            yield f"{folder}: {manifest.records} sequences, but the token store had {manifest.inputs} utterances"
        for entry in manifest.shards:
            yield from _check_shard(folder, manifest, entry, dropped)
        known = {entry.name for entry in manifest.shards}
        for name in names_in(folder):
            if name.endswith(".tar") and name not in known:
                yield f"{join(folder, name)}: a shard that the manifest does not know"


def _check_metrics(url: str) -> Iterator[str]:
    try:
        whole = not exists(url) or isinstance(json.loads(read_bytes(url)), dict)
    except ValueError:
        whole = False
    if not whole:
        yield f"{url}: damaged; the next run writes it anew"


def _check_commits(folder: str) -> Iterator[str]:
    names = names_in(commits_folder(folder))
    urls = [join(commits_folder(folder), name) for name in names if name.endswith(".json")]
    for url, data in zip(urls, read_many(urls), strict=True):
        if parse_commit(data) is None:
            yield f"{url}: the commit is damaged; run again, its shard is made anew"


def _check_shard(folder: str, manifest: Manifest, entry: ShardEntry, dropped: frozenset[str]) -> Iterator[str]:
    url = join(folder, entry.name)
    if not exists(url):
        yield f"{url}: the shard is missing"
        return
    digest, size = sha256_of(url)
    if digest != entry.sha256:
        differs = f"sha256 {digest[:12]}, expected {entry.sha256[:12]}"
        yield f"{url}: the bytes differ from the manifest ({differs}); remove the shard and run again"
        return
    if size != entry.num_bytes:
        yield f"{url}: {size} bytes, the manifest says {entry.num_bytes}; remove the shard and run again"
    # an id belongs to one shard, so that none is in two follows from each shard by itself
    here: list[str] = []
    for utterance_id, sample in read_samples(url):
        here.append(utterance_id)
        if shard_of(utterance_id, num_shards=len(manifest.shards)) != entry.shard:
            yield f"{url}: {utterance_id} belongs to another shard"
        if utterance_id in dropped:
            yield f"{url}: {utterance_id} is in dropped.parquet too"
        if manifest.format == TOKEN_STORE:
            yield from _check_utterance(url, sample)
        else:
            sequence = parse_sequence(sample)
            if sum(s.token_end - s.token_start for s in sequence.segments) != len(sequence.tokens):
                yield f"{url}: {utterance_id}: segments do not cover the tokens"
    if here != sorted(here):
        yield f"{url}: records are not sorted by id"
    if len(here) != entry.records:
        yield f"{url}: {len(here)} records, the manifest says {entry.records}"
    if len(set(here)) != len(here):
        yield f"{url}: an utterance appears twice"


def _check_utterance(url: str, sample: dict[str, bytes]) -> Iterator[str]:
    record = parse_utterance(sample)
    end = 0
    for word in record.words:
        if not end <= word.start_sample < word.end_sample <= record.num_samples:
            yield f"{url}: {record.utterance_id}: the span of {word.text!r} overlaps or leaves the audio"
        end = word.end_sample
    for stream in record.streams:
        if len(stream.ids) != ceil_div(record.num_samples, stream.hop_samples):
            frames = f"{len(stream.ids)} {stream.kind} frames"
            yield f"{url}: {record.utterance_id}: {frames} for {record.num_samples} samples"


def _check_accounts(folder: str, manifest: Manifest) -> tuple[list[str], frozenset[str]]:
    """What is wrong with the sums and with ``dropped.parquet``, and the ids in it that must be in no shard."""
    found: list[str] = []
    if manifest.inputs != manifest.records + manifest.filtered + manifest.failed:
        found.append(
            f"{folder}: {manifest.inputs} inputs, but {manifest.records} in shards + {manifest.filtered} filtered "
            f"+ {manifest.failed} failed"
        )
    url = join(folder.rstrip("/").rpartition("/")[0], "dropped.parquet")
    if not exists(url):
        return [*found, f"{url}: missing"], frozenset()
    if sha256_of(url)[0] != manifest.dropped_sha256:
        return [*found, f"{url}: the bytes differ from the manifest"], frozenset()
    letters = read_dropped(url)
    outcomes = [letter.outcome for letter in letters]
    if (outcomes.count("filtered"), outcomes.count("failed")) != (manifest.filtered, manifest.failed):
        found.append(f"{url}: its rows are not those that the manifest counts")
    return found, frozenset(letter.utterance_id for letter in letters if letter.code != "duplicate_id")
