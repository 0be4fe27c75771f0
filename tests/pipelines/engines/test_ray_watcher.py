"""What a Ray of a run's own started ends with the run, however the run ends."""

import os
import subprocess
import sys

import psutil

from pipelines.engines.ray_watcher import MARK, watched

# a driver that starts, in a session of its own, what a node manager would; it tells its number and waits
DRIVER = """
import subprocess, time
from pipelines.engines.ray_watcher import watched
with watched():
    print(subprocess.Popen(["sleep", "60"], start_new_session=True, stdout=subprocess.DEVNULL).pid, flush=True)
    time.sleep(60)
"""


def test_it_ends_with_a_killed_driver():
    bystander = subprocess.Popen(["sleep", "60"])
    run = subprocess.Popen([sys.executable, "-c", DRIVER], stdout=subprocess.PIPE, text=True)
    child = psutil.Process(int(run.stdout.readline()))
    run.kill()
    child.wait(timeout=20)
    run.wait()
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


def test_a_run_that_ended_ray_itself_kills_nothing_more():
    before = set(psutil.Process().children())
    with watched():
        assert MARK in os.environ
        other = subprocess.Popen(["sleep", "60"])
    assert MARK not in os.environ
    assert {child.pid for child in set(psutil.Process().children()) - before} == {other.pid}
    assert other.poll() is None
    other.kill()
    other.wait()
