"""`plait inspect`: a shard as a person reads it."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from pipelines.files import exists, fetch_folder, join, local_path
from pipelines.store import ShardSet, id_of, key_of, parse_sequence, parse_utterance, read_samples
from schemas.errors import UserError
from schemas.manifest import TRAINING_SHARDS
from schemas.records import SAMPLE_RATE_HZ, StoredUtterance, TokenIds, TokenSequence
from schemas.vocabulary import PREFIX, VocabularyLayout
from transforms.streams import merge_streams, word_spans
from transforms.text.tokenizer import load_tokenizer


def inspect(shard: str, key: str | None, *, limit: int) -> Iterator[str]:
    """Readable lines of a shard's records, or of the one with this key.

    Raises:
        UserError: No such shard or key.
    """
    if not exists(shard):
        raise UserError(f"{shard}: no such shard; give the path of a .tar")
    if not shard.endswith(".tar"):
        raise UserError(f"{shard}: no shard; give the path of a .tar")
    folder, _, name = str(local_path(shard) or shard).rpartition("/")
    manifest = ShardSet(folder).manifest
    entry = next((entry for entry in manifest.shards if entry.name == name), None)
    if entry is None:
        raise UserError(f"{shard}: the manifest in {folder} knows no such shard; give one of a run's own")
    if entry.records == 0:
        yield "0 records"
    shown = 0
    with TemporaryDirectory() as temporary:
        if manifest.format == TRAINING_SHARDS:
            layout = VocabularyLayout.from_json(manifest.details["layout"])
            tokenizer = fetch_folder(join(folder.rsplit("/", 2)[0], "tokenizer"), Path(temporary))
        for utterance_id, sample in read_samples(shard):
            if key is not None and key not in (utterance_id, key_of(utterance_id)):
                continue
            if manifest.format == TRAINING_SHARDS:
                yield from sequence_lines(parse_sequence(sample), layout, str(tokenizer))
            else:
                yield from utterance_lines(parse_utterance(sample))
            yield ""
            shown += 1
            if shown == limit and key is None:
                yield f"... {entry.records - shown} more"
                break
    if shown == 0 and key is not None:
        raise UserError(f"{shard}: no record with the key {id_of(key)!r}")


def decode_stream(sequence: TokenSequence, layout: VocabularyLayout, tokenizer_path: str) -> str:
    """The interleaved stream as text: markers, words, and speech tokens by name."""
    tokenizer = load_tokenizer(Path(tokenizer_path))
    names = layout.added_tokens()
    parts: list[str] = []
    for segment in sequence.segments:
        ids = sequence.tokens[segment.token_start : segment.token_end].tolist()
        parts.append(names[ids[0] - layout.text_size])
        if segment.modality == "text":
            parts.append(tokenizer.decode(ids[1:]) + " ")
        else:
            parts.append("".join(names[token - layout.text_size] for token in ids[1:]) + " ")
    return "".join(parts).strip()


def sequence_lines(sequence: TokenSequence, layout: VocabularyLayout, tokenizer_path: str) -> Iterator[str]:
    yield f"{sequence.utterance_id}  ({len(sequence.tokens)} tokens, {len(sequence.segments)} segments)"
    yield decode_stream(sequence, layout, tokenizer_path)


def utterance_lines(record: StoredUtterance) -> Iterator[str]:
    seconds = record.num_samples / SAMPLE_RATE_HZ
    about = ", ".join(part for part in (record.speaker, record.language, record.licence) if part)
    yield f"{record.utterance_id}  ({seconds:.2f} s, {len(record.words)} words; {about})"
    yield f"  text    {record.text}"
    scores = "  ".join(f"{name} {value:g}" for name, value in record.alignment.items())
    yield f"  scores  {scores}" if scores else "  scores  -"
    sizes = {stream.kind: stream.codebook_size for stream in record.streams}
    layout = VocabularyLayout(
        0, sizes.get("units", 0), sizes.get("pitch", 0), sizes.get("style", 0), text_fingerprint=""
    )
    merged = merge_streams(record.streams, layout=layout)
    if not record.words:
        yield f"  speech  {_named(merged.tokens, layout)}"
        return
    for word, span in zip(record.words, word_spans(record.words, num_samples=record.num_samples), strict=True):
        tokens = _named(merged.cut(span), layout)
        start, end = word.start_sample / SAMPLE_RATE_HZ, word.end_sample / SAMPLE_RATE_HZ
        yield f"  {start:7.3f} {end:7.3f}  {word.text:<14} {tokens}"


def _named(tokens: TokenIds, layout: VocabularyLayout) -> str:
    decoded = [layout.decode_id(token) for token in tokens.tolist()]
    return "".join(f"[{PREFIX[kind]}{code}]" for kind, code in (d for d in decoded if d is not None))
