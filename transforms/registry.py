"""All backends by role and name. Modules are imported when a backend is asked for, not before."""

import importlib
from difflib import get_close_matches
from typing import Literal, cast

from schemas.errors import UserError
from transforms.backend import BackendConfig

Role = Literal["align", "units", "pitch", "style", "vocoder"]

BACKENDS: dict[Role, dict[str, str]] = {
    "align": {
        "fused": "transforms.align.fused:FusedConfig",
        "pocketsphinx": "transforms.align.pocketsphinx:PocketsphinxConfig",
        "whisperx": "transforms.align.whisperx:WhisperxConfig",
        "given": "transforms.align.given:GivenConfig",
        "ctc": "transforms.align.ctc:CtcConfig",
    },
    "units": {
        "whisper": "transforms.units.whisper:WhisperUnitsConfig",
        "hubert": "transforms.units.hubert:HubertUnitsConfig",
    },
    "pitch": {"fcpe": "transforms.pitch.fcpe:FcpePitchConfig"},
    "style": {
        "prosody": "transforms.style.prosody:ProsodyStyleConfig",
        "wav2vec2": "transforms.style.wav2vec2:Wav2Vec2StyleConfig",
    },
    "vocoder": {"hifigan": "transforms.vocoder.hifigan:HifiganConfig"},
}


def config_class(role: Role, kind: str, *, key: str = "") -> type[BackendConfig]:
    """The config class of a backend; ``key`` is the key path of the section that names it, if not the role.

    Raises:
        UserError: No such backend.
    """
    table = BACKENDS[role]
    if kind not in table:
        near = get_close_matches(kind, table, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UserError(f"{key or role}.kind: no backend named {kind!r} (there are: {', '.join(table)}){hint}")
    module, _, attribute = table[kind].partition(":")
    return cast(type[BackendConfig], getattr(importlib.import_module(module), attribute))
