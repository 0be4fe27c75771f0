"""What `export` writes, the aligner `given` reads back to the sample."""

import pytest

from pipelines.export import export
from pipelines.store import ShardSet
from schemas.errors import UserError
from schemas.records import SourceRow
from transforms.align.given import GivenConfig


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


def test_a_folder_without_a_store_is_the_users_mistake(tmp_path):
    with pytest.raises(UserError, match=r"manifest\.json"):
        export(str(tmp_path), "ctm", str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()
