"""What a training job takes from a finished run: shards, text tokenizer, vocabulary."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipelines.files import join, local_path
from pipelines.layout import layout_of
from pipelines.store import ShardSet, parse_utterance, read_samples
from schemas.errors import UserError
from schemas.manifest import TOKEN_STORE
from schemas.records import StoredUtterance, StreamKind
from schemas.vocabulary import MarkerStyle, VocabularyLayout
from transforms.backend import digest_json
from transforms.text.protocol import TextTokenizer
from transforms.text.tokenizer import load_tokenizer


@dataclass(frozen=True, slots=True)
class TrainingCorpus:
    """``hops``: samples a frame of each stream of the vocabulary; ``fingerprint``: digest of all shards' digests."""

    shards: tuple[str, ...]
    tokenizer: TextTokenizer
    tokenizer_path: Path
    layout: VocabularyLayout
    hops: dict[StreamKind, int]
    fingerprint: str


def open_corpus(
    run: str, *, kinds: tuple[StreamKind, ...] | None, marker_style: MarkerStyle, tokenizer_path: Path | None = None
) -> TrainingCorpus:
    """Open the output folder of a run; ``tokenizer_path`` replaces the run's own text tokenizer.

    Raises:
        UserError: Not a finished run, or a stream or the tokenizer is missing.
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
    return TrainingCorpus(
        shards=tuple(store.shard_url(entry) for entry in manifest.shards),
        tokenizer=tokenizer,
        tokenizer_path=tokenizer_path,
        layout=layout,
        hops={stream.kind: stream.hop_samples for stream in manifest.streams if layout.codebook_size(stream.kind)},
        fingerprint=digest_json([entry.sha256 for entry in manifest.shards]),
    )


def read_shard(url: str) -> Iterator[StoredUtterance]:
    for _, sample in read_samples(url):
        yield parse_utterance(sample)
