"""The command line: one clear line, the right exit code, nothing half done."""

import os
import shutil
import socket
import subprocess
import sys

import fsspec
import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.config import load_run
from pipelines.files import make_folder
from schemas.errors import UserError
from tests.pipelines.conftest import JOB, write_table


def plait(*args: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(args))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def job_file(tmp_path):
    write_table(tmp_path / "corpus.tsv", ("hello-world",), {})
    path = tmp_path / "job.yaml"
    path.write_text(JOB.format(output=tmp_path / "out", table=tmp_path / "corpus.tsv"))
    return path


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("ingset.path=x", "ingset: unknown key; did you mean ingest?"),
        ("align.scal=3", "align.scal: unknown key; did you mean scale?"),
        (
            "units.kind=wisper",
            "units.kind: no backend named 'wisper' (there are: whisper, hubert); did you mean whisper?",
        ),
        ("ingest.path=nowhere.tsv", "nowhere.tsv"),
        ("units.codebook=nowhere.npz", "nowhere.npz"),
        ("output=/proc/plait/out", "cannot write to /proc/plait/out"),
        ("output=s3://", "output: names no folder; write one such as out/run or s3://bucket/run (given: 's3://')"),
        ("output=''", "output: names no folder"),
        ("output=/", "output: names no folder"),
        ("ingest={kind: folder, path: 's3://'}", "ingest.path: s3:// names no bucket; write s3://BUCKET/PATH"),
        ("output=nosuch://out", "nosuch://out: Protocol not known: nosuch"),
        ("store.shards=0", "store.shards: input should be greater than or equal to 1"),
        ("text.path=nowhere", "nowhere"),
        ("text=[1", "--set text=[1: not valid YAML"),
        ("align.kind=3", "align.kind: expected the name of a backend (given: 3)"),
        ("align.kind=[1]", "align.kind: expected the name of a backend (given: [1])"),
        ("max_duration_s=.inf", "max_duration_s: input should be a finite number"),
        ("ingest.include_ids=/tmp", "ingest.include_ids: cannot read /tmp"),
        ("metrics.prometheus_file=/proc/nowhere/x.prom", "metrics.prometheus_file: no folder for /proc/nowhere/x.prom"),
    ],
)
def test_a_users_mistake_is_one_line_and_exit_code_2(job_file, override, message):
    code, _, stderr = plait("run", str(job_file), "--set", override)
    assert code == 2
    assert message in stderr
    assert stderr.startswith("plait: ")
    assert stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["run", "plan"])
def test_a_store_that_knows_no_credentials_is_one_line(job_file, monkeypatch, command):
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    fsspec.filesystem("s3").clear_instance_cache()
    code, _, stderr = plait(command, str(job_file), "--set", "ingest.path=s3://bucket/t.tsv")
    fsspec.filesystem("s3").clear_instance_cache()
    assert code == 1
    assert stderr.startswith("plait: ingest.path: cannot reach s3://bucket/t.tsv: Unable to locate credentials")
    assert stderr.count("\n") == 1


@pytest.mark.parametrize("kind", ["local", "beam", "ray"])
def test_another_engine_takes_the_workers_and_drops_the_keys_that_it_has_not(kind):
    own = load_run("jobs/ray/corpus.yaml").engine
    engine = load_run("jobs/ray/corpus.yaml", engine=kind).engine
    assert (engine.kind, engine.workers) == (kind, 64)
    assert (engine == own) == (kind == "ray")


def test_a_port_in_use_is_one_line(job_file):
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        code, _, stderr = plait("run", str(job_file), "--set", f"metrics.prometheus_port={port}")
    assert (code, stderr.count("\n")) == (2, 1)
    assert f"metrics.prometheus_port: cannot serve at {port}: Address already in use" in stderr


def test_a_missing_job_file_is_one_line(tmp_path):
    code, _, stderr = plait("run", str(tmp_path / "none.yaml"))
    assert (code, stderr.count("\n")) == (2, 1)
    assert "No such file" in stderr


def test_debug_shows_the_traceback(job_file):
    result = CliRunner().invoke(app, ["run", str(job_file), "--set", "outptu=x", "--debug"])
    assert isinstance(result.exception, UserError)


def test_a_folder_without_write_permission_is_the_users_mistake(tmp_path):
    """In a child process that has given up its rights, since root may write anywhere."""
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o555)
    for parent in (tmp_path, *list(tmp_path.parents)[:3]):
        parent.chmod(parent.stat().st_mode | 0o055)
    child = os.fork()
    if child == 0:
        try:
            if os.getuid() == 0:
                os.setuid(65534)
            make_folder(str(folder))
            make_folder(str(folder / "out"))
        except UserError as error:
            os._exit(0 if "cannot write to" in str(error) else 3)
        except BaseException:  # the child must not return into the test runner
            os._exit(4)
        os._exit(5)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_verify_passes_and_names_the_shard_that_differs(small_corpus, tmp_path):
    assert plait("verify", str(small_corpus / "out"))[0] == 0
    shutil.copytree(small_corpus / "out", tmp_path / "out")
    shard = tmp_path / "out/corpus/shard-00002.tar"
    data = bytearray(shard.read_bytes())
    data[700] ^= 0x10
    shard.write_bytes(data)
    code, stdout, stderr = plait("verify", str(tmp_path / "out"))
    assert code == 1
    assert "corpus/shard-00002.tar: the bytes differ" in stdout
    assert stderr.count("\n") == 1


def test_verify_of_no_run_is_the_users_mistake(tmp_path):
    assert plait("verify", str(tmp_path))[0] == 2


def test_inspect_prints_a_readable_stream(small_corpus):
    found = ""
    for shard in sorted((small_corpus / "out/interleaved/epoch-0").glob("*.tar")):
        code, stdout, _ = plait("inspect", str(shard), "--limit", "20")
        assert code == 0
        found += stdout
    assert "[TEXT]" in found
    assert "[SPEECH]" in found
    assert "[Hu" in found


def test_inspect_of_one_key_prints_its_words(small_corpus):
    outputs = [
        plait("inspect", str(shard), "agent-alreadyon") for shard in sorted((small_corpus / "out/corpus").glob("*.tar"))
    ]
    codes = sorted(code for code, _, _ in outputs)
    assert codes == [0, 2, 2]
    (text,) = [stdout for code, stdout, _ in outputs if code == 0]
    assert "already" in text
    assert "[Hu" in text


def test_inspect_of_what_is_no_shard_of_the_run_is_one_line(small_corpus, tmp_path):
    shutil.copytree(small_corpus / "out/corpus", tmp_path / "corpus")
    shutil.copy(tmp_path / "corpus/shard-00001.tar", tmp_path / "corpus/copy.tar")
    for name, message in (("copy.tar", "knows no such shard"), ("manifest.json", "no shard; give the path of a .tar")):
        code, _, stderr = plait("inspect", str(tmp_path / "corpus" / name))
        assert (code, stderr.count("\n")) == (2, 1)
        assert message in stderr


def test_importing_transforms_pulls_in_no_torch():
    code = (
        "import sys, transforms.registry as r;"
        "[r.config_class(role, kind) for role in r.BACKENDS for kind in r.BACKENDS[role]];"
        "import transforms.streams, transforms.interleave, transforms.audio;"
        "sys.exit('torch' in sys.modules or 'ray' in sys.modules or 'apache_beam' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_a_terminal_cannot_show_is_escaped():
    script = "import pipelines.cli as cli; cli.app = lambda: print('naïve'); cli.main()"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    shown = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True)
    assert (shown.returncode, shown.stdout) == (0, b"na\\xefve\n")
