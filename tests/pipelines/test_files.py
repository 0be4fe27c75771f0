"""Files and folders by URL, in a bucket behind a real HTTP server."""

import tempfile
from functools import partial
from pathlib import Path

import pytest

from pipelines.files import exists, names_in, read_text, remove, write_text
from schemas.errors import EngineError
from tests.faults.store_server import BUCKET


@pytest.mark.parametrize("mine", ["exp[12]", "exp*", "exp?", "exp[!3]"])
def test_a_name_with_marks_of_a_pattern_is_that_name_alone(bucket, mine):
    folder = f"s3://{BUCKET}/{mine}"
    others = [f"{run}/{file}" for run in ("exp1", "exp2") for file in ("manifest.json", ".work/rows")]
    for key in others:
        bucket.put(key, b"another run's")
    for file in ("manifest.json", ".work/rows", ".work/parts/a*", ".work/parts/ab"):
        write_text(f"{folder}/{file}", "mine")
    remove(f"{folder}/manifest.json")
    remove(f"{folder}/.work/parts/a*")
    assert bucket.keys(f"{mine}/") == [f"{mine}/.work/parts/ab", f"{mine}/.work/rows"]
    assert names_in(f"{folder}/.work") == ["parts", "rows"]
    assert read_text(f"{folder}/.work/rows") == "mine"
    remove(f"{folder}/.work")
    remove(f"{folder}/.work")  # there is none
    assert not exists(f"{folder}/.work")
    assert bucket.keys(f"{mine}/") == []
    assert {key for key in bucket.keys("exp") if key in others} == set(others)


def test_a_full_temporary_disk_is_one_line_that_names_it(bucket, monkeypatch):
    full = partial(Path("/dev/full").open, "wb", buffering=0)
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", lambda prefix: full())
    with pytest.raises(EngineError) as told:
        write_text(f"s3://{BUCKET}/full", "words")
    said = f"No space left on device in {tempfile.gettempdir()}, which holds it until it is whole"
    assert str(told.value) == f"cannot write s3://{BUCKET}/full: {said}; set TMPDIR to a larger disk"
    assert bucket.keys("full") == []
