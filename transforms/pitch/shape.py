"""Sizes of a pitch VQ-VAE, and how a file states them. Needs no torch."""

from dataclasses import asdict, dataclass
from pathlib import Path

from schemas.errors import UserError

STAGES = 4  # convolutions of stride 2 between 200 Hz and 12.5 Hz
FRAMES_PER_CODE = 2**STAGES


@dataclass(frozen=True, slots=True)
class VqVaeShape:
    """Sizes of the network; stored beside its weights."""

    codes: int = 64
    embedding: int = 128
    width: int = 32
    depth: int = 4
    dilation_growth: int = 3

    def to_metadata(self) -> dict[str, str]:
        return {name: str(value) for name, value in asdict(self).items()}

    @classmethod
    def from_metadata(cls, metadata: dict[str, str]) -> "VqVaeShape":
        """Raises ``KeyError`` or ``ValueError`` where the metadata is another's."""
        return cls(**{name: int(metadata[name]) for name in cls.__slots__})


def read_shape(path: Path) -> VqVaeShape:
    """Sizes of a stored VQ-VAE, from the file's header.

    Raises:
        UserError: Not such a file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return VqVaeShape.from_metadata(file.metadata() or {})
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        raise UserError(f"not a pitch VQ-VAE: {path} ({error}); make one with `plait fit pitch`") from error
