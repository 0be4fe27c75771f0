"""Runs of `plait` in processes of their own, and what is done to them.

A killed run's children lose their parent; here they become children of the process that tests, so that none that
outlives its run escapes the count (Linux's ``PR_SET_CHILD_SUBREAPER``).
"""

import ctypes
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from pipelines.commits import read_commits
from pipelines.config import load_run
from pipelines.run import run as run_job
from pipelines.run_folder import RunFolder
from pipelines.store import ShardSet
from pipelines.verify import shard_sets, verify
from tests.pipelines.conftest import prompts, write_table

ROOT = Path(__file__).resolve().parents[2]
_PR_SET_CHILD_SUBREAPER = 36
_GONE_WITHIN_S = 60.0  # Ray's processes end when they miss their node, on a busy machine after half a minute
_RUN_WITHIN_S = 300.0

JOB = """\
output: {output}
seed: 7
engine: {engine}
max_failed_ratio: 1
batch_rows: 2
ingest: {{kind: table, path: {table}}}
pitch: null
style: null
store: {{shards: {shards}}}
text: {{vocab_size: 400}}
interleave: {{text_words: [1, 4], speech_words: [1, 3]}}
"""


def short_prompts(number: int) -> tuple[str, ...]:
    """Ids of bundled prompts of a few words each, so that a run is short and still has something to align."""
    table = prompts()
    lengths = {name: len(row["text"]) for name, row in table.items()}
    return tuple(sorted(lengths, key=lambda name: (not 15 <= lengths[name] <= 40, name))[:number])


@dataclass(frozen=True, slots=True)
class Corpus:
    """A folder with a table of real prompts, and jobs on it."""

    folder: Path
    shards: int

    @classmethod
    def of(cls, folder: Path, *, prompts: int, shards: int) -> "Corpus":
        write_table(folder / "corpus.tsv", short_prompts(prompts), {})
        return cls(folder, shards)

    def job(self, output: str, engine: str, *, name: str = "job", table: str = "corpus.tsv") -> Path:
        path = self.folder / f"{name}.yaml"
        table_url = str(self.folder / table)
        path.write_text(JOB.format(output=output, engine=engine, shards=self.shards, table=table_url))
        return path


@dataclass(frozen=True, slots=True)
class Finished:
    code: int
    output: str

    @property
    def error_lines(self) -> list[str]:
        return [line for line in self.output.splitlines() if line.startswith("plait:")]


class Run:
    """A `plait run` on its way."""

    def __init__(self, job: Path, log: Path, env: dict[str, str] | None = None, *options: str) -> None:
        command = [sys.executable, "-m", "pipelines.cli", "run", str(job), *options]
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
        environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **(env or {})}
        self._log = log
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT, env=environment, start_new_session=True
            )

    def finish(self, timeout_s: float = _RUN_WITHIN_S) -> Finished:
        """Raises TimeoutError, with the run killed, where it takes longer."""
        try:
            code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            self.kill()
            said = self._log.read_text(errors="replace")[-2000:]
            raise TimeoutError(f"the run did not end within {timeout_s:g} s: {said}") from error
        return Finished(code, self._log.read_text(errors="replace"))

    def kill(self) -> None:
        kill(self.process.pid)
        self.process.wait()

    @property
    def over(self) -> bool:
        return self.process.poll() is not None


def plait_run(job: Path, log: Path, env: dict[str, str] | None = None, *options: str) -> Finished:
    with no_orphans():
        return Run(job, log, env, *options).finish()


def plait_again(job: Path) -> None:
    done = plait_run(job, job.with_suffix(".log"))
    assert done.code == 0, done.output[-3000:]


def plait_here(job: Path) -> None:
    """The same in this process on one worker: its libraries are in memory already."""
    run_job(load_run(job, overrides=("engine={kind: local, workers: 1}",)))


@dataclass(frozen=True, slots=True)
class Process:
    pid: int
    parent: int
    command: str


def processes() -> list[Process]:
    """All of this machine that are alive, as ``/proc`` tells; zombies are dead."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            state, parent = (entry / "stat").read_text().rpartition(") ")[2].split()[:2]
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        if state not in "ZX":
            found.append(Process(int(entry.name), int(parent), command))
    return found


def descendants(pid: int, *, without: Collection[int] = ()) -> list[Process]:
    """All below a process, but for those in ``without`` and what is below them."""
    children: dict[int, list[Process]] = {}
    for process in processes():
        children.setdefault(process.parent, []).append(process)
    found, waiting = [], [pid]
    while waiting:
        for child in children.get(waiting.pop(), []):
            if child.pid in without:
                continue
            found.append(child)
            waiting.append(child.pid)
    return found


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # it was faster


@contextmanager
def no_orphans() -> Iterator[None]:
    """What was started within the block must be gone some seconds after it; what is not is killed.

    Raises:
        AssertionError: A process outlived its run.
    """
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    before = {process.pid for process in descendants(os.getpid())}
    try:
        yield
    finally:
        deadline = time.monotonic() + _GONE_WITHIN_S
        while (left := _since(before)) and time.monotonic() < deadline:
            time.sleep(0.2)
        for process in left:
            kill(process.pid)
        while _since(before):
            time.sleep(0.05)
    assert not left, f"still there after {_GONE_WITHIN_S:.0f} s: {[process.command[:80] for process in left]}"


def _since(before: set[int]) -> list[Process]:
    left = descendants(os.getpid(), without=before)
    for process in left:
        if process.parent == os.getpid():
            _reap(process.pid)
    return left


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return  # subprocess was faster


Victims = Callable[[Run], list[int]]


def worker(run: Run) -> list[int]:
    """Process ids of a run's workers, told by their command lines; a Ray worker renames itself by its task."""
    return [process.pid for process in descendants(run.process.pid) if _is_worker(process.command)]


def _is_worker(command: str) -> bool:
    return (
        ("multiprocessing.spawn" in command and "resource_tracker" not in command)
        or ("sdk_worker_main" in command and " -c " not in command.split("sdk_worker_main")[0])
        or (command.startswith("ray::") and "IDLE" not in command)
    )


def driver(run: Run) -> list[int]:
    return [run.process.pid]


VICTIMS: dict[str, Victims] = {"driver": driver, "worker": worker}


@dataclass(frozen=True, slots=True)
class Crash:
    """What was done to a run, and what became of it.

    Args:
        moment_s: Between the victim's first sign of life and its death.
        stood: Shards whose commit stood when the run had ended.
        exit_code: Of the run that was struck; None where the signal itself ended it.
        outcome: ``same`` where the digests after the rerun are those of an undisturbed run.
    """

    seed: int
    engine: str
    victim: str
    moment_s: float
    struck: bool
    stood: int
    exit_code: int | None
    outcome: str

    def to_json(self) -> dict[str, object]:
        return asdict(self)


def strike(run: Run, victims: Victims, moment_s: float, output: Path, rng: random.Random) -> bool:
    """SIGKILL for a part of a run, so long after its work began; False where the run was over before."""
    deadline = time.monotonic() + _RUN_WITHIN_S / 2
    while not run.over and time.monotonic() < deadline:
        if (output / ".work" / "rows").exists() and victims(run):
            break
        time.sleep(0.05)
    end = time.monotonic() + moment_s
    while not run.over and time.monotonic() < end:
        time.sleep(0.02)
    while not run.over and time.monotonic() < deadline + moment_s:
        if found := victims(run):
            kill(rng.choice(sorted(found)))
            return True
        time.sleep(0.02)
    return False


def digests(output: Path | str) -> dict[str, str]:
    """Of every shard of every set of a finished run, and of what it dropped."""
    found = {}
    for folder in shard_sets(str(output)):
        manifest = ShardSet(folder).manifest
        name = Path(folder).name
        found[f"{name}/dropped"] = manifest.dropped_sha256
        found.update({f"{name}/{entry.name}": entry.sha256 for entry in manifest.shards})
    return found


def leftovers(output: Path) -> list[str]:
    """Names of unfinished and hidden files; the lock of a disk stays, it is the kernel's."""
    return sorted(path.name for path in output.rglob("*") if path.name.startswith(".") and path.name != ".lock")


def standing(output: Path) -> int:
    return len(list(read_commits(RunFolder(str(output)).corpus)))


def crash(
    corpus: Corpus,
    reference: dict[str, str],
    *,
    seed: int,
    engine: str,
    victim: str,
    within_s: float,
    victims: Victims | None = None,
    options: Sequence[str] = (),
    again: Callable[[Path], None] | None = None,
) -> Crash:
    """Run, strike at a moment drawn from the seed, run again, and look at what lies there.

    Args:
        victim: Names the victims of ``VICTIMS``, or those of ``victims`` where there are such.
        within_s: The moment lies between 0 and this many seconds after the victim appeared.
        options: Of the run that is struck alone.
        again: Runs the job again, as the same job on the same engine in a process of its own when unset.

    Raises:
        AssertionError: A process was left over, the rerun failed, a file was left over, ``verify`` found a
            difference, or the digests are not the reference's.
    """
    rng = random.Random(seed)
    moment_s = rng.uniform(0, within_s)
    output = corpus.folder / f"crash-{seed}"
    job = corpus.job(str(output), engine, name=f"crash-{seed}")
    log = corpus.folder / f"crash-{seed}.log"
    with no_orphans():
        run = Run(job, log, None, *options)
        try:
            struck = strike(run, victims or VICTIMS[victim], moment_s, output, rng)
            code = run.finish().code
        finally:
            run.kill()
    stood = standing(output)
    if code != 0:
        (again or plait_again)(job)
    check(output, reference)
    return Crash(
        seed=seed,
        engine=engine,
        victim=victim,
        moment_s=round(moment_s, 2),
        struck=struck,
        stood=stood,
        exit_code=code if code >= 0 else None,
        outcome="same",
    )


def check(output: Path, reference: dict[str, str]) -> None:
    """Raises AssertionError where a finished run is not what an undisturbed one is."""
    assert digests(output) == reference
    assert leftovers(output) == []
    assert list(verify(str(output))) == []
