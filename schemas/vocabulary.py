"""Where speech tokens and markers live in the vocabulary, as one value with a fingerprint.

Text vocabulary first, then ``[TEXT]``, ``[SPEECH]``, ``[Hu0]...``, ``[Pi0]...``, ``[St0]...``, padded to a
multiple. On a 32000-token text model with 501 / 64 / 100 codes the ids are those of the released Spirit LM
(Nguyen et al., TACL 2025).
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from schemas.records import STREAM_KINDS, StreamKind

MarkerStyle = Literal["plait", "spiritlm"]
PREFIX: dict[StreamKind, str] = {"units": "Hu", "pitch": "Pi", "style": "St"}


@dataclass(frozen=True, slots=True)
class VocabularyLayout:
    """Ids of all tokens of a model.

    Args:
        text_size: Number of text tokens; their ids are ``0 .. text_size - 1``.
        units_size, pitch_size, style_size: Codebook sizes; 0 for an absent stream.
        text_fingerprint: Digest of the text tokenizer.
        stream_fingerprints: ``kind=fingerprint`` of each encoder, in the order of ``STREAM_KINDS``.
        pad_multiple: The embedding matrix has a multiple of this many rows.
    """

    text_size: int
    units_size: int
    pitch_size: int
    style_size: int
    text_fingerprint: str
    stream_fingerprints: tuple[str, ...] = ()
    marker_style: MarkerStyle = "plait"
    pad_multiple: int = 64

    @property
    def text_marker(self) -> int:
        return self.text_size

    @property
    def speech_marker(self) -> int:
        return self.text_size + 1

    def codebook_size(self, kind: StreamKind) -> int:
        return {"units": self.units_size, "pitch": self.pitch_size, "style": self.style_size}[kind]

    def offset(self, kind: StreamKind) -> int:
        """Id of the kind's code 0."""
        start = self.text_size + 2
        for other in STREAM_KINDS[: STREAM_KINDS.index(kind)]:
            start += self.codebook_size(other)
        return start

    @property
    def used_size(self) -> int:
        return self.offset("style") + self.style_size

    @property
    def padded_size(self) -> int:
        return -(-self.used_size // self.pad_multiple) * self.pad_multiple

    def speech_ids(self) -> npt.NDArray[np.int64]:
        """Ids of all units, pitch and style tokens, in order."""
        return np.arange(self.offset("units"), self.used_size, dtype=np.int64)

    def decode_id(self, token: int) -> tuple[StreamKind, int] | None:
        """Kind and code of a speech token; None for text tokens, markers and padding."""
        for kind in STREAM_KINDS:
            start = self.offset(kind)
            if start <= token < start + self.codebook_size(kind):
                return kind, token - start
        return None

    def markers(self) -> tuple[str, str]:
        return ("[Text]", "[Speech]") if self.marker_style == "spiritlm" else ("[TEXT]", "[SPEECH]")

    def added_tokens(self) -> list[str]:
        """Strings of every token after the text vocabulary, in id order, without padding."""
        names = list(self.markers())
        for kind in STREAM_KINDS:
            names += [f"[{PREFIX[kind]}{code}]" for code in range(self.codebook_size(kind))]
        return names

    def to_json(self) -> dict[str, object]:
        return {**asdict(self), "fingerprint": self.fingerprint}

    @classmethod
    def from_json(cls, data: dict[str, object]) -> "VocabularyLayout":
        fields = {key: value for key, value in data.items() if key != "fingerprint"}
        fields["stream_fingerprints"] = tuple(fields.get("stream_fingerprints", ()))  # type: ignore[arg-type]
        return cls(**fields)  # type: ignore[arg-type]

    @property
    def fingerprint(self) -> str:
        canonical = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]
