"""A corpus on an object store that fails now and then, behind a real HTTP server."""

import time

import fsspec
import pytest

from pipelines.lock import lock
from pipelines.verify import verify
from schemas.errors import UserError
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


def test_a_bucket_that_is_not_there_is_named_in_one_line(store):
    store.weather.calm = True
    with pytest.raises(UserError) as refused, lock("s3://nosuch/out"):
        pass
    said = "output: cannot write s3://nosuch/out/.lock: The specified bucket does not exist; check the bucket"
    assert str(refused.value) == said


def test_a_bucket_that_may_not_be_written_is_named_in_one_line(store, monkeypatch):
    def refused(*_: object, **__: object) -> None:
        raise PermissionError("Access Denied")

    store.weather.calm = True
    monkeypatch.setattr(fsspec.filesystem("s3"), "pipe_file", refused)
    with pytest.raises(UserError) as error, lock(f"s3://{BUCKET}/out"):
        pass
    assert str(error.value) == f"output: cannot write s3://{BUCKET}/out/.lock: Access Denied; check the bucket"


def test_a_second_run_on_a_bucket_is_told_by_its_folder(store):
    store.weather.calm = True
    output = f"s3://{BUCKET}/out"
    with (
        lock(output, beat_s=0.1),
        pytest.raises(UserError, match=f"another run writes {output}; wait for it, or"),
        lock(output),
    ):
        pass
    assert store.keys("out/") == []


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
