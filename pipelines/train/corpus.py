"""What a training job takes from a finished run: shards, text tokenizer, vocabulary."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipelines.files import join, local_path
from pipelines.layout import layout_of
from pipelines.store import ShardSet, parse_utterance, read_samples
from schemas.errors import UserError
from schemas.manifest import TOKEN_STORE, TRAINING_SHARDS
from schemas.records import StoredUtterance, StreamKind
from schemas.vocabulary import MarkerStyle, VocabularyLayout
from transforms.backend import digest_json
from transforms.text.protocol import TextTokenizer
from transforms.text.tokenizer import load_tokenizer


@dataclass(frozen=True, slots=True)
class TrainingCorpus:
    """``hops``: samples a frame of each stream of the vocabulary; ``fingerprint``: digest of all shards' digests.

    ``baked``: shards of each baked folder.
    """

    shards: tuple[str, ...]
    tokenizer: TextTokenizer
    tokenizer_path: Path
    layout: VocabularyLayout
    hops: dict[StreamKind, int]
    fingerprint: str
    baked: tuple[tuple[str, ...], ...] = ()


def open_corpus(
    run: str,
    *,
    kinds: tuple[StreamKind, ...] | None,
    marker_style: MarkerStyle,
    tokenizer_path: Path | None = None,
    baked: tuple[str, ...] = (),
) -> TrainingCorpus:
    """Open the output folder of a run; ``tokenizer_path`` replaces the run's own text tokenizer.

    Args:
        baked: Folders of baked shards of this run.

    Raises:
        UserError: Not a finished run, a stream or the tokenizer is missing, or baked shards are of other tokens.
    """
    store = ShardSet(join(run, "corpus"))
    manifest = store.manifest
    if manifest.format != TOKEN_STORE:
        raise UserError(f"corpus: {store.folder} holds {manifest.format}, not {TOKEN_STORE}")
    if tokenizer_path is None:
        tokenizer_path = local_path(join(run, "tokenizer"))
        if tokenizer_path is None:
            raise UserError(f"corpus: copy {join(run, 'tokenizer')} to a local folder and name that folder's parent")
    tokenizer = load_tokenizer(tokenizer_path)
    layout = layout_of(manifest, tokenizer, kinds=kinds, marker_style=marker_style)
    sets = [open_baked(folder, layout=layout, shards=len(manifest.shards)) for folder in baked]
    return TrainingCorpus(
        shards=tuple(store.shard_url(entry) for entry in manifest.shards),
        tokenizer=tokenizer,
        tokenizer_path=tokenizer_path,
        layout=layout,
        hops={stream.kind: stream.hop_samples for stream in manifest.streams if layout.codebook_size(stream.kind)},
        fingerprint=digest_json(
            [e.sha256 for shards in [manifest, *(s.manifest for s in sets)] for e in shards.shards]
        ),
        baked=tuple(tuple(each.shard_url(entry) for entry in each.manifest.shards) for each in sets),
    )


def open_baked(folder: str, *, layout: VocabularyLayout, shards: int) -> ShardSet:
    """Raises UserError where the folder's sequences are not of this vocabulary and token store."""
    baked = ShardSet(folder)
    manifest = baked.manifest
    if manifest.format != TRAINING_SHARDS:
        raise UserError(f"data.baked: {folder} holds {manifest.format}, not {TRAINING_SHARDS}")
    theirs = VocabularyLayout.from_json(manifest.details["layout"]).fingerprint
    if theirs != layout.fingerprint:
        raise UserError(
            f"data.baked: {folder} was baked with vocabulary {theirs}, this training has {layout.fingerprint}; "
            "set data.streams and data.marker_style as in its run.yaml"
        )
    if len(manifest.shards) != shards:
        raise UserError(
            f"data.baked: {folder} has {len(manifest.shards)} shards, its token store {shards}; bake it again"
        )
    return baked


def read_shard(url: str) -> Iterator[StoredUtterance]:
    for _, sample in read_samples(url):
        yield parse_utterance(sample)
