"""Settings of the whole suite."""

import os

import pytest
from hypothesis import HealthCheck, settings

# Test processes use the cores; threads on top of them only get in each other's way. Read when torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Shared machines are slow now and then: a law's time is not what it states.
settings.register_profile("plait", deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("plait")


@pytest.fixture(scope="module")
def bucket():
    """A bucket behind an S3 server of this process, in fair weather; what it holds stays for a module's tests."""
    import fsspec

    from tests.faults.store_server import object_store

    with object_store(seed=1, share=0.0) as store, pytest.MonkeyPatch.context() as patch:
        for name, value in store.env.items():
            patch.setenv(name, value)
        fsspec.filesystem("s3").clear_instance_cache()
        yield store
        fsspec.filesystem("s3").clear_instance_cache()
