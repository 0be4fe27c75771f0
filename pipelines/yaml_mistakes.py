"""A validation's first mistake as one line: the key's path, what is wrong, and what may stand there."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, get_origin

from pydantic import BaseModel, ValidationError

from pipelines.annotations import either, kind_of, members, models_in, under

TAG = "/"
"""What the tags of a union begin with that no key of a job file names."""
_NO_SECTION = ("model_type", "model_attributes_type", "dict_type")
_NO_KIND = ("union_tag_not_found", "union_tag_invalid")
_KEYS_SHOWN = 6


def explain(error: ValidationError, model: type[BaseModel], *, section: str = "") -> str:
    """The first mistake; ``section`` is the key path of the model."""
    first: Any = error.errors()[0]
    names, parent, annotation = _locate(first["loc"], model)
    if first["type"] in _NO_KIND:
        names.append("kind")
    key = ".".join([section, *names] if section else names) or "job"
    if first["type"] == "extra_forbidden":
        known = [name for candidate in models_in(parent)[:1] for name in candidate.model_fields]
        near = get_close_matches(names[-1], known, n=1, cutoff=0.5)
        return f"{key}: unknown key; {f'did you mean {near[0]}?' if near else 'known keys: ' + ', '.join(known)}"
    more = f"; and {error.error_count() - 1} more" if error.error_count() > 1 else ""
    return f"{key}: {_message(first, annotation)}{more}"


def _locate(loc: Sequence[str | int], model: type[BaseModel]) -> tuple[list[str], Any, Any]:
    """The keys as the user wrote them, and the annotations of the section and of the value at the end."""
    names: list[str] = []
    parent: Any = None
    current: Any = model
    for element in loc:
        if str(element).startswith(TAG):
            continue
        if isinstance(element, int):
            names.append(str(element))
            continue
        models = models_in(current)
        tagged = [m for m in models if element in (kind_of(m), m.__name__)] if len(models) > 1 else []
        if tagged:  # pydantic names the member of a union that it took
            current = tagged[0]
        elif models or any(get_origin(member) is dict for member in members(current)):
            names.append(element)
            parent, current = current, under(current, element)
    return names, parent, current


def _message(first: Any, annotation: Any) -> str:
    sections = models_in(annotation)
    kinds = [kind for kind in map(kind_of, sections) if kind is not None]
    given = first["input"]
    shown = f" (given: {'nothing' if given is None else repr(str(given)[:60])})"
    if first["type"] == "union_tag_not_found":
        return f"field required; choose {either(kinds)}"
    if first["type"] == "union_tag_invalid":
        kind = given.get("kind")
        near = get_close_matches(str(kind), kinds, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        return f"expected {either(kinds)} (given: {str(kind)!r}){hint}"
    if first["type"] in _NO_SECTION:
        if len(kinds) > 1:
            return f"expected a section with a kind: {either(kinds)}{shown}"
        keys = list(sections[0].model_fields) if sections else []
        some = ", ".join(keys[:_KEYS_SHOWN]) + (", ..." if len(keys) > _KEYS_SHOWN else "")
        return f"expected a section of {f'keys: {some}' if some else 'names and values'}{shown}"
    if first["type"] in ("tuple_type", "list_type"):
        return f"expected a list{shown}"
    message = str(first["msg"]).removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    return message if first["type"] == "missing" or isinstance(given, dict) else f"{message}{shown}"
