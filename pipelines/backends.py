"""The backends that a YAML file names by ``kind``: its sections become their configs."""

from collections.abc import Sequence
from typing import Any

from pipelines.yaml_config import validate
from schemas.errors import UserError
from transforms.backend import BackendConfig
from transforms.registry import BACKENDS, Role, config_class

DEFAULT_KINDS: dict[Role, str] = {"align": "fused", "units": "whisper", "pitch": "fcpe", "style": "prosody"}


def backend_of(role: Role, section: Any, *, where: str, key: str) -> BackendConfig:
    """The config of a section; ``key`` is its key path in the file ``where``. Without a ``kind`` it is the default's.

    Raises:
        UserError: One line naming the wrong key.
    """
    if not isinstance(section, dict):
        kinds = ", ".join(BACKENDS[role])
        given = "nothing" if section is None else repr(section)
        raise UserError(f"{where}: {key}: expected a section with a kind, one of {kinds} (given: {given})")
    kind = section.get("kind", DEFAULT_KINDS[role])
    if not isinstance(kind, str):
        raise UserError(f"{where}: {key}.kind: expected the name of a backend (given: {kind!r})")
    try:
        model = config_class(role, kind, key=key)
    except UserError as error:
        raise UserError(f"{where}: {error}") from error
    return validate(model, section, where=where, section=key)


def resolve_backends(data: dict[str, Any], roles: Sequence[Role], *, where: str, section: str = "") -> dict[str, Any]:
    """Replace the sections of the given roles by their backends' configs; a missing section takes the default.

    Args:
        data: The keys of a file, or of a ``section`` of it.
    """
    resolved = dict(data)
    for role in roles:
        if role in data and data[role] is None and role != "units":
            continue
        key = f"{section}.{role}" if section else role
        resolved[role] = backend_of(role, data.get(role, {}), where=where, key=key)
    return resolved
