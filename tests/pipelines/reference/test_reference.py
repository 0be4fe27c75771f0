"""The reference of all keys is what the sections say, and says it of every key."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import pytest
from pydantic import Field, PositiveFloat

from pipelines.evaluate.registry import SUITES, suite_named
from pipelines.fit.kinds import FITS, FitWhat
from pipelines.reference.keys import Key, descriptions, keys_of, prose
from pipelines.reference.page import choices, slug, write
from pipelines.yaml_config import Section
from transforms.registry import BACKENDS

PAGE = Path("docs/jobs.md")


class Lamp(Section):
    """A lamp.

    It has ``watts``.

    Args:
        watts: what it takes
        hue, glare: Of the light,
            in any case.
    """

    kind: Literal["lamp"] = "lamp"
    watts: PositiveFloat = 60.0
    hue: Annotated[int, Field(ge=0)] | None = None
    glare: tuple[int, int] = (1, 2)


class Shelf(Section):
    """A shelf.

    Args:
        lamps: On it.
        name: ``a`` | ``b``.
    """

    lamps: tuple[Lamp, ...]
    name: Literal["off", "on"] | str | None = "off"


def rows(model: type[Section]) -> list[Key]:
    return keys_of(model, lambda name, models: f"[section](#{name}-{len(models)})", choices)


def test_the_page_is_what_the_sections_say():
    assert PAGE.read_text(encoding="utf-8") == write(), "run: python -m pipelines.reference > docs/jobs.md"


def test_every_link_of_the_page_has_its_one_heading():
    page = PAGE.read_text(encoding="utf-8")
    anchors = [slug(title) for title in re.findall(r"^#+ (.+)$", page, re.MULTILINE)]
    assert len(set(anchors)) == len(anchors)
    assert set(re.findall(r"\]\(#([^)]+)\)", page)) <= set(anchors)


def test_every_fit_and_every_backend_of_a_job_is_there():
    page = PAGE.read_text(encoding="utf-8")
    assert tuple(FITS) == get_args(FitWhat)
    for role in ("align", "units", "style"):
        for kind in BACKENDS[role]:
            assert f"\n#### `{role}`, `kind: {kind}`\n" in page


def test_every_suite_has_its_keys_under_one_heading():
    parts = {part.splitlines()[0]: part for part in PAGE.read_text(encoding="utf-8").split("\n## ")}
    for name in SUITES:
        (heading,) = [title for title in parts if title.startswith("`plait evaluate --set`") and f"`{name}`" in title]
        for key in suite_named(name).settings.model_fields:
            assert f"\n| `{key}` | " in parts[heading]


def test_the_page_speaks_no_pydantic():
    assert not re.search(r"Annotated|NoneType|typing|Literal|pydantic|PositiveInt|BackendConfig", PAGE.read_text())


def test_keys_as_a_person_reads_them():
    assert prose(Lamp) == "A lamp.\n\nIt has `watts`."
    assert rows(Lamp) == [
        Key("watts", "number above 0", "`60`", "What it takes."),
        Key("hue", "whole number from 0 or `null`", "`null`", "Of the light, in any case."),
        Key("glare", "list of 2 whole numbers", "`[1, 2]`", "Of the light, in any case."),
    ]
    assert rows(Shelf) == [
        Key("lamps", "list of [sections](#lamps-1)", "*required*", "On it."),
        Key("name", "`'off'`, `'on'`, text or `null`", "`'off'`", "`a` | `b`."),
    ]


def test_a_key_without_a_description_is_refused():
    class Bare(Section):
        """Bare."""

        size: int = 1

    with pytest.raises(LookupError, match=r"Bare\.size has no description"):
        rows(Bare)


def test_a_description_without_its_key_is_refused():
    class Stale(Section):
        """Stale.

        Args:
            gone: Once was.
        """

        here: dict[str, Any] = Field(default_factory=dict)

    with pytest.raises(LookupError, match="Stale describes gone"):
        descriptions(Stale)
