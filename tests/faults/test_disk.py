"""Disks that are full or cannot be written, for real: a small tmpfs, and the same mounted read-only."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipelines.train.config import TrainConfig
from pipelines.train.loop import LOG_FILE, train
from schemas.errors import EngineError
from tests.faults.conftest import ALONE
from tests.faults.harness import check, leftovers, plait_here, plait_run
from tests.toy_corpus import write_toy_run


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


def test_a_training_on_a_full_disk_ends_in_one_line_keeps_what_stands_and_goes_on(tmp_path):
    write_toy_run(tmp_path / "run")
    settings = {
        "corpus": str(tmp_path / "run"),
        "model": {"kind": "llama", "hidden_size": 32, "intermediate_size": 64, "layers": 1, "heads": 2, "kv_heads": 1},
        "data": {"context": 128, "sequences": 2},
        "steps": 6,
        "checkpoint_every": 2,
        "device": "cpu",
        "threads": 1,
    }
    whole = TrainConfig.model_validate({**settings, "output": str(tmp_path / "whole")})
    train(whole)
    with tmpfs(tmp_path / "disk", "64m") as disk:
        output = disk / "model"
        config = whole.model_copy(update={"output": str(output)})

        def fill(step, total, loss, rate):
            if step == 3:
                used = sum(path.stat().st_blocks * 512 for path in disk.rglob("*"))
                mount("-o", f"remount,size={used + 100_000}", str(disk))

        with pytest.raises(EngineError, match=r"cannot write .*; what is finished is kept, make room and run again"):
            train(config, say=fill)
        assert [path.name for path in (output / "checkpoints").iterdir()] == ["step-00000002"]
        with pytest.raises(EngineError, match="cannot write"):
            train(config)
        assert len((output / LOG_FILE).read_text().splitlines()) >= 2
        mount("-o", "remount,size=64m", str(disk))
        assert train(config)["finished"]
        for name in (LOG_FILE, "model.safetensors"):
            assert (output / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


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
