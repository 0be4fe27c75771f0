"""The report of a finished run, gathered from its folder."""

import pytest

from pipelines.reporting import report
from schemas.errors import UserError
from tests.pipelines.conftest import GOOD_IDS


def test_a_runs_report_shows_its_utterances_and_what_was_dropped(small_corpus):
    page = report(str(small_corpus / "out")).read_text(encoding="utf-8")
    assert sum(f">{name}<" in page for name in GOOD_IDS) >= 3
    assert "missing_file" in page
    assert "[SPEECH]" in page
    assert "data:audio/flac;base64," in page


def test_a_folder_without_a_run_is_the_users_mistake(tmp_path):
    with pytest.raises(UserError, match="no finished run"):
        report(str(tmp_path))
