"""``plait evaluate SUITE``: figures as a table and as JSON that says what they were computed from."""

import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from pipelines.evaluate.public_sets import PUBLIC_SETS
from pipelines.evaluate.records import AUDIO_SUFFIXES
from pipelines.evaluate.registry import SUITES, suite_named
from pipelines.evaluate.suite import Figure, Outcome, Request, Settings, Suite
from pipelines.files import check_target, sha256_of, write_text
from pipelines.yaml_config import parse_override, validate
from schemas.errors import UserError

FORMAT = "plait/evaluation/1"
BUNDLED = Path(__file__).parents[2] / "examples" / "suites"
_WIDTH = 110


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One run of a suite: what was asked, and what came out."""

    suite: str
    request: Request
    model: str | None
    bundled: bool
    outcome: Outcome

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "plait": version("plait"),
            "suite": self.suite,
            "model": Path(self.model).name if self.model else None,
            "model_digest": model_digest(self.model) if self.model else None,
            "data": self.request.data.name,
            "data_digest": data_digest(self.request.data),
            "bundled_data": self.bundled,
            "limit": self.request.limit,
            "seed": self.request.seed,
            "settings": self.request.settings.model_dump(mode="json"),
            "about": dict(self.outcome.about),
            "figures": [figure.to_json() for figure in self.outcome.figures],
            "items": list(self.outcome.rows),
        }


def evaluate(
    name: str,
    *,
    model: str | None,
    data: str | None = None,
    limit: int | None = None,
    seed: int = 0,
    overrides: Sequence[str] = (),
    out: Path | None = None,
) -> Evaluation:
    """Run a suite on its data, or on its bundled small set.

    Args:
        overrides: ``key=value`` of the suite's settings.
        out: Where the result will go; only whether it can.

    Raises:
        UserError: No such suite, its data or settings are wrong, nothing can be written to ``out``, or there is no
            such model.
    """
    suite = suite_named(name)
    if model is None and suite.uses_model:
        raise UserError(f"evaluate {name}: name a model, --model FOLDER (the output of `plait train`)")
    if model is not None and not suite.uses_model:
        raise UserError(f"evaluate {name}: measures tokenizers, no language model; leave out --model")
    place = bundled_data(suite) if data is None else Path(data)
    settings = read_settings(suite.settings, overrides, name=name)
    request = Request(place, limit, seed, settings, lambda line: print(line, file=sys.stderr, flush=True))
    if out is not None:
        check_target(out, option="--out")
    outcome = suite.run(lambda: _open(str(model)), request)
    return Evaluation(name, request, model, data is None, outcome)


def bundled_data(suite: Suite) -> Path:
    """The folder of a suite's small set.

    Raises:
        UserError: It did not come with this installation.
    """
    place = (BUNDLED / suite.data).resolve()
    if not place.exists():
        raise UserError(f"the bundled set {suite.data} is not here (it lies in the repository); name yours with --data")
    return place


def read_settings(model: type[Settings], overrides: Sequence[str], *, name: str) -> Settings:
    """Settings from ``key=value``; values are read as YAML.

    Raises:
        UserError: A key is unknown, or a value wrong.
    """
    values: dict[str, Any] = {}
    for override in overrides:
        key, value = parse_override(override)
        values[key] = value
    if values and not model.model_fields:
        raise UserError(f"evaluate {name}: there is nothing to --set")
    return validate(model, values, where=f"evaluate {name}")


def _open(folder: str) -> Any:
    from pipelines.infer.command import load_model, load_vocoder

    return load_model(folder, vocoder=load_vocoder())


def model_digest(folder: str) -> str | None:
    """SHA-256 of the weights, so that two results are known to be of one model; None where there are none."""
    digest = hashlib.sha256()
    files = sorted(Path(folder).glob("*.safetensors"))
    for path in files:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest() if files else None


def data_digest(data: Path) -> str:
    """SHA-256 of the names and sizes of the data's files, and of their contents but for audio, which takes long."""
    paths = [data] if data.is_file() else sorted(path for path in data.rglob("*") if path.is_file())
    digest = hashlib.sha256()
    for path in paths:
        content = "" if path.suffix.lower() in AUDIO_SUFFIXES else sha256_of(str(path))[0]
        digest.update(f"{path.relative_to(data).as_posix()} {path.stat().st_size} {content}\n".encode())
    return digest.hexdigest()


def write_results(evaluation: Evaluation, out: Path) -> list[Path]:
    """The JSON, and what else the suite made (a plot), named after it; returns the paths."""
    out.parent.mkdir(parents=True, exist_ok=True)
    write_text(str(out), json.dumps(evaluation.to_json(), indent=1, sort_keys=True) + "\n")
    extra = {out.with_name(f"{out.stem}{suffix}"): text for suffix, text in evaluation.outcome.files.items()}
    for path, text in extra.items():
        write_text(str(path), text)
    return [out, *extra]


def render(evaluation: Evaluation) -> str:
    """The figures as a table for a terminal, plain text."""
    source = "bundled small set" if evaluation.bundled else str(evaluation.request.data)
    table = Table(title=f"{evaluation.suite}: {suite_named(evaluation.suite).title} ({source})", title_justify="left")
    table.add_column("task")
    table.add_column("measure")
    for column in ("value", "95 %", "chance", "items"):
        table.add_column(column, justify="right")
    for figure in evaluation.outcome.figures:
        table.add_row(figure.task, figure.measure, *_cells(figure))
    return _plain(table)


def _cells(figure: Figure) -> tuple[str, str, str, str]:
    interval = "" if figure.interval is None else f"{figure.interval[0]:.3f} .. {figure.interval[1]:.3f}"
    chance = "" if figure.chance is None else f"{figure.chance:.3g}"
    value = "-" if figure.value is None else f"{figure.value:.4g}"
    return value, interval, chance, str(figure.items)


def _plain(table: Table) -> str:
    console = Console(width=_WIDTH, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(table)
    return "\n".join(line.rstrip() for line in capture.get().rstrip("\n").splitlines())


def listing() -> Iterator[str]:
    """All suites with their bundled sets and settings, then the public sets and how to get them."""
    suites = Table(title="suites", title_justify="left")
    for column in ("suite", "measures", "bundled set", "public sets", "--set"):
        suites.add_column(column, overflow="fold")
    for name in SUITES:
        suite = suite_named(name)
        keys = ", ".join(suite.settings.model_fields)
        suites.add_row(name, suite.title, suite.data, ", ".join(suite.public), keys)
    yield _plain(suites)
    yield ""
    yield "public sets (nothing is downloaded for you):"
    for title, found in PUBLIC_SETS.items():
        yield f"  {title}: {found.what}{f' ({found.size})' if found.size else ''}"
        yield f"    fetch:  {found.fetch}"
        yield f"    --data: {found.data}"
        yield f"    digest: {found.digest}"
        if found.terms:
            yield f"    terms:  {found.terms}"
    yield ""
    yield "layouts:"
    for name in SUITES:
        yield f"  {name}: {suite_named(name).layout}"
