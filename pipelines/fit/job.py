"""`plait fit WHAT JOB.yaml`: a corpus in, a fitted tokenizer or vocoder out.

The job has `output`, `seed`, `limit`, `sample`, `ingest` and `fit`, the options of what is fitted.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from pipelines.files import local_path, make_folder
from pipelines.ingest import OneOrSeveral, several
from pipelines.ingest.usable import usable_rows
from pipelines.yaml_config import Section, read_yaml, validate
from schemas.errors import RecordError, UserError
from schemas.records import SourceRow, Utterance
from transforms.audio import decode
from transforms.seeds import RekeyedGenerator

FitWhat = Literal["units", "pitch", "style", "hubert", "aligner", "vocoder"]


class FitJob(Section):
    """What every fit has; ``fit`` is checked by the config of what is fitted.

    Args:
        limit: First N recordings of each source by id, for a trial.
        sample: N recordings of all, drawn by a hash of seed, source and id: whether one is in the draw depends on no
            order, and what is not drawn is never decoded.
    """

    output: str
    seed: int = 0
    limit: int | None = Field(default=None, ge=1)
    sample: int | None = Field(default=None, ge=1)
    ingest: OneOrSeveral
    fit: dict[str, Any] = Field(default_factory=dict)


class JobRecordings:
    """The corpus of a fit, restartable, decoded as it is read.

    The order is that of the names of sources and ids, whatever the listing: encoders' last bits depend on batch mates.
    Bad audio is left out and named.
    """

    def __init__(self, job: FitJob, *, say: Callable[[str], None]) -> None:
        rows = (row for source in several(job.ingest) for row in usable_rows(source, say)[: job.limit])
        self.rows = sorted(rows, key=lambda row: (row.source, row))
        if job.sample is not None:
            self.rows = _drawn(self.rows, job.sample, job.seed)
        self._refused: set[str] = set()
        self._say = say

    def __call__(self) -> Iterator[Utterance]:
        for row in self.rows:
            try:
                utterance = _decoded(row)
            except RecordError as error:
                if row.audio not in self._refused:
                    self._refused.add(row.audio)
                    self._say(f"left out {row.utterance_id}: {error.detail}")
                continue
            yield utterance

    def read(self, index: int) -> Utterance:
        """One row with its audio.

        Raises:
            RecordError: It cannot be read.
        """
        return _decoded(self.rows[index])


def _decoded(row: SourceRow) -> Utterance:
    waveform, digest = decode(row)
    return Utterance(row, waveform, digest)


def _drawn(rows: list[SourceRow], count: int, seed: int) -> list[SourceRow]:
    """The rows with the smallest draws, in their order."""
    generator = RekeyedGenerator()
    names = [f"{row.source}/{row.utterance_id}" for row in rows]
    draws = np.array([generator.rng_for(name, stage="fit", run_seed=seed).random() for name in names])
    return [rows[index] for index in np.sort(np.argsort(draws, kind="stable")[:count])]


def recordings_of(job: FitJob, *, say: Callable[[str], None]) -> JobRecordings:
    """The recordings that a job names."""
    return JobRecordings(job, say=say)


def load_fit(path: str, *, overrides: Sequence[str] = ()) -> FitJob:
    """Raises: UserError: One line with the path of the wrong key."""
    return validate(FitJob, read_yaml(path, overrides=overrides), where=path)


def fit(what: FitWhat, path: str, *, overrides: Sequence[str], say: Callable[[str], None]) -> dict[str, float]:
    """Run a fit job; the artefact and its card lie in the job's output.

    Raises:
        UserError: The job is wrong.
    """
    job = load_fit(path, overrides=overrides)
    make_folder(job.output)
    output = local_path(job.output)
    if output is None:
        raise UserError(f"output: {job.output}: a fit writes to a local folder")
    return _fit(what, job, path, output, say)


def _fit(what: FitWhat, job: FitJob, where: str, output: Path, say: Callable[[str], None]) -> dict[str, float]:
    recordings = recordings_of(job, say=say)
    if what == "units":
        from pipelines.fit.units import UnitsFitConfig, fit_units

        units = validate(UnitsFitConfig, job.fit, where=where, section="fit")
        return fit_units(recordings, units, seed=job.seed, output=output, say=say)
    if what == "pitch":
        from pipelines.fit.pitch import PitchFitConfig, fit_pitch

        pitch = validate(PitchFitConfig, job.fit, where=where, section="fit")
        return fit_pitch(recordings, pitch, seed=job.seed, output=output, say=say)
    if what == "style":
        from pipelines.fit.style import StyleFitConfig, fit_style

        style = validate(StyleFitConfig, job.fit, where=where, section="fit")
        return fit_style(recordings, style, seed=job.seed, output=output, say=say)
    if what == "hubert":
        from pipelines.fit.hubert import HubertFitConfig, fit_hubert

        hubert = validate(HubertFitConfig, job.fit, where=where, section="fit")
        return fit_hubert(recordings, hubert, seed=job.seed, output=output, say=say, work=output / "work")
    if what == "aligner":
        from pipelines.fit.aligner import AlignerFitConfig, fit_aligner

        aligner = validate(AlignerFitConfig, job.fit, where=where, section="fit")
        return fit_aligner(recordings, aligner, seed=job.seed, output=output, say=say)
    from pipelines.fit.vocoder import fit_vocoder
    from pipelines.fit.vocoder_config import VocoderFitConfig

    voice = validate(VocoderFitConfig, job.fit, where=where, section="fit")
    return fit_vocoder(recordings, voice, seed=job.seed, output=output, say=say, work=output / "work")
