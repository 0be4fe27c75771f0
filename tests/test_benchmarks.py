"""Every benchmark at least starts: its imports stand."""

import importlib
from pathlib import Path

import pytest


@pytest.mark.parametrize("name", sorted(path.stem for path in Path("benchmarks").glob("*.py")))
def test_imports(name):
    importlib.import_module(f"benchmarks.{name}")
