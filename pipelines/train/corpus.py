"""What a training job takes from a finished run: shards, text tokenizer, vocabulary."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipelines.files import join, local_path, read_text
from pipelines.store import ShardSet, parse_utterance, read_samples
from schemas.errors import UserError
from schemas.manifest import TOKEN_STORE, Manifest
from schemas.records import STREAM_KINDS, StoredUtterance, StreamKind
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


def layout_of(
    manifest: Manifest, tokenizer: TextTokenizer, *, kinds: tuple[StreamKind, ...] | None, marker_style: MarkerStyle
) -> VocabularyLayout:
    """The vocabulary of a tokenizer and of the token store's streams of these kinds; None means all."""
    streams = {stream.kind: stream for stream in manifest.streams if kinds is None or stream.kind in kinds}
    missing = [kind for kind in kinds or () if kind not in streams]
    if missing:
        raise UserError(f"data.streams: the token store has no {missing[0]} stream; it has {', '.join(streams)}")
    sizes = {kind: streams[kind].codebook_size if kind in streams else 0 for kind in STREAM_KINDS}
    return VocabularyLayout(
        text_size=tokenizer.vocab_size,
        units_size=sizes["units"],
        pitch_size=sizes["pitch"],
        style_size=sizes["style"],
        text_fingerprint=tokenizer.fingerprint,
        stream_fingerprints=tuple(f"{kind}={streams[kind].fingerprint}" for kind in STREAM_KINDS if kind in streams),
        marker_style=marker_style,
    )


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


def read_ids(path: str | None) -> frozenset[str]:
    """Utterance ids of a file, one a line; none without a file."""
    if path is None:
        return frozenset()
    try:
        return frozenset(read_text(path).split())
    except FileNotFoundError as error:
        raise UserError(f"exclude_ids: no file {path}") from error
