"""Fits the bundled speech tokenizers again, from ``examples/asterisk-en`` without its held-out prompts.

    python -m benchmarks.fit_bundled units assets/units-whisper-500
    python -m benchmarks.fit_bundled pitch assets/pitch-vqvae-64 --also IT
    python -m benchmarks.fit_bundled style assets/style-prosody-100 --also ES --also FR --also IT --also RU

ES, FR, IT, RU are made by ``examples/asterisk-en/build.py --code es --output ES`` and so on.
"""

import csv
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import soundfile
import typer

from pipelines.fit.pitch import PitchFitConfig, fit_pitch
from pipelines.fit.report import Recordings
from pipelines.fit.style import StyleFitConfig, fit_style
from pipelines.fit.units import UnitsFitConfig, fit_units
from schemas.errors import UserError
from schemas.records import SAMPLE_RATE_HZ, SourceRow, Utterance

CORPUS = Path(__file__).resolve().parent.parent / "examples" / "asterisk-en"


def bundled_recordings(*folders: Path) -> Recordings:
    """Utterances of the bundled corpus and of folders laid out like it, without the held-out ids, by id."""
    heldout = set((CORPUS / "heldout.txt").read_text().split())

    def read() -> Iterator[Utterance]:
        for folder in (CORPUS, *folders):
            with (folder / "transcripts.tsv").open(encoding="utf-8") as file:
                rows = sorted(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE), key=lambda row: row["id"])
            for row in rows:
                if folder == CORPUS and row["id"] in heldout:
                    continue
                waveform, rate = soundfile.read(folder / row["audio"], dtype="float32")
                if rate != SAMPLE_RATE_HZ:
                    raise UserError(f"{folder / row['audio']}: {rate} Hz, the corpus is 16 kHz")
                source = SourceRow(
                    utterance_id=row["id"],
                    audio=row["audio"],
                    text=row["text"],
                    speaker=row["speaker"],
                    language=row["language"],
                    licence=row["licence"],
                    source=row["speaker"],
                )
                digest = hashlib.sha256(waveform.tobytes()).hexdigest()
                yield Utterance(row=source, waveform=waveform, audio_sha256=digest)

    return read


def main(
    what: Literal["units", "pitch", "style"],
    output: Path,
    also: Annotated[
        list[Path] | None, typer.Option(help="Another folder with transcripts.tsv; may be repeated.")
    ] = None,
    seed: int = 0,
) -> None:
    recordings = bundled_recordings(*(also or []))
    figures: dict[str, float]
    if what == "units":
        figures = fit_units(recordings, UnitsFitConfig(), seed=seed, output=output, say=print)
    elif what == "pitch":
        figures = fit_pitch(recordings, PitchFitConfig(device="cpu"), seed=seed, output=output, say=print)
    else:
        figures = fit_style(recordings, StyleFitConfig(), seed=seed, output=output, say=print)
    print(figures)


if __name__ == "__main__":
    typer.run(main)
