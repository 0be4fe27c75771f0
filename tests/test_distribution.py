"""The layout of the installed distribution."""

import importlib
from importlib.metadata import distributions
from pathlib import Path

import pytest

PACKAGES = ("schemas", "transforms", "pipelines")


@pytest.mark.parametrize("name", PACKAGES)
def test_the_flat_package_names_are_this_projects_alone(name):
    assert Path(importlib.import_module(name).__file__).parent == Path(name).resolve()
    owners = {
        distribution.metadata["Name"]
        for distribution in distributions()
        for file in distribution.files or ()
        if file.parts[0] == name
    }
    assert owners <= {"plait"}
