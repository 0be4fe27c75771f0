"""Finds the bundled models: ``assets/`` of a checkout, or ``share/plait/assets`` of an installed wheel."""

import sysconfig
from pathlib import Path

from schemas.errors import UserError

BUNDLED = "bundled"


def assets_dir() -> Path:
    checkout = Path(__file__).resolve().parent.parent / "assets"
    installed = Path(sysconfig.get_path("data")) / "share" / "plait" / "assets"
    return checkout if checkout.is_dir() else installed


def resolve_asset(path: str, *, bundled_name: str, key: str | None = None) -> Path:
    """The file that a config's path names; ``bundled`` means the one shipped under ``bundled_name``.

    A folder, as ``plait fit`` writes it, stands for the file in it that is named as the bundled one; where
    ``bundled_name`` is a folder's (it has no suffix), for itself.

    Args:
        key: Of the config, for messages.

    Raises:
        UserError: The file is missing.
    """
    resolved = assets_dir() / bundled_name if path == BUNDLED else Path(path)
    if Path(bundled_name).suffix and resolved.is_dir():
        resolved /= Path(bundled_name).name
    if not resolved.exists():
        where = f"{key}: " if key else ""
        raise UserError(f"{where}model file not found: {resolved}; pass another path or run `plait fit` to make one")
    return resolved
