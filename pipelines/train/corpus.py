"""What a training job takes from a finished run: shards, text tokenizer, vocabulary."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipelines.files import join, local_path
from pipelines.layout import layout_of
from pipelines.store import ShardSet, parse_utterance, read_samples
from pipelines.train.config import DataConfig
from schemas.errors import UserError
from schemas.manifest import TOKEN_STORE, TRAINING_SHARDS, Manifest
from schemas.records import StoredUtterance, StreamKind
from schemas.vocabulary import VocabularyLayout
from transforms.backend import digest_json
from transforms.text.protocol import TextTokenizer
from transforms.text.tokenizer import load_tokenizer


@dataclass(frozen=True, slots=True)
class TrainingCorpus:
    """``hops``: samples a frame of each stream of the vocabulary; ``fingerprint``: digest of all shards' digests.

    ``baked``: shards of each baked folder; ``speech``: shards of the runs that give speech alone; ``has_words``: of the
    corpus itself.
    """

    shards: tuple[str, ...]
    tokenizer: TextTokenizer
    tokenizer_path: Path
    layout: VocabularyLayout
    hops: dict[StreamKind, int]
    fingerprint: str
    baked: tuple[tuple[str, ...], ...] = ()
    speech: tuple[str, ...] = ()
    has_words: bool = True

    def read_for_speech(self, data: DataConfig) -> tuple[str, ...]:
        """Shards that the speech source reads for itself; none where it cuts the tables of the corpus."""
        return self.speech if data.speech else () if self.has_words else self.shards


def open_corpus(run: str, data: DataConfig, *, tokenizer_path: Path | None = None) -> TrainingCorpus:
    """Open the output folder of a run and what ``data`` names beside it; ``tokenizer_path`` replaces the run's own text
    tokenizer.

    Raises:
        UserError: Not a finished run, a stream or the tokenizer is missing, or baked shards or the speech of another
            run are of other tokens.
    """
    store = _token_store(run, option="corpus")
    manifest = store.manifest
    if tokenizer_path is None:
        tokenizer_path = local_path(join(run, "tokenizer"))
        if tokenizer_path is None:
            raise UserError(f"corpus: copy {join(run, 'tokenizer')} to a local folder and name that folder's parent")
    tokenizer = load_tokenizer(tokenizer_path)
    layout = layout_of(manifest, tokenizer, kinds=data.streams, marker_style=data.marker_style)
    spoken = [open_speech(other, like=manifest, layout=layout) for other in data.speech]
    sets = [open_baked(folder, layout=layout, shards=len(manifest.shards)) for folder in data.baked]
    return TrainingCorpus(
        shards=_shards_of(store),
        tokenizer=tokenizer,
        tokenizer_path=tokenizer_path,
        layout=layout,
        hops={stream.kind: stream.hop_samples for stream in manifest.streams if layout.codebook_size(stream.kind)},
        fingerprint=digest_json(
            [e.sha256 for shards in [manifest, *(s.manifest for s in (*sets, *spoken))] for e in shards.shards]
        ),
        baked=tuple(map(_shards_of, sets)),
        speech=tuple(url for each in spoken for url in _shards_of(each)),
        has_words=manifest.count("words") > 0,
    )


def _token_store(run: str, *, option: str) -> ShardSet:
    store = ShardSet(join(run, "corpus"))
    if store.manifest.format != TOKEN_STORE:
        raise UserError(f"{option}: {store.folder} holds {store.manifest.format}, not {TOKEN_STORE}")
    return store


def _shards_of(shards: ShardSet) -> tuple[str, ...]:
    return tuple(shards.shard_url(entry) for entry in shards.manifest.shards)


def open_speech(run: str, *, like: Manifest, layout: VocabularyLayout) -> ShardSet:
    """Raises UserError where a stream of the vocabulary is not there, or of another codebook."""
    store = _token_store(run, option="data.speech")
    theirs = {stream.kind: stream.fingerprint for stream in store.manifest.streams}
    for stream in like.streams:
        if layout.codebook_size(stream.kind) and theirs.get(stream.kind) != stream.fingerprint:
            found = f"{stream.kind} of {theirs[stream.kind]}" if stream.kind in theirs else f"no {stream.kind}"
            raise UserError(
                f"data.speech: {store.folder} has {found}, the corpus has {stream.kind} of {stream.fingerprint}; "
                f"run it with the corpus's section {stream.kind}"
            )
    return store


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
