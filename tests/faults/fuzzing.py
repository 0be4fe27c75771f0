"""A run over damaged entries, and what must hold after it."""

import hashlib
import os
import resource
from dataclasses import dataclass
from pathlib import Path

from pipelines.run_folder import RunFolder
from pipelines.store import ShardSet
from pipelines.verify import read_dropped, verify
from tests.faults.damage import Damager, Entry, write_entries
from tests.faults.harness import Finished, Run, no_orphans

# Address space that a run's own data may take: models, libraries and a batch fit, a bomb does not.
MAX_DATA_BYTES = 6 << 30

JOB = """\
output: {output}
engine: {{kind: local, workers: 1}}
max_failed_ratio: 1
max_duration_s: 30
batch_rows: 8
ingest: {{kind: table, path: {table}}}
{streams}
store: {{shards: 2, audio: true}}
text: {{vocab_size: 400}}
interleave: {{text_words: [1, 4], speech_words: [1, 3]}}
"""


@dataclass(frozen=True, slots=True)
class Fuzzed:
    """What became of a run's entries."""

    inputs: int
    in_shards: int
    filtered: int
    failed: int
    by_code: dict[str, int]


def snapshot(folder: Path, *, without: Path) -> dict[str, str]:
    """What lies in a folder: names, kinds, and digests of files small enough; nothing that blocks is opened."""
    found = {}
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if Path(parent, name) != without]
        for name in [*folders, *files]:
            path = Path(parent, name)
            state = path.lstat()
            what = f"{state.st_mode:o} {state.st_size} {state.st_mtime_ns if not path.is_dir() else ''}"
            if path.is_file() and not path.is_symlink() and state.st_size < 1 << 24:
                what += hashlib.sha256(path.read_bytes()).hexdigest()
            found[str(path.relative_to(folder))] = what
    return found


def limited(job: Path, log: Path, temporary: Path, *, timeout_s: float) -> Finished:
    """Run in a process whose memory is bounded, with a folder of its own for temporary files."""
    with no_orphans():
        run = Run(job, log, {"TMPDIR": str(temporary)})
        resource.prlimit(run.process.pid, resource.RLIMIT_DATA, (MAX_DATA_BYTES, MAX_DATA_BYTES))
        return run.finish(timeout_s)


def fuzz(folder: Path, *, number: int, seed: int, all_streams: bool, timeout_s: float) -> Fuzzed:
    """Run over so many damaged entries.

    Raises:
        AssertionError: The run failed, an entry is not accounted for, or something lies outside the output.
        TimeoutError: It hung.
    """
    corpus, output, temporary = folder / "corpus", folder / "out", folder / "temporary"
    corpus.mkdir(parents=True)
    temporary.mkdir()
    damager = Damager(corpus, seed)
    entries = damager.entries(number)
    write_entries(corpus / "corpus.jsonl", entries, damager.row(0, name="sound"))
    job = folder / "job.yaml"
    streams = "" if all_streams else "pitch: null\nstyle: null"
    job.write_text(JOB.format(output=output, table=corpus / "corpus.jsonl", streams=streams))
    log = folder / "log"
    log.touch()
    before = snapshot(folder, without=output)
    done = limited(job, log, temporary, timeout_s=timeout_s)
    assert done.code == 0, done.output[-3000:]
    after = snapshot(folder, without=output)
    before.pop("log"), after.pop("log")
    changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    assert not changed, changed
    return accounts(output, entries)


def accounts(output: Path, entries: list[Entry]) -> Fuzzed:
    """Raises AssertionError where an entry is missing from the accounts."""
    assert list(verify(str(output))) == []
    folder = RunFolder(str(output))
    manifest = ShardSet(folder.corpus).manifest
    assert manifest.inputs == len(entries) + 1
    assert manifest.inputs == manifest.records + manifest.filtered + manifest.failed
    assert "sound" in {record.utterance_id for record in ShardSet(folder.corpus).utterances()}
    by_code: dict[str, int] = {}
    for letter in read_dropped(folder.dropped):
        assert letter.detail
        by_code[f"{letter.stage}/{letter.code}"] = by_code.get(f"{letter.stage}/{letter.code}", 0) + 1
    return Fuzzed(manifest.inputs, manifest.records, manifest.filtered, manifest.failed, dict(sorted(by_code.items())))
