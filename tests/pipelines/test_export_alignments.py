"""What `export` writes, the aligner `given` reads back to the sample."""

from dataclasses import replace

import pytest

from pipelines.export import export
from pipelines.store import ShardSet
from schemas.errors import UserError
from schemas.records import SourceRow
from tests.strategies import small_utterance
from transforms.align.given import GivenConfig
from transforms.align.given_index import GivenFiles


class FakeAudio:
    """As long as the recording; the aligner looks at nothing else."""

    def __init__(self, num_samples: int) -> None:
        self._num_samples = num_samples

    def __len__(self) -> int:
        return self._num_samples


@pytest.mark.parametrize("format", ["textgrid", "ctm"])
def test_export_and_given_are_inverse(small_corpus, tmp_path, format):
    written = export(str(small_corpus / "out"), format, str(tmp_path))
    records = list(ShardSet(str(small_corpus / "out" / "corpus")).utterances())
    assert written == len(records) > 5
    aligner = GivenConfig(path=str(tmp_path)).load()
    for record in records:
        row = SourceRow(record.utterance_id, "unread.wav", record.text, language=record.language)
        again = aligner.align_row(row, FakeAudio(record.num_samples)).words
        assert [(word.text, word.start_sample, word.end_sample) for word in again] == [
            (word.text, word.start_sample, word.end_sample) for word in record.words
        ]


STRANGE_IDS = ("日本語/" + "あ" * 70, "e\u0301té.1", "с пробелом", "100% ~x", "../up", "a" * 229)


def store_of(ids, monkeypatch):
    """Every store holds these utterances."""
    records = [replace(small_utterance(), utterance_id=name) for name in ids]
    monkeypatch.setattr(ShardSet, "utterances", lambda self: iter(records))
    return records


def test_ids_of_any_script_are_found_again_by_their_own_file(small_corpus, tmp_path, monkeypatch):
    records = store_of(STRANGE_IDS, monkeypatch)
    assert export(str(small_corpus / "out"), "textgrid", str(tmp_path / "words")) == len(STRANGE_IDS)
    assert (tmp_path / "words" / "日本語" / f"{'あ' * 70}.TextGrid").is_file()
    files = GivenFiles(str(tmp_path / "words"), None)
    aligner = GivenConfig(path=str(tmp_path / "words")).load()
    for record in records:
        assert files.at(record.utterance_id) is not None
        row = SourceRow(record.utterance_id, "unread.wav", record.text)
        again = aligner.align_row(row, FakeAudio(record.num_samples)).words
        assert [word.start_sample for word in again] == [word.start_sample for word in record.words]


@pytest.mark.parametrize("name", ["a" * 230, "あ" * 77, "б" * 120 + "/x"])
def test_an_id_too_long_for_a_file_name_is_named_before_anything_is_written(small_corpus, tmp_path, monkeypatch, name):
    store_of(("fine", name), monkeypatch)
    with pytest.raises(UserError, match=f"{name[:40]}.* bytes.*--ctm"):
        export(str(small_corpus / "out"), "textgrid", str(tmp_path / "words"))
    assert not (tmp_path / "words").exists()
    assert export(str(small_corpus / "out"), "ctm", str(tmp_path / "words")) == 2


def test_a_folder_without_a_store_is_the_users_mistake(tmp_path):
    with pytest.raises(UserError, match=r"manifest\.json"):
        export(str(tmp_path), "ctm", str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()
