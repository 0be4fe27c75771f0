"""All suites by name. Modules are imported when a suite is asked for, not before."""

import importlib
from difflib import get_close_matches
from typing import cast

from pipelines.evaluate.suite import Suite
from schemas.errors import UserError

_FOLDER = "pipelines.evaluate.suites"

SUITES: dict[str, str] = {
    "swuggy": f"{_FOLDER}.zerospeech:SWUGGY",
    "wuggy": f"{_FOLDER}.zerospeech:WUGGY",
    "sblimp": f"{_FOLDER}.zerospeech:SBLIMP",
    "blimp": f"{_FOLDER}.zerospeech:BLIMP",
    "storycloze": f"{_FOLDER}.storycloze:STORYCLOZE",
    "topic-storycloze": f"{_FOLDER}.storycloze:TOPIC_STORYCLOZE",
    "asr": f"{_FOLDER}.fewshot:ASR",
    "tts": f"{_FOLDER}.fewshot:TTS",
    "intent": f"{_FOLDER}.intent:INTENT",
    "stsp": f"{_FOLDER}.stsp:STSP",
    "toxicity": f"{_FOLDER}.toxicity:TOXICITY",
    "similarity": f"{_FOLDER}.similarity:SIMILARITY",
    "units": f"{_FOLDER}.units:UNITS",
    "resynthesis": f"{_FOLDER}.resynthesis:RESYNTHESIS",
}


def suite_named(name: str) -> Suite:
    """Raises: UserError: No such suite."""
    if name not in SUITES:
        near = get_close_matches(name, SUITES, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(SUITES)}"
        raise UserError(f"evaluate: no suite named {name!r}; {hint}")
    module, _, attribute = SUITES[name].partition(":")
    return cast(Suite, getattr(importlib.import_module(module), attribute))
