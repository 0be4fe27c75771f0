"""The keys of a section as a person reads them: name, type, default and meaning, from its fields and docstrings."""

import inspect
import re
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pipelines.annotations import either, is_section

_WORDS = {str: "text", int: "whole number", float: "number", bool: "`true` or `false`", type(None): "`null`"}
_BOUNDS = {"ge": "from", "gt": "above", "le": "to", "lt": "below", "multiple_of": "in multiples of"}
_LONGEST_DEFAULT = 90
_ENTRY = re.compile(r"^ {4}(\w+(?:, \w+)*):(?: +(.*))?$")

Link = Callable[[str, Sequence[type[BaseModel]]], str]
"""How a key's type names the sections that may stand there: key and sections to Markdown."""


@dataclass(frozen=True, slots=True)
class Key:
    """A row of the reference; all but the name are Markdown."""

    name: str
    type: str
    default: str
    meaning: str


def keys_of(model: type[BaseModel], link: Link, choices: Callable[[str, FieldInfo], Any]) -> list[Key]:
    """The keys of a section but its ``kind``.

    Args:
        model: The section.
        link: See ``Link``.
        choices: The annotation and default of a field; backends are known by the registry alone.

    Raises:
        LookupError: A key has no description.
    """
    described = descriptions(model)
    found = []
    for name, field in model.model_fields.items():
        if name == "kind":
            continue
        annotation, default = choices(name, field)
        text = described.get(name)
        if not text:
            raise LookupError(f"{model.__name__}.{name} has no description: write one in its docstring's Args")
        found.append(Key(name, _type(annotation, field.metadata, partial(link, name)), default, markdown(text)))
    return found


def descriptions(model: type[BaseModel]) -> dict[str, str]:
    """What the docstrings of a section and of its bases say of its keys; the nearest counts.

    Raises:
        LookupError: One of them describes a key that the section lacks.
    """
    found: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        if not issubclass(cls, BaseModel) or cls is BaseModel:
            continue
        own = _entries(cls)
        for name in own.keys() - model.model_fields.keys():
            raise LookupError(f"{cls.__name__} describes {name}, which is no key of it")
        found |= own
    return found


def prose(model: type[BaseModel]) -> str:
    """A section's own docstring up to its Args, as Markdown paragraphs."""
    paragraphs = _doc(model).split("\nArgs:")[0].split("\n\n")
    return "\n\n".join(markdown(paragraph) for paragraph in paragraphs if paragraph.strip())


def markdown(text: str) -> str:
    """Literals of reStructuredText as those of Markdown; a sentence ends in a full stop."""
    text = " ".join(text.split()).replace("``", "`")
    text = text[0].upper() + text[1:]
    return text if text[-1] in ".?!" else f"{text}."


def shown(value: Any) -> str:
    """A default as it is written in YAML; blank for a section's, which its own keys say."""
    if isinstance(value, BaseModel):
        return ""
    if isinstance(value, list | tuple) and value and isinstance(value[0], BaseModel):
        return "see there"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e6:
        value = int(value)
    plain = list(value) if isinstance(value, tuple) else value
    text = yaml.safe_dump(plain, default_flow_style=True, width=1000, sort_keys=False).removesuffix("...\n").strip()
    return f"`{text}`" if len(text) <= _LONGEST_DEFAULT else "calibrated"


def _doc(cls: type[BaseModel]) -> str:
    return inspect.cleandoc(cls.__dict__.get("__doc__") or "")


def _entries(cls: type[BaseModel]) -> dict[str, str]:
    _, _, body = _doc(cls).partition("\nArgs:\n")
    found: dict[str, str] = {}
    names: list[str] = []
    for line in body.splitlines():
        entry = _ENTRY.match(line)
        if entry:
            names = entry[1].split(", ")
            found |= dict.fromkeys(names, entry[2] or "")
        elif line and not line.startswith(" "):
            break
        else:
            found |= {name: f"{found[name]} {line.strip()}".strip() for name in names}
    return found


def _type(annotation: Any, metadata: Sequence[Any], section: Callable[[Sequence[type[BaseModel]]], str]) -> str:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        own = [bound for extra in annotation.__metadata__ for bound in getattr(extra, "metadata", [extra])]
        return _type(args[0], [*metadata, *own], section)
    if origin is Literal:
        return either(list(map(shown, args)))
    if origin in (Union, types.UnionType):
        models = [member for member in args if is_section(member)]
        found = [section(models)] if models else []
        for member in args:
            if get_origin(member) is Literal:
                found += map(shown, get_args(member))
            elif member not in models:
                found.append(_type(member, metadata, section))
        return either(list(dict.fromkeys(found)))
    if origin in (list, tuple):
        inner = _type(args[0], (), section)
        count = "" if origin is list or args[-1] is ... else f"{len(args)} "
        return f"list of {count}{_plural(inner)}"
    if origin is dict:
        return "mapping" if args[1] is Any else f"mapping of names to {_plural(_type(args[1], (), section))}"
    if is_section(annotation):
        return section([annotation])
    return _WORDS[annotation] + ("" if annotation is type(None) else _bounds(metadata))


def _plural(text: str) -> str:
    return re.sub(r"^(text|whole number|number|\[section(?=\]))", r"\1s", text)


def _bounds(metadata: Sequence[Any]) -> str:
    said = [
        f" {word} {limit:,g}"
        for name, word in _BOUNDS.items()
        for bound in metadata
        if (limit := getattr(bound, name, None)) is not None
    ]
    return "".join(said).replace(" below", " and below" if len(said) > 1 else " below")
