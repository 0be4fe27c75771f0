"""Job files: YAML to typed configs, and mistakes to one line that names the key and the nearest right one."""

import types
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from pipelines.files import read_text
from schemas.errors import UserError

TAG = "/"
"""What the tags of a union begin with that no key of a job file names."""

M = TypeVar("M", bound=BaseModel)


class Section(BaseModel):
    """A part of a job file or a template: unknown keys are refused, and nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def read_yaml(path: str | Path, *, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """A job file with ``key.path=value`` overrides applied; values are read as YAML.

    Raises:
        UserError: The file is missing or no mapping, or an override is malformed.
    """
    try:
        data = yaml.safe_load(read_text(str(path)))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}; give the path of a job file") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(data, dict):
        raise UserError(f"{path}: a job file is a mapping of keys to values")
    for override in overrides:
        key, value = parse_override(override)
        _assign(data, key.split("."), value, override)
    return data


def parse_override(override: str) -> tuple[str, Any]:
    """Key and YAML value of ``key=value``.

    Raises:
        UserError: It is malformed.
    """
    key, separator, value = override.partition("=")
    if not separator or not key:
        raise UserError(f"--set {override}: expected key=value, for example --set output=out/run")
    try:
        return key, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise UserError(f"--set {override}: not valid YAML: {' '.join(str(error).split())}") from error


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


def explain(error: ValidationError, model: type[BaseModel], *, section: str = "") -> str:
    """The first mistake of a validation, as one line."""
    first = error.errors()[0]
    current: type[BaseModel] | None = model
    names: list[str] = []
    known: Iterable[str] = ()
    for element in first["loc"]:
        if str(element).startswith(TAG):
            continue
        if isinstance(element, int):
            names.append(str(element))
            continue
        fields = _fields(current) if current else {}
        if isinstance(element, str) and element not in fields and current is not None:
            tagged = _tagged(model, names, element)
            if tagged is not None and element != first["loc"][-1]:
                current = tagged
                continue
        known = fields
        names.append(str(element))
        current = _model_in(fields.get(str(element)))
    key = ".".join([section, *names] if section else names)
    if first["type"] == "extra_forbidden":
        near = get_close_matches(names[-1], list(known), n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(known)}"
        return f"{key}: unknown key; {hint}"
    message = first["msg"].removeprefix("Value error, ")
    given = "" if first["type"] == "missing" else f" (given: {str(first['input'])[:60]!r})"
    more = f"; and {error.error_count() - 1} more" if error.error_count() > 1 else ""
    return f"{key or 'job'}: {message[0].lower()}{message[1:]}{given}{more}"


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    return {name: field.annotation for name, field in model.model_fields.items()}


def _members(annotation: Any) -> Iterable[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _members(get_args(annotation)[0])
    elif origin in (Union, types.UnionType, list):
        for member in get_args(annotation):
            yield from _members(member)
    else:
        yield annotation


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The one model in an annotation, or None where there is none or a choice."""
    models = [m for m in _members(annotation) if isinstance(m, type) and issubclass(m, BaseModel)]
    return models[0] if len(models) == 1 else models[0] if models else None


def _tagged(model: type[BaseModel], names: Sequence[str], tag: str) -> type[BaseModel] | None:
    """The member of a discriminated union that pydantic's location names by its tag."""
    annotation: Any = None
    current: type[BaseModel] | None = model
    for name in names:
        if name.isdigit():
            continue
        annotation = _fields(current).get(name) if current else None
        current = _model_in(annotation)
    for member in _members(annotation):
        if isinstance(member, type) and issubclass(member, BaseModel):
            kind = member.model_fields.get("kind")
            if kind is not None and tag in get_args(kind.annotation):
                return member
    return None
