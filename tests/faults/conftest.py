"""One small corpus of real prompts, and the digests of an undisturbed run over it."""

import pytest

from tests.faults.harness import Corpus, digests, plait_here

ALONE = "{kind: local, workers: 1}"


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> Corpus:
    return Corpus.of(tmp_path_factory.mktemp("faults"), prompts=8, shards=4)


@pytest.fixture(scope="session")
def reference(corpus) -> dict[str, str]:
    plait_here(corpus.job(str(corpus.folder / "undisturbed"), ALONE, name="undisturbed"))
    return digests(corpus.folder / "undisturbed")
