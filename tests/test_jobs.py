"""Every job file in the repository is one that the commands take."""

from pathlib import Path

import pytest

from pipelines.config import load_run
from pipelines.fit.job import load_fit, settings_of
from pipelines.train.job import load_training


@pytest.mark.parametrize("path", ["jobs/corpus.yaml", "jobs/demo/corpus.yaml", "jobs/speech.yaml"])
def test_corpus_jobs(path):
    assert load_run(path).ingest.path


def test_training_jobs():
    assert load_training("jobs/demo/train.yaml").corpus == load_run("jobs/demo/corpus.yaml").output


@pytest.mark.parametrize("path", sorted(Path("jobs/fit").glob("*.yaml")), ids=lambda path: path.stem)
def test_fit_jobs(path):
    job = load_fit(str(path))
    what = path.stem.rpartition("-")[2]  # hubert-units are units
    settings_of(what, job, where=str(path))  # raises where a key is wrong
    sources = job.ingest if isinstance(job.ingest, list) else [job.ingest]
    assert any(source.exclude_ids == "examples/asterisk-en/heldout.txt" for source in sources)
