"""Disks that are full or cannot be written, for real: a small tmpfs, and the same mounted read-only."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.conftest import ALONE
from tests.faults.harness import check, leftovers, plait_here, plait_run


def mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"these tests mount a tmpfs and need the right to (root): {done.stderr.strip()}"


@contextmanager
def tmpfs(folder: Path, size: str) -> Iterator[Path]:
    folder.mkdir()
    mount("-t", "tmpfs", "-o", f"size={size}", "plait-test", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_ends_in_one_line_and_a_larger_one_goes_on(corpus, reference, tmp_path):
    with tmpfs(tmp_path / "disk", "32k") as disk:
        output = disk / "out"
        job = corpus.job(str(output), ALONE, name="full")
        done = plait_run(job, tmp_path / "log")
        assert done.code == 1, done.output
        assert "No space left on device" in done.output
        assert len(done.error_lines) == 1
        assert "Traceback" not in done.output
        assert [name for name in leftovers(output) if "partial" in name] == []
        mount("-o", "remount,size=64m", str(disk))
        plait_here(job)
        check(output, reference)


def test_a_read_only_output_is_the_users_to_mend(corpus, tmp_path):
    with tmpfs(tmp_path / "disk", "4m") as disk:
        output = disk / "out"
        output.mkdir()
        mount("-o", "remount,ro", str(disk))
        done = plait_run(corpus.job(str(output), ALONE, name="read-only"), tmp_path / "log")
    assert done.code == 2, done.output
    assert [line.partition(": ")[2][:15] for line in done.error_lines] == ["cannot write to"]
    assert "Read-only file system" in done.output
    assert "Traceback" not in done.output
