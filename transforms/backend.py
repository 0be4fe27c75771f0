"""What every model backend's config is: typed, picklable, and able to say what it would load."""

import hashlib
import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict


class BackendConfig(BaseModel):
    """Base of all backend configs. The config travels to the workers; the model loads there, once.

    A subclass has ``kind: Literal["name"]``, ``fingerprint`` and ``load()``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)


def digest_json(value: object) -> str:
    """First 16 hex digits of the SHA-256 of a value's canonical JSON."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def digest_file(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
