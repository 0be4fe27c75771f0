"""`plait fit WHAT JOB.yaml`: a corpus in, a fitted tokenizer or vocoder out.

The job has what `FitJob` has; `fit` are the options of what is fitted. No fit needs the recordings' texts.
"""

from collections.abc import Callable, Sequence
from typing import Any

from pydantic import Field

from pipelines.backends import resolve_backends
from pipelines.files import local_path, make_folder
from pipelines.fit.kinds import FITS, FitWhat
from pipelines.fit.recordings import JobRecordings
from pipelines.ingest import OneOrSeveral, several
from pipelines.progress import speaks
from pipelines.yaml_config import OutputFolder, Section, read_yaml, validate
from schemas.errors import EngineError, TransientError, UserError


class FitJob(Section):
    """What every fit has.

    Args:
        output: Local folder of the artefact and its card.
        seed: Of all draws.
        limit: First N recordings of each source by id, for a trial.
        max_failed_ratio: Stop when more recordings than this could not be read, as `plait run` does.
        max_duration_s: Longer recordings are left out.
        sample: N recordings of all, drawn by a hash of seed, source and id: whether one is in the draw depends on no
            order, and what is not drawn is never decoded.
        ingest: The corpus, or a list of corpora that are read one after another.
        fit: The settings of what is fitted, below.
    """

    output: OutputFolder
    seed: int = 0
    limit: int | None = Field(default=None, ge=1)
    sample: int | None = Field(default=None, ge=1)
    max_failed_ratio: float = Field(default=0.01, ge=0, le=1)
    max_duration_s: float = Field(default=100, gt=0, allow_inf_nan=False)
    ingest: OneOrSeveral
    fit: dict[str, Any] = Field(default_factory=dict)


def load_fit(path: str, *, overrides: Sequence[str] = ()) -> FitJob:
    """Raises: UserError: One line with the path of the wrong key."""
    return validate(FitJob, read_yaml(path, overrides=overrides), where=path)


def fit(what: FitWhat, path: str, *, overrides: Sequence[str], say: Callable[[str], None]) -> dict[str, float]:
    """Run a fit job; the artefact and its card lie in the job's output. Of several ranks the first one ``say``s.

    Raises:
        UserError: The job is wrong.
        EngineError: Too many recordings failed, or a store gave no answer.
    """
    job = load_fit(path, overrides=overrides)
    settings = settings_of(what, job, where=path)
    make_folder(job.output)
    output = local_path(job.output)
    if output is None:
        raise UserError(f"output: {job.output}: a fit writes to a local folder")
    say = say if speaks() else lambda _: None
    work = {"work": output / "work"} if FITS[what].resumes else {}
    run = FITS[what].load_function()
    try:
        return run(recordings_of(job, say=say), settings, seed=job.seed, output=output, say=say, **work)
    except TransientError as error:
        raise EngineError(f"{error}; what is finished is kept, run again to resume") from error


def recordings_of(job: FitJob, *, say: Callable[[str], None]) -> JobRecordings:
    """The recordings that a job names, listed when they are first asked for."""
    return JobRecordings(
        several(job.ingest),
        limit=job.limit,
        sample=job.sample,
        seed=job.seed,
        max_failed_ratio=job.max_failed_ratio,
        max_duration_s=job.max_duration_s,
        say=say,
    )


def settings_of(what: FitWhat, job: FitJob, *, where: str) -> Section:
    """What a job says of what is fitted.

    Raises:
        UserError: One line with the path of the wrong key in the file ``where``.
    """
    sections = resolve_backends(job.fit, FITS[what].backends, where=where, section="fit")
    return validate(FITS[what].load_settings(), sections, where=where, section="fit")
