"""Which aligner is asked for what."""

import pytest

from schemas.errors import RecordError
from schemas.records import SourceRow
from transforms.align.given import GivenConfig
from transforms.align.protocol import RowAligner
from transforms.align.readings import align_row


def test_the_english_aligner_refuses_other_languages(aligner, prompt):
    waveform, text = prompt("hello-world")
    row = SourceRow("hello-world", "hello-world.flac", text, language="en-US")
    assert [word.text for word in align_row(aligner, row, waveform).words] == ["hello", "world"]
    spanish = SourceRow("hello-world", "hello-world.flac", "hola mundo", language="es")
    with pytest.raises(RecordError, match="'es'") as caught:
        align_row(aligner, spanish, waveform)
    assert caught.value.code == "unsupported_language"


def test_given_times_are_asked_by_row(aligner, prompt, tmp_path):
    waveform, text = prompt("hello-world")
    row = SourceRow("hello-world", "hello-world.flac", text)
    words = align_row(aligner, row, waveform).words
    lines = [
        f"hello-world 1 {w.start_sample / 16000} {(w.end_sample - w.start_sample) / 16000} {w.text}" for w in words
    ]
    (tmp_path / "all.ctm").write_text("\n".join(lines))
    given = GivenConfig(path=str(tmp_path)).load()
    assert isinstance(given, RowAligner)
    assert not isinstance(aligner, RowAligner)
    again = align_row(given, row, waveform).words
    assert [(w.text, w.start_sample, w.end_sample) for w in again] == [
        (w.text, w.start_sample, w.end_sample) for w in words
    ]
