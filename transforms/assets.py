"""Finds the bundled models: ``assets/`` of a checkout, or ``share/plait/assets`` of an installed wheel."""

import sysconfig
from pathlib import Path

from schemas.errors import UserError

BUNDLED = "bundled"


def assets_dir() -> Path:
    checkout = Path(__file__).resolve().parent.parent / "assets"
    installed = Path(sysconfig.get_path("data")) / "share" / "plait" / "assets"
    return checkout if checkout.is_dir() else installed


def resolve_asset(path: str, *, bundled_name: str) -> Path:
    """The file that a config's path names; ``bundled`` means the one shipped under ``bundled_name``.

    Raises:
        UserError: The file is missing.
    """
    resolved = assets_dir() / bundled_name if path == BUNDLED else Path(path)
    if not resolved.exists():
        raise UserError(f"model file not found: {resolved}; pass another path or run `plait fit` to make one")
    return resolved
