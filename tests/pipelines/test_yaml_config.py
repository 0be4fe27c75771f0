"""A wrong job file ends in one line that names the key and the nearest right one."""

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from pipelines.yaml_config import read_yaml, validate
from schemas.errors import UserError


class Forbid(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Table(Forbid):
    kind: Literal["table"]
    path: str
    text_column: str = "text"


class Folder(Forbid):
    kind: Literal["folder"]
    path: str


class Store(Forbid):
    shards: int = Field(default=1, ge=1)


class JobFile(Forbid):
    output: str
    ingest: Annotated[Table | Folder, Field(discriminator="kind")]
    store: Store = Store()


GOOD = {"output": "o", "ingest": {"kind": "table", "path": "p"}}


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ({**GOOD, "outptu": "x"}, "job.yaml: outptu: unknown key; did you mean output?"),
        ({**GOOD, "store": {"shard": 2}}, "job.yaml: store.shard: unknown key; did you mean shards?"),
        (
            {**GOOD, "ingest": {"kind": "table", "path": "p", "text_colum": "t"}},
            "job.yaml: ingest.text_colum: unknown key; did you mean text_column?",
        ),
        ({**GOOD, "zzz": 1}, "job.yaml: zzz: unknown key; known keys: output, ingest, store"),
        ({"ingest": GOOD["ingest"]}, "job.yaml: output: field required"),
        (
            {**GOOD, "store": {"shards": 0}},
            "job.yaml: store.shards: input should be greater than or equal to 1 (given: '0')",
        ),
    ],
)
def test_the_first_mistake_in_one_line(data, line):
    with pytest.raises(UserError) as error:
        validate(JobFile, data, where="job.yaml")
    assert str(error.value) == line


def test_an_unknown_kind_names_the_kinds_there_are():
    with pytest.raises(UserError, match=r"ingest.*'table', 'folder'"):
        validate(JobFile, {**GOOD, "ingest": {"kind": "tabel", "path": "p"}}, where="job.yaml")


def test_overrides_are_yaml_and_make_sections(tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text("output: a\nstore: {shards: 2}\n")
    data = read_yaml(path, overrides=["output=b", "store.shards=5", "text.words=[1, 2]"])
    assert data == {"output": "b", "store": {"shards": 5}, "text": {"words": [1, 2]}}


@pytest.mark.parametrize("override", ["output", "=x", "output.a=1"])
def test_a_malformed_override_is_refused(tmp_path, override):
    path = tmp_path / "job.yaml"
    path.write_text("output: a\n")
    with pytest.raises(UserError, match="--set"):
        read_yaml(path, overrides=[override])


@pytest.mark.parametrize("content", [b"- a\n- b\n", b"a: [", b"\xff\xfe\x00"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path, content):
    path = tmp_path / "job.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"job\.yaml"):
        read_yaml(path)
