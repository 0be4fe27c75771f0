"""What the type of a key says: which sections, kinds and values may stand there."""

import types
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel


def members(annotation: Any) -> Iterator[Any]:
    """The types in an annotation, out of unions, lists and tuples."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from members(get_args(annotation)[0])
    elif origin in (Union, types.UnionType, list, tuple):
        for member in get_args(annotation):
            yield from members(member)
    else:
        yield annotation


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """The sections that may stand there."""
    found = dict.fromkeys(members(annotation))  # one that may stand alone or in a list is found twice
    return [member for member in found if is_section(member)]


def is_section(member: Any) -> bool:
    return isinstance(member, type) and issubclass(member, BaseModel)


def kind_of(model: type[BaseModel]) -> str | None:
    """What a section's ``kind`` must be; None where it has none, or any."""
    field = model.model_fields.get("kind")
    if field is None or get_origin(field.annotation) is not Literal:
        return None
    return str(get_args(field.annotation)[0])


def under(annotation: Any, key: str) -> Any:
    """The annotation of a key's value in the first section, or of any value in a mapping; else None."""
    for member in members(annotation):
        if get_origin(member) is dict:
            return get_args(member)[1]
        if is_section(member):
            field = member.model_fields.get(key)
            return field.annotation if field else None
    return None


def either(parts: Sequence[str]) -> str:
    """``a, b or c``."""
    return f"{', '.join(parts[:-1])} or {parts[-1]}" if len(parts) > 1 else "".join(parts)
