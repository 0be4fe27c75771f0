"""The report of a finished run, gathered from its folder."""

import shutil

import pytest

from pipelines import reporting
from pipelines.reporting import report, unit_of
from pipelines.store import ShardSet
from schemas.errors import UserError
from tests.pipelines.conftest import GOOD_IDS


def test_a_runs_report_shows_its_utterances_and_what_was_dropped(small_corpus):
    page = report(str(small_corpus / "out")).read_text(encoding="utf-8")
    assert sum(f">{name}<" in page for name in GOOD_IDS) >= 3
    assert "missing_file" in page
    assert "[SPEECH]" in page
    assert "data:audio/flac;base64," in page


def test_every_score_of_a_run_has_its_unit(small_corpus):
    names = {
        name for record in ShardSet(str(small_corpus / "out" / "corpus")).utterances() for name in record.alignment
    }
    assert {"coverage", "log_likelihood", "worst_excess", "onset_spread_ms"} <= names
    assert [name for name in names if not unit_of(name)] == []
    assert [unit_of(name) for name in ("letters_per_s", "longest_word_s", "phone_net_log_likelihood", "new")] == [
        "letters a second",
        "s",
        "nats a frame",
        "",
    ]


def test_a_store_without_audio_is_looked_at_all_the_same(small_corpus, tmp_path, monkeypatch):
    output = tmp_path / "out"
    shutil.copytree(small_corpus / "out", output)
    monkeypatch.setattr(reporting, "read_waveform", lambda _: None)
    page = report(str(output)).read_text(encoding="utf-8")
    assert page.count('<div class="timeline">') >= 3
    assert "data:audio" not in page
    assert "store.audio: true" in page


def test_long_recordings_alone_are_shown_and_so_is_what_was_never_baked(small_corpus, tmp_path, monkeypatch):
    output = tmp_path / "out"
    shutil.copytree(small_corpus / "out", output)
    shutil.rmtree(output / "interleaved")
    monkeypatch.setattr(reporting, "LONGEST_SHOWN_S", 0.0)
    page = report(str(output)).read_text(encoding="utf-8")
    assert page.count('<div class="timeline">') >= 3
    assert "[SPEECH]" not in page


def test_a_training_that_was_killed_while_it_wrote_a_line_has_a_curve(small_corpus, tmp_path):
    output = tmp_path / "out"
    shutil.copytree(small_corpus / "out", output)
    (output / "model").mkdir()
    (output / "model" / "log.jsonl").write_text('{"step": 1, "loss": 2.5}\n{"step": 2, "lo')
    assert "Training loss" in report(str(output)).read_text(encoding="utf-8")


def test_a_folder_without_a_run_is_the_users_mistake(tmp_path):
    with pytest.raises(UserError, match="no finished run"):
        report(str(tmp_path))
