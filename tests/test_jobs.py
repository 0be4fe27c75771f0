"""Every job file in the repository is one that the commands take."""

from pathlib import Path

import pytest

from pipelines.backends import resolve_backends
from pipelines.config import load_run
from pipelines.fit.job import load_fit
from pipelines.train.job import load_training
from schemas.records import STREAM_KINDS


@pytest.mark.parametrize("path", ["jobs/corpus.yaml", "jobs/demo/corpus.yaml"])
def test_corpus_jobs(path):
    assert load_run(path).ingest.path


def test_training_jobs():
    assert load_training("jobs/demo/train.yaml").corpus == load_run("jobs/demo/corpus.yaml").output


@pytest.mark.parametrize("path", sorted(Path("jobs/fit").glob("*.yaml")), ids=lambda path: path.stem)
def test_fit_jobs(path):
    from pipelines.fit.hubert import HubertFitConfig
    from pipelines.fit.pitch import PitchFitConfig
    from pipelines.fit.style import StyleFitConfig
    from pipelines.fit.units import UnitsFitConfig
    from pipelines.fit.vocoder_config import VocoderFitConfig

    configs = {
        "hubert": HubertFitConfig,
        "hubert-units": UnitsFitConfig,
        "units": UnitsFitConfig,
        "pitch": PitchFitConfig,
        "style": StyleFitConfig,
        "vocoder": VocoderFitConfig,
    }
    job = load_fit(str(path))
    fit = resolve_backends(job.fit, STREAM_KINDS, where=str(path)) if path.stem == "vocoder" else job.fit
    configs[path.stem].model_validate(fit)
    sources = job.ingest if isinstance(job.ingest, list) else [job.ingest]
    assert any(source.exclude_ids == "examples/asterisk-en/heldout.txt" for source in sources)
