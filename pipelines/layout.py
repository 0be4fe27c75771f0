"""The vocabulary layout of a token store's streams and a text tokenizer."""

from schemas.errors import UserError
from schemas.manifest import Manifest
from schemas.records import STREAM_KINDS, StreamKind
from schemas.vocabulary import MarkerStyle, VocabularyLayout
from transforms.text.protocol import TextTokenizer


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
