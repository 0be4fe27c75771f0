"""The encoder that a fit names by a units section without a codebook."""

from pathlib import Path
from typing import Any

from pipelines.backends import backend_of
from schemas.errors import UserError
from transforms.backend import BackendConfig


def encoder_of(section: dict[str, Any], *, where: str, key: str, codebook: Path = Path("unused")) -> BackendConfig:
    """Its config.

    Args:
        where, key: Of the section, for messages.
        codebook: That will belong to it.

    Raises:
        UserError: It has a codebook, or a wrong key.
    """
    if "codebook" in section:
        raise UserError(f"{where}: {key}.codebook: it is what is fitted, into the job's output; leave it out")
    settings = {**section, "codebook": str(codebook)}
    return backend_of("units", settings, where=where, key=key)
