"""The layout of a released Spirit LM checkpoint: a Hugging Face Llama and Llama's SentencePiece model.

Ids (Nguyen et al., TACL 2025, and the released tokenizer's behaviour): 32000 text tokens, ``[Text]``, ``[Speech]``,
501 units, and for EXPRESSIVE 64 pitch and 100 style codes; rows padded to 32512 (BASE) or 32768 (EXPRESSIVE).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.errors import UserError
from schemas.records import STREAM_KINDS, StreamKind
from schemas.vocabulary import VocabularyLayout
from transforms.text.protocol import TextTokenizer
from transforms.text.tokenizer import SENTENCEPIECE_FILE, SentencePieceTokenizer

TEXT_TOKENS = 32_000
SIZES: dict[str, dict[StreamKind, int]] = {
    "BASE": {"units": 501, "pitch": 0, "style": 0},
    "EXPRESSIVE": {"units": 501, "pitch": 64, "style": 100},
}
HOPS: dict[StreamKind, int] = {"units": 640, "pitch": 1280, "style": 16_000}
UNKNOWN = (
    "Spirit LM's own, which plait does not have (give tokens, or name encoders that you know to have its codebooks: "
    "--job, or codebooks= in Python)"
)
_PAD_MULTIPLE = 256


@dataclass(frozen=True, slots=True)
class SpiritLm:
    """What a checkpoint's config and tokenizer say."""

    variant: str
    layout: VocabularyLayout
    tokenizer: TextTokenizer
    hops: dict[StreamKind, int]
    context: int


def is_spiritlm(folder: Path) -> bool:
    """A Llama with as many rows as a release has, and its tokenizer."""
    config = _config(folder)
    rows = {_layout(name, "", {}).padded_size for name in SIZES}
    return (
        config.get("model_type") == "llama"
        and config.get("vocab_size") in rows
        and (folder / SENTENCEPIECE_FILE).is_file()
    )


def read_spiritlm(folder: Path, *, codebooks: Mapping[StreamKind, str]) -> SpiritLm:
    """BASE or EXPRESSIVE, as the number of rows says.

    Args:
        codebooks: Fingerprints of encoders that the caller states to have the release's codebooks.

    Raises:
        UserError: Not that layout.
    """
    config = _config(folder)
    if not config:
        raise UserError(f"{folder}: no Hugging Face model (config.json is missing)")
    if not (folder / SENTENCEPIECE_FILE).is_file():
        raise UserError(f"{folder}: {SENTENCEPIECE_FILE} is missing; copy Llama's SentencePiece model there")
    tokenizer = SentencePieceTokenizer(folder / SENTENCEPIECE_FILE)
    if tokenizer.vocab_size != TEXT_TOKENS:
        raise UserError(
            f"{folder / SENTENCEPIECE_FILE}: {tokenizer.vocab_size} text tokens, Spirit LM has {TEXT_TOKENS}; "
            "use Llama's tokenizer, without added tokens"
        )
    layouts = {name: _layout(name, tokenizer.fingerprint, codebooks) for name in SIZES}
    for name, layout in layouts.items():
        if layout.padded_size == config.get("vocab_size"):
            hops: dict[StreamKind, int] = {kind: HOPS[kind] for kind in STREAM_KINDS if layout.codebook_size(kind)}
            return SpiritLm(name, layout, tokenizer, hops, int(config["max_position_embeddings"]))
    expected = " or ".join(f"{layout.padded_size} ({name})" for name, layout in layouts.items())
    raise UserError(f"{folder}: {config.get('vocab_size')} rows; a Spirit LM checkpoint has {expected}")


def _config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    if not path.is_file():
        return {}
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: not JSON: {error}") from error
    return found


def _layout(name: str, text_fingerprint: str, codebooks: Mapping[StreamKind, str]) -> VocabularyLayout:
    sizes = SIZES[name]
    return VocabularyLayout(
        text_size=TEXT_TOKENS,
        units_size=sizes["units"],
        pitch_size=sizes["pitch"],
        style_size=sizes["style"],
        text_fingerprint=text_fingerprint,
        stream_fingerprints=tuple(f"{kind}={codebooks.get(kind, UNKNOWN)}" for kind in STREAM_KINDS if sizes[kind]),
        marker_style="spiritlm",
        pad_multiple=_PAD_MULTIPLE,
    )
