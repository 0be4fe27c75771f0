from pathlib import Path

import pytest

from tests.toy_corpus import write_toy_run


@pytest.fixture(scope="session")
def toy_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 40 utterances in 5 shards."""
    folder = tmp_path_factory.mktemp("toy-run")
    write_toy_run(folder)
    return folder
