"""Reads and writes the file of a pitch VQ-VAE."""

from pathlib import Path
from typing import IO

from safetensors.torch import load_file, save

from schemas.errors import UserError
from transforms.pitch.shape import read_shape
from transforms.pitch.vqvae import PitchVqVae


def read_vqvae(path: Path) -> PitchVqVae:
    """Raises ``UserError`` where the file is not a pitch VQ-VAE."""
    model = PitchVqVae(read_shape(path))
    try:
        model.load_state_dict(load_file(path))
    except RuntimeError as error:
        raise UserError(f"not a pitch VQ-VAE: {path}: its tensors are another model's") from error
    return model.eval()


def write_vqvae(model: PitchVqVae, file: IO[bytes]) -> None:
    """The weights, and the sizes as metadata."""
    file.write(save(model.state_dict(), metadata=model.shape.to_metadata()))
