"""Workers of this machine: what goes wrong in one of them is told by the driver."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.engines.local import LocalEngine
from schemas.errors import EngineError, UserError
from tests.fake_job import FakeJob

ROOT = Path(__file__).parents[3]
MANY = 100_000  # what workers say of so many batches fills any pipe

STOPPED = """
from pipelines.engines.local import LocalEngine
from schemas.errors import EngineError
from tests.fake_job import FakeJob

def sick(done):
    raise EngineError("too many failed")

if __name__ == "__main__":
    list(LocalEngine(2).run(FakeJob({notes!r}, batches={batches}), range(4), {report}))
"""


def started(notes: Path, report: str) -> subprocess.Popen[str]:
    script = notes / "job.py"
    script.write_text(STOPPED.format(notes=str(notes), batches=MANY, report=report))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, str(script)], env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def ended(process: subprocess.Popen[str], *, within_s: float) -> str:
    try:
        return process.communicate(timeout=within_s)[1]
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("workers", [1, 2])
def test_models_that_cannot_be_opened_are_the_users_to_mend(tmp_path, workers, capfd):
    job = FakeJob(str(tmp_path), refused=True)
    with pytest.raises(UserError, match=r"^style\.codebook: of another encoder$"):
        list(LocalEngine(workers).run(job, range(4), lambda _: None))
    assert capfd.readouterr().err == ""


def test_a_run_that_stops_ends_while_its_workers_have_much_to_say(tmp_path):
    said = ended(started(tmp_path, "sick"), within_s=60)
    assert said.splitlines()[-1] == "schemas.errors.EngineError: too many failed"


def test_a_run_that_is_interrupted_ends_while_its_workers_have_much_to_say(tmp_path):
    process = started(tmp_path, "lambda done: None")
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("*-*"))) < 2 and time.monotonic() < deadline:  # both have opened the job
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    assert ended(process, within_s=60).splitlines()[-1] == "KeyboardInterrupt"


def test_a_worker_that_dies_is_told_with_what_it_was_at(tmp_path):
    with pytest.raises(EngineError, match=r"^a worker process died at shard-3 \(SIGSEGV\); what is finished is kept"):
        list(LocalEngine(2).run(FakeJob(str(tmp_path), deadly=3), range(8), lambda _: None))
