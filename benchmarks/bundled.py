"""The bundled recordings that no fitted part has seen."""

from pipelines.config import load_run
from pipelines.demo import CORPUS_JOB, held_out
from schemas.records import Utterance


def heldout_prompts() -> list[Utterance]:
    """Decoded, in the order of the table."""
    return list(held_out(load_run(CORPUS_JOB)))
