"""A small corpus of real prompts with bad records among them, built once for many tests."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from pipelines.config import RunConfig, load_run
from pipelines.run import run

EXAMPLES = Path("examples/asterisk-en")
GOOD_IDS = (
    "agent-alreadyon",
    "conf-getpin",
    "demo-echodone",
    "demo-nogo",
    "dir-nomatch",
    "followme-no-recording",
    "hello-world",
    "letters-a",
    "queue-thankyou",
    "tt-weasels",
    "vm-from-phonenumber",
    "vm-review",
)

JOB = """\
output: {output}
seed: 7
engine: {{kind: local, workers: 1}}
ingest: {{kind: table, path: {table}, source: prompts}}
store: {{shards: 3, audio: true}}
text: {{vocab_size: 400}}
interleave: {{text_words: [1, 4], speech_words: [1, 3], epochs: 2}}
"""


def prompts() -> dict[str, dict[str, str]]:
    with (EXAMPLES / "transcripts.tsv").open(encoding="utf-8", newline="") as file:
        return {row["id"]: row for row in csv.DictReader(file, delimiter="\t")}


def bad_rows(folder: Path) -> dict[str, tuple[str, str]]:
    """id -> (audio, text) of records that must be dropped, each for a reason of its own."""
    table = prompts()
    swapped = str((EXAMPLES / table["vm-review"]["audio"]).resolve())
    (folder / "garbage.wav").write_bytes(b"RIFF" + bytes(range(256)) * 8)
    sf.write(folder / "empty.wav", np.zeros(0, np.float32), 16_000)
    good = str((EXAMPLES / table["hello-world"]["audio"]).resolve())
    return {
        "bad-unreadable": (str(folder / "garbage.wav"), "Hello world."),
        "bad-empty-audio": (str(folder / "empty.wav"), "Hello world."),
        "bad-empty-text": (good, "   "),
        "bad-missing": (str(folder / "nowhere.wav"), "Hello world."),
        "bad-swapped": (swapped, "Thank you for calling Super Awesome Company."),
    }


def write_table(path: Path, ids: Sequence[str], bad: dict[str, tuple[str, str]], *, backwards: bool = False) -> None:
    table = prompts()
    rows = [(name, str((EXAMPLES / table[name]["audio"]).resolve()), table[name]["text"]) for name in ids]
    rows += [(name, audio, text) for name, (audio, text) in bad.items()]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t")
        writer.writerow(["id", "audio", "text"])
        writer.writerows(reversed(rows) if backwards else rows)


def job(folder: Path, *, output: str, table: str = "corpus.tsv", overrides: tuple[str, ...] = ()) -> RunConfig:
    path = folder / "job.yaml"
    path.write_text(JOB.format(output=folder / output, table=folder / table))
    return load_run(path, overrides=overrides)


@pytest.fixture(scope="session")
def small_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``corpus.tsv``, ``backwards.tsv`` and a finished run in ``out``."""
    folder = tmp_path_factory.mktemp("small")
    bad = bad_rows(folder)
    write_table(folder / "corpus.tsv", GOOD_IDS, bad)
    write_table(folder / "backwards.tsv", GOOD_IDS, bad, backwards=True)
    run(job(folder, output="out"))
    return folder
