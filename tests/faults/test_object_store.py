"""A corpus on an object store that fails now and then, behind a real HTTP server."""

import time

import fsspec
import pytest

from pipelines.verify import verify
from tests.faults.conftest import ALONE
from tests.faults.harness import Run, digests, no_orphans, plait_here
from tests.faults.store_server import BUCKET, object_store


@pytest.fixture
def store(monkeypatch):
    with object_store(seed=3, share=0.06) as store:
        for name, value in store.env.items():
            monkeypatch.setenv(name, value)
        fsspec.filesystem("s3").clear_instance_cache()
        yield store
        fsspec.filesystem("s3").clear_instance_cache()


def test_a_killed_run_on_a_failing_store_goes_on_to_the_digests_of_a_disk(corpus, reference, store, capsys):
    output = f"s3://{BUCKET}/out"
    job = corpus.job(output, ALONE, name="s3")
    log = corpus.folder / "s3.log"
    with no_orphans():
        run = Run(job, log, store.env)
        try:
            deadline = time.monotonic() + 180
            while not run.over and time.monotonic() < deadline and not store.keys("out/corpus/commits/"):
                time.sleep(0.05)
            assert not run.over, log.read_text()
        finally:
            run.kill()
    assert "out/.lock" in store.keys("out/")
    assert not store.keys("out/corpus/manifest.json")
    plait_here(job)
    assert "shards stand already" in capsys.readouterr().out
    store.weather.calm = True
    assert digests(output) == reference
    assert list(verify(output)) == []
    assert [key for key in store.keys("out/") if key.rpartition("/")[2].startswith(".") or "/.work" in key] == []
    assert sum(store.weather.seen.values()) - store.weather.seen["fair"] >= 5, store.weather.seen
