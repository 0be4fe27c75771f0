"""Sizes of a pitch VQ-VAE, and how a file states them. Needs no torch."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from schemas.errors import UserError

STAGES = 4  # convolutions of stride 2 between 200 Hz and 12.5 Hz
FRAMES_PER_CODE = 2**STAGES
_KEY = "shape"


@dataclass(frozen=True, slots=True)
class VqVaeShape:
    """Sizes of the network; stored beside its weights."""

    codes: int = 64
    embedding: int = 128
    width: int = 32
    depth: int = 4
    dilation_growth: int = 3

    def to_metadata(self) -> dict[str, str]:
        """One key: safetensors writes several in an order that changes from one call to the next."""
        return {_KEY: json.dumps(asdict(self), sort_keys=True)}

    @classmethod
    def from_metadata(cls, metadata: dict[str, str]) -> "VqVaeShape":
        """The sizes as ``to_metadata`` gives them, or as older files have them, a key each.

        Raises ``KeyError``, ``TypeError`` or ``ValueError`` where the metadata is another's.
        """
        sizes = json.loads(metadata[_KEY]) if _KEY in metadata else metadata
        return cls(**{name: int(sizes[name]) for name in cls.__slots__})


def read_shape(path: Path) -> VqVaeShape:
    """Sizes of a stored VQ-VAE, from the file's header.

    Raises:
        UserError: Not such a file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return VqVaeShape.from_metadata(file.metadata() or {})
    except (OSError, KeyError, TypeError, ValueError, SafetensorError) as error:
        raise UserError(f"not a pitch VQ-VAE: {path} ({error}); make one with `plait fit pitch`") from error
