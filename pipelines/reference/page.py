"""``python -m pipelines.reference > docs/jobs.md``: one table a section, in the order of a job."""

import re
from collections.abc import Collection, Sequence
from typing import Any, Union, cast

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pipelines.annotations import kind_of, members
from pipelines.backends import DEFAULT_KINDS
from pipelines.config import RunConfig
from pipelines.evaluate.registry import SUITES, suite_named
from pipelines.evaluate.suite import Settings
from pipelines.fit.job import FitJob
from pipelines.fit.kinds import FITS
from pipelines.infer.fewshot import FewShot
from pipelines.reference.keys import Key, keys_of, prose, shown
from pipelines.segment.run import SegmentConfig
from pipelines.train.config import TrainConfig
from transforms.backend import BackendConfig
from transforms.registry import BACKENDS, Role, config_class

_INTRODUCTION = """# The keys of a job

A job is one YAML file, and `--set key.path=value` overrides a key of it; values are read as YAML. A suite of
`plait evaluate` has no file, only `--set`. A key that is not listed here is refused, and so is one that stands twice.
A section that is left out has the defaults of its keys; *required* keys have none. Corpora and the output of a run may
lie in a bucket (`s3://`, `gs://`). Jobs to start from are in [`jobs/`](../jobs).

This page is written by `python -m pipelines.reference > docs/jobs.md` from the sections' own descriptions."""

_COLUMNS = "| key | type | default | meaning |\n|---|---|---|---|"


class Page:
    """Markdown that is written from the top; a section that was shown already is linked to."""

    def __init__(self) -> None:
        self._contents: list[str] = []
        self._blocks: list[str] = []
        self._anchors: dict[tuple[type[BaseModel], ...], str] = {}

    def text(self) -> str:
        return "\n\n".join([_INTRODUCTION, "\n".join(self._contents), *self._blocks]) + "\n"

    def job(self, title: str, model: type[BaseModel], *, path: str = "") -> None:
        """A kind of job: its own keys, then every section below it; ``path`` is the key path of the model."""
        self._contents.append(f"- [{title}](#{slug(title)})")
        self._blocks.append(f"## {title}")
        self._section(model, path=path, level=3)

    def _section(
        self, model: type[BaseModel], *, path: str, level: int, variant: str = "", known: Collection[str] = ()
    ) -> None:
        """The docstring and the table of a section, less the ``known`` keys, and then its own sections."""
        below: list[tuple[str, tuple[type[BaseModel], ...]]] = []

        def link(name: str, models: Sequence[type[BaseModel]]) -> str:
            place, choice = f"{path}.{name}" if path else name, tuple(models)
            if choice not in self._anchors:
                self._anchors[choice] = slug(_title(place, variant))
                below.append((place, choice))
            return f"[section](#{self._anchors[choice]})"

        if said := prose(model):
            self._blocks.append(said)
        self._table([key for key in keys_of(model, link, choices) if key.name not in known])
        for place, models in below:
            self._blocks.append(f"{'#' * level} {_title(place, variant)}")
            if len(models) == 1:
                self._section(models[0], path=place, level=level + 1, variant=variant)
            else:
                self._kinds(models, path=place, level=level + 1)

    def _kinds(self, models: Sequence[type[BaseModel]], *, path: str, level: int) -> None:
        """A section that is one of several: the keys that all have, then those of each."""
        variants = [f"kind: {kind}" if (kind := kind_of(model)) else next(iter(model.model_fields)) for model in models]
        for model, variant in zip(models, variants, strict=True):
            self._anchors[(model,)] = slug(_title(path, variant))  # before the first of them names another
        tables = [keys_of(model, lambda *_: "", choices) for model in models]
        shared = [key for key in tables[0] if key.type and all(key in table for table in tables)]
        role = path.rpartition(".")[2]
        without = f", `{DEFAULT_KINDS[role]}` where it is not said" if role in DEFAULT_KINDS else ""
        links = [f"[`{variant}`](#{slug(_title(path, variant))})" for variant in variants]
        self._blocks.append(f"One of {', '.join(links)}{without}." + (" All of them have" if shared else ""))
        self._table(shared)
        for model, variant in zip(models, variants, strict=True):
            self._blocks.append(f"{'#' * level} {_title(path, variant)}")
            names = [key.name for key in shared]
            self._section(model, path=path, level=level + 1, variant=variant, known=names)

    def _table(self, keys: Sequence[Key]) -> None:
        rows = [
            f"| `{key.name}` | {key.type} | {key.default} | {key.meaning.replace('|', chr(92) + '|')} |" for key in keys
        ]
        if rows:
            self._blocks.append("\n".join([_COLUMNS, *rows]))


def _title(path: str, variant: str) -> str:
    return f"`{path}`, `{variant}`" if variant else f"`{path}`"


def slug(title: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def choices(name: str, field: FieldInfo) -> tuple[Any, str]:
    """Annotation and default of a field; the registry says which sections stand where a backend is asked for."""
    annotation: Any = field.annotation
    default = "*required*" if field.is_required() else shown(field.get_default(call_default_factory=True))
    if BackendConfig in members(annotation):
        role = cast(Role, name)
        backends = [config_class(role, kind) for kind in BACKENDS[role]]
        annotation = Union[*backends, *([None] if type(None) in members(annotation) else [])]
        default = f"`{{kind: {DEFAULT_KINDS[role]}}}`"
    return annotation, default


def write() -> str:
    """The whole page."""
    page = Page()
    page.job("`plait run`, `plait plan`", RunConfig)
    page.job("`plait segment`", SegmentConfig)
    page.job("`plait fit`", FitJob)
    for what, kind in FITS.items():
        page.job(f"`plait fit {what}`", kind.load_settings(), path="fit")
    page.job("`plait train`", TrainConfig)
    for settings, names in suites_by_settings().items():
        suites = ", ".join(f"`{name}`" for name in names)
        page.job(f"`plait evaluate --set`: {suites}", settings)
    page.job("Few-shot templates (`plait evaluate asr --set template=FILE`)", FewShot)
    return page.text()


def suites_by_settings() -> dict[type[Settings], list[str]]:
    """The suites that share their settings, in the registry's order."""
    found: dict[type[Settings], list[str]] = {}
    for name in SUITES:
        found.setdefault(suite_named(name).settings, []).append(name)
    return found
