"""What opts out leaves the shards, the baked shards and later runs, and the accounts still hold."""

import shutil
from pathlib import Path

import pytest

from pipelines import optout
from pipelines.optout import opt_out
from pipelines.run import run
from pipelines.run_folder import RunFolder
from pipelines.store import ShardSet
from pipelines.verify import read_dropped, verify
from schemas.errors import UserError
from tests.pipelines.conftest import job
from tests.pipelines.test_run import digests

GONE = "queue-thankyou"


@pytest.fixture
def finished(small_corpus, tmp_path) -> Path:
    """A copy of the finished run, beside the tables that it was made from."""
    shutil.copytree(small_corpus / "out", tmp_path / "out")
    shutil.copy(small_corpus / "corpus.tsv", tmp_path)
    return tmp_path


def holds(output: Path, utterance_id: str) -> bool:
    """Whether an utterance's text or key is anywhere in the shards."""
    return any(utterance_id.encode() in path.read_bytes() for path in output.rglob("*.tar"))


def test_only_the_shards_that_hold_it_are_written_anew(finished):
    out = finished / "out"
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.tar")}
    assert holds(out, GONE)
    done = opt_out(str(out), [GONE, "nobody"])
    assert (done.removed, done.shards, done.unknown) == (1, 1, ("nobody",))
    assert not holds(out, GONE)
    changed = {path.name for path, at in before.items() if path.stat().st_mtime_ns != at}
    assert len(changed) == 1
    assert list(verify(str(out))) == []
    letter = next(letter for letter in read_dropped(str(out / "dropped.parquet")) if letter.utterance_id == GONE)
    assert (letter.code, letter.outcome, letter.audio) == ("opted_out", "filtered", "")


def test_a_later_run_keeps_it_out_and_does_nothing_else(finished, capsys):
    opt_out(str(finished / "out"), [GONE])
    after = digests(finished / "out")
    run(job(finished, output="out"))
    assert "3 of 3 shards stand already" in capsys.readouterr().out
    assert digests(finished / "out") == after


def test_the_shards_are_those_of_a_run_that_never_held_it(finished):
    opt_out(str(finished / "out"), [GONE])
    (finished / "fresh").mkdir()
    shutil.copy(finished / "out/opted-out.txt", finished / "fresh")
    shutil.copytree(finished / "out/tokenizer", finished / "fresh/tokenizer")
    run(job(finished, output="fresh"))
    assert digests(finished / "fresh") == digests(finished / "out")


def test_a_dead_letter_of_it_loses_its_content(finished):
    opt_out(str(finished / "out"), ["bad-swapped"])
    letters = {letter.utterance_id: letter for letter in read_dropped(str(finished / "out/dropped.parquet"))}
    assert (letters["bad-swapped"].code, letters["bad-swapped"].audio) == ("opted_out", "")
    assert list(verify(str(finished / "out"))) == []


@pytest.mark.parametrize("step", ["write_commit", "copy", "assemble_manifest", "bake"])
@pytest.mark.parametrize("finish", ["optout", "run"])
def test_killed_anywhere_it_is_finished_by_the_same_command_or_a_run(finished, monkeypatch, step, finish):
    class Killed(BaseException):
        pass

    def killed(*_args: object, **_options: object) -> None:
        raise Killed

    out = finished / "out"
    with monkeypatch.context() as patch:
        patch.setattr(optout, step, killed)
        with pytest.raises(Killed):
            opt_out(str(out), [GONE])
    if finish == "optout":
        opt_out(str(out), [GONE])
    else:
        run(job(finished, output="out"))
    assert not holds(out, GONE)
    assert list(verify(str(out))) == []
    assert GONE not in {record.utterance_id for record in ShardSet(RunFolder(str(out)).corpus).utterances()}


@pytest.mark.parametrize("rerun", [True, False])
def test_an_epoch_that_the_job_no_longer_names_keeps_nobody(finished, rerun):
    out = finished / "out"
    config = job(finished, output="out", overrides=("interleave.epochs=1",))
    if rerun:
        run(config)
    else:  # a folder that an interrupted rerun left
        (out / "run.yaml").write_text(config.to_yaml())
        opt_out(str(out), ["nobody"])
    assert [path.name for path in (out / "interleaved").iterdir()] == ["epoch-0"]
    opt_out(str(out), [GONE])
    assert not holds(out, GONE)
    assert list(verify(str(out))) == []


def test_blanks_around_an_id_are_no_part_of_it(finished):
    opt_out(str(finished / "out"), [f" {GONE}  "])
    assert not holds(finished / "out", GONE)


def test_a_folder_may_be_named_like_a_date(finished, monkeypatch):
    (finished / "out").rename(finished / "2024-11-22")
    monkeypatch.chdir(finished)
    opt_out("2024-11-22", [GONE])
    assert not holds(finished / "2024-11-22", GONE)
    assert list(verify("2024-11-22")) == []


def test_without_its_job_no_shard_is_touched(finished):
    out = finished / "out"
    (out / "run.yaml").unlink()
    before = digests(out)
    with pytest.raises(UserError, match=r"run\.yaml"):
        opt_out(str(out), [GONE])
    assert digests(out) == before
    assert not (out / "opted-out.txt").exists()


def test_no_ids_and_no_run_are_the_users_to_mend(tmp_path, finished):
    with pytest.raises(UserError, match="no ids"):
        opt_out(str(finished / "out"), [])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="is the run finished"):
        opt_out(str(tmp_path / "empty"), ["a"])
