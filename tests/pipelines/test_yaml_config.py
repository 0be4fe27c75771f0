"""A wrong job file ends in one line that names the key and the nearest right one."""

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipelines.yaml_config import parse_override, read_yaml, validate
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


class Lamp(Forbid):
    kind: Literal["lamp"]
    pools: dict[str, Store] = Field(default_factory=dict)
    table: str | bool | int = ""
    sizes: tuple[int, ...] = ()

    @model_validator(mode="after")
    def _few(self) -> "Lamp":
        if len(self.sizes) > 3:
            raise ValueError("sizes are three at most")
        return self


class JobFile(Forbid):
    output: str
    ingest: Annotated[Table | Folder, Field(discriminator="kind")]
    lamp: Annotated[Table | Lamp, Field(discriminator="kind")] | None = None
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
        ({**GOOD, "zzz": 1}, "job.yaml: zzz: unknown key; known keys: output, ingest, lamp, store"),
        ({**GOOD, "store": 4}, "job.yaml: store: expected a section of keys: shards (given: '4')"),
        (
            {**GOOD, "lamp": {"kind": "lamp", "pools": {"a": {"shard": 1}}}},
            "job.yaml: lamp.pools.a.shard: unknown key; did you mean shards?",
        ),
        (
            {**GOOD, "lamp": {"kind": "lamp", "pools": 3}},
            "job.yaml: lamp.pools: expected a section of names and values (given: '3')",
        ),
        ({**GOOD, "lamp": {"kind": "lamp", "sizes": 3}}, "job.yaml: lamp.sizes: expected a list (given: '3')"),
        (
            {**GOOD, "lamp": {"kind": "lamp", "sizes": [[]]}},
            "job.yaml: lamp.sizes.0: input should be a valid integer (given: '[]')",
        ),
        ({**GOOD, "lamp": {"kind": "lamp", "sizes": [1, 2, 3, 4]}}, "job.yaml: lamp: sizes are three at most"),
        (
            {**GOOD, "lamp": {"kind": "lamp", "table": [1]}},
            "job.yaml: lamp.table: input should be a valid string (given: '[1]'); and 2 more",
        ),
        ({**GOOD, "lamp": {"kind": "table"}}, "job.yaml: lamp.path: field required"),
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


@pytest.mark.parametrize(
    ("ingest", "line"),
    [
        ({"kind": "tabel", "path": "p"}, "ingest.kind: expected table or folder (given: 'tabel'); did you mean table?"),
        ({"kind": 3, "path": "p"}, "ingest.kind: expected table or folder (given: '3')"),
        ({"path": "p"}, "ingest.kind: field required; choose table or folder"),
        ("p", "ingest: expected a section with a kind: table or folder (given: 'p')"),
        (None, "ingest: expected a section with a kind: table or folder (given: nothing)"),
    ],
)
def test_a_choice_of_sections_names_its_key_and_the_kinds_there_are(ingest, line):
    with pytest.raises(UserError) as error:
        validate(JobFile, {**GOOD, "ingest": ingest}, where="job.yaml")
    assert str(error.value) == f"job.yaml: {line}"


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


@pytest.mark.parametrize(
    ("content", "key", "line", "first"),
    [
        ("output: a\nseed: 1\noutput: b\n", "output", 3, 1),
        ("store:\n  shards: 2\n  'shards': 3\n", "shards", 3, 2),
        ("ingest:\n- {kind: table, path: a}\n- {kind: table, path: b, path: c}\n", "path", 3, 3),
    ],
)
def test_a_key_that_stands_twice_is_refused_with_both_lines(tmp_path, content, key, line, first):
    path = tmp_path / "job.yaml"
    path.write_text(content)
    with pytest.raises(UserError) as error:
        read_yaml(path)
    said = f"the key {key} stands twice in one mapping; it is also in line {first}"
    assert str(error.value) == f"{path}: not valid YAML in line {line}: {said}"


def test_a_key_that_stands_twice_in_an_override_is_refused():
    with pytest.raises(UserError, match="the key a stands twice"):
        parse_override("text={a: 1, a: 2}")


def test_a_merged_mapping_may_be_overridden(tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text("a: {b: &base {x: 1, y: 2}}\nc: &more {<<: *base, y: 3}\nd: {<<: *more, y: 4}\n")
    assert read_yaml(path) == {"a": {"b": {"x": 1, "y": 2}}, "c": {"x": 1, "y": 3}, "d": {"x": 1, "y": 4}}
