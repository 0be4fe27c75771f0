"""`metrics.json` beside a run: one section a command."""

import json
from typing import Any

from pipelines.files import exists, join, read_text, write_text
from schemas.manifest import dump_json


def read_metrics(output: str) -> dict[str, Any]:
    """Empty where there is none, and where it is damaged: nothing depends on it, and `verify` names it."""
    url = join(output, "metrics.json")
    try:
        metrics = json.loads(read_text(url)) if exists(url) else {}
    except ValueError:
        return {}
    return metrics if isinstance(metrics, dict) else {}


def update_metrics(output: str, section: str, figures: dict[str, Any]) -> None:
    """Replace one section and keep the others."""
    write_text(join(output, "metrics.json"), dump_json({**read_metrics(output), section: figures}))
