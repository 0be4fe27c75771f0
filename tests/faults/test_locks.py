"""Of two runs on one folder, one works."""

import errno
import fcntl
import json
import os
import socket
import threading
import time

import fsspec
import pytest

import pipelines.lock
from pipelines.files import exists, read_text, write_text
from pipelines.lock import lock
from schemas.errors import EngineError, TransientError, UserError
from tests.faults.conftest import ALONE
from tests.faults.harness import plait_run

BEAT_S, DEAD_AFTER_S = 0.05, 0.4
DEAD_PID = 2**22 + 1  # above any that a kernel gives


@pytest.fixture
def folder(request):
    url = f"memory://{request.node.name}"
    yield url
    fsspec.filesystem("memory").rm("/", recursive=True)


def held(folder: str):
    return lock(folder, beat_s=BEAT_S, dead_after_s=DEAD_AFTER_S)


def left_by(folder: str, *, host: str, pid: int, processes: str = "elsewhere") -> None:
    write_text(f"{folder}/.lock", json.dumps({"owner": f"{host}:{pid}:0", "processes": processes, "beat": 7}))


def test_a_second_run_on_a_store_is_refused_while_the_first_lives(folder, capsys):
    patient = lock(folder, beat_s=BEAT_S, dead_after_s=10)
    with held(folder), pytest.raises(UserError) as refused, patient:
        pass
    assert str(refused.value) == f"output: another run writes {folder}; wait for it, or choose another output"
    assert capsys.readouterr().out == f"{folder}/.lock: left by another run; waiting 10 s for a sign of life\n"
    assert not exists(f"{folder}/.lock")


def test_one_after_the_other_is_fine(folder):
    for _ in range(2):
        with held(folder) as still_ours:
            still_ours()


def test_the_lock_of_a_process_that_is_gone_from_this_machine_is_taken_over_at_once(folder):
    left_by(folder, host=socket.gethostname(), pid=DEAD_PID, processes=pipelines.lock._processes())
    began = time.monotonic()
    with lock(folder, beat_s=BEAT_S, dead_after_s=60) as still_ours:
        still_ours()
    assert time.monotonic() - began < 5


def test_the_lock_of_another_machine_is_taken_over_when_it_gave_no_sign(folder):
    left_by(folder, host="elsewhere", pid=1)
    began = time.monotonic()
    with held(folder) as still_ours:
        still_ours()
    assert time.monotonic() - began >= DEAD_AFTER_S


def test_a_container_with_our_hosts_name_is_not_known_to_be_dead(folder):
    left_by(folder, host=socket.gethostname(), pid=DEAD_PID)
    began = time.monotonic()
    with held(folder) as still_ours:
        still_ours()
    assert time.monotonic() - began >= DEAD_AFTER_S


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK])
def test_a_disk_without_flock_has_a_lock_that_a_killed_run_does_not_leave_for_ever(tmp_path, monkeypatch, code):
    def flock(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", flock)
    folder = str(tmp_path)
    with held(folder) as still_ours:
        time.sleep(3 * BEAT_S)
        still_ours()
        with pytest.raises(UserError, match="another run writes"), lock(folder, beat_s=BEAT_S, dead_after_s=10):
            pass
    assert not exists(f"{folder}/.lease")
    write_text(f"{folder}/.lease", json.dumps({"owner": "elsewhere:1:0", "processes": "elsewhere", "beat": 7}))
    with held(folder) as still_ours:
        still_ours()


def test_an_owner_that_lost_its_lock_stops_and_leaves_the_others(folder):
    with held(folder) as still_ours:
        still_ours()
        left_by(folder, host="elsewhere", pid=1)
        with pytest.raises(EngineError, match="another run took the folder over"):
            still_ours()
    assert json.loads(read_text(f"{folder}/.lock"))["owner"] == "elsewhere:1:0"


def test_an_outage_does_not_end_the_sign_of_life(folder, monkeypatch):
    put, fails = pipelines.lock._put, 3

    def failing_put(url: str, data: bytes) -> None:
        nonlocal fails
        if threading.current_thread().name == "plait-lock" and fails:
            fails -= 1
            raise TransientError("an outage")
        put(url, data)

    monkeypatch.setattr(pipelines.lock, "_put", failing_put)
    with held(folder):
        first = read_text(f"{folder}/.lock")
        deadline = time.monotonic() + 10
        while read_text(f"{folder}/.lock") == first and time.monotonic() < deadline:
            time.sleep(0.02)
        assert fails == 0
        assert read_text(f"{folder}/.lock") != first


def test_a_lock_that_goes_while_it_is_read_is_no_error(folder, monkeypatch):
    left_by(folder, host="elsewhere", pid=1)
    reads = 0

    def vanishing(url: str) -> str:
        nonlocal reads
        reads += 1
        if reads == 1:
            fsspec.filesystem("memory").rm(url.removeprefix("memory:/"))
            raise FileNotFoundError(url)
        return read_text(url)

    monkeypatch.setattr(pipelines.lock, "read_text", vanishing)
    with held(folder) as still_ours:
        still_ours()


def test_two_runs_that_take_over_at_once_leave_one(folder):
    left_by(folder, host=socket.gethostname(), pid=DEAD_PID, processes=pipelines.lock._processes())
    outcomes: list[str] = []
    start = threading.Barrier(2)

    def take() -> None:
        start.wait()
        try:
            with lock(folder, beat_s=0.2, dead_after_s=2) as still_ours:
                time.sleep(1.0)
                still_ours()
                outcomes.append("held")
        except (UserError, EngineError):
            outcomes.append("refused")

    threads = [threading.Thread(target=take) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(outcomes) == ["held", "refused"]


def test_a_second_run_on_a_disk_is_refused_in_one_line(corpus, tmp_path):
    output = tmp_path / "out"
    output.mkdir()
    job = corpus.job(str(output), ALONE, name="second")
    with lock(str(output)):
        refused = plait_run(job, tmp_path / "log")
    assert refused.code == 2, refused.output
    assert refused.output.splitlines() == [
        f"plait: output: another run writes {output}; wait for it, or choose another output"
    ]
