"""Job files: YAML to typed configs. A mistake is one line that names the key and the nearest right one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from pipelines.files import read_text
from pipelines.yaml_mistakes import explain
from schemas.errors import UserError

M = TypeVar("M", bound=BaseModel)


class Section(BaseModel):
    """A part of a job file or a template: unknown keys are refused, and nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _names_a_folder(url: str) -> str:
    if not url.rstrip("/") or url.rstrip("/").endswith(":"):
        raise ValueError("names no folder; write one such as out/run or s3://bucket/run")
    return url


OutputFolder = Annotated[str, AfterValidator(_names_a_folder)]
"""A folder to write to; ``/`` and a protocol alone are none."""


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice in one mapping, of which PyYAML takes the last."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            name = (key.tag, str(key.value))
            if name in seen:
                problem = f"the key {key.value} stands twice in one mapping; it is also in line {seen[name]}"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen[name] = key.start_mark.line + 1
        return node


def read_yaml(path: str | Path, *, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """A job file with ``key.path=value`` overrides applied; values are read as YAML.

    Raises:
        UserError: The file is missing or no mapping, or an override is malformed.
    """
    try:
        data = _parse(read_text(str(path)), where=str(path))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}; give the path of a job file") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(data, dict):
        raise UserError(f"{path}: a job file is a mapping of keys to values")
    for override in overrides:
        key, value = parse_override(override)
        _assign(data, key.split("."), value, override)
    return data


def _parse(text: str, *, where: str) -> Any:
    """Raises: UserError: One line with the file and the line in it."""
    try:
        return _Loader(text).get_single_data()
    except yaml.MarkedYAMLError as error:
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UserError(f"{where}: not valid YAML{line}: {error.problem}") from error
    except yaml.YAMLError as error:
        raise UserError(f"{where}: not valid YAML: {' '.join(str(error).split())}") from error


def parse_override(override: str) -> tuple[str, Any]:
    """Key and YAML value of ``key=value``.

    Raises:
        UserError: It is malformed.
    """
    key, separator, value = override.partition("=")
    if not separator or not key:
        raise UserError(f"--set {override}: expected key=value, for example --set output=out/run")
    return key, _parse(value, where=f"--set {override}")


def _assign(data: dict[str, Any], keys: Sequence[str], value: Any, override: str) -> None:
    for key in keys[:-1]:
        section = data.setdefault(key, {})
        if not isinstance(section, dict):
            raise UserError(f"--set {override}: {key} is not a section")
        data = section
    data[keys[-1]] = value


def validate(model: type[M], data: Any, *, where: str, section: str = "") -> M:
    """Build a config; ``section`` is its key path in the file ``where``.

    Raises:
        UserError: One line naming the first wrong key, with the nearest right one.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise UserError(f"{where}: {explain(error, model, section=section)}") from error
