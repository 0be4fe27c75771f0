"""A few runs that are killed; `make faults` kills many more (`benchmarks/faults.py`)."""

import pytest

from tests.faults.conftest import ALONE
from tests.faults.harness import Run, crash, driver, no_orphans, plait_here, standing


def test_after_a_killed_beam_worker_the_run_ends_and_a_rerun_gives_the_bytes_of_any_engine(corpus, reference):
    engine = "{kind: beam, workers: 2}"
    found = crash(corpus, reference, seed=2, engine=engine, victim="worker", within_s=1.5, again=plait_here)
    assert (found.struck, found.exit_code) == (True, 1)


def test_nothing_of_a_killed_run_of_another_plan_stays(corpus, reference):
    found = crash(
        corpus,
        reference,
        seed=3,
        engine=ALONE,
        victim="driver",
        within_s=0,
        victims=lambda run: driver(run) if standing(corpus.folder / "crash-3") else [],
        options=("--set", "store.audio=true"),
        again=plait_here,
    )
    assert (found.struck, found.exit_code) == (True, None)
    assert found.stood > 0


def test_a_run_that_hangs_is_ended_by_the_harness(corpus):
    job = corpus.job(str(corpus.folder / "hangs"), ALONE, name="hangs")
    with no_orphans():
        run = Run(job, corpus.folder / "hangs.log")
        with pytest.raises(TimeoutError):
            run.finish(timeout_s=0.2)
    assert run.over
