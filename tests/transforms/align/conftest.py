import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile

from transforms.align.pocketsphinx import PocketsphinxConfig

CORPUS = Path(__file__).parents[3] / "examples" / "asterisk-en"


@pytest.fixture(scope="session")
def aligner():
    return PocketsphinxConfig().load()


@pytest.fixture(scope="session")
def prompt():
    """``prompt(id)`` -> waveform, text."""
    with (CORPUS / "transcripts.tsv").open(encoding="utf-8") as table:
        rows = {row["id"]: row for row in csv.DictReader(table, delimiter="\t")}

    def load(utterance_id: str) -> tuple[np.ndarray, str]:
        row = rows[utterance_id]
        waveform, _ = soundfile.read(CORPUS / row["audio"], dtype="float32")
        return waveform, row["text"]

    return load
