"""Corpus jobs of speech alone: recordings whose words nobody aligns, and which may have none written down."""

import json

import numpy as np
import pytest

from pipelines.export import export
from pipelines.inspect import inspect
from pipelines.reporting import report
from pipelines.run import run
from pipelines.store import ShardSet, parse_sequence, read_samples
from pipelines.verify import read_dropped, verify
from schemas.errors import UserError
from schemas.vocabulary import VocabularyLayout
from tests.pipelines.conftest import EXAMPLES, GOOD_IDS, job
from transforms.streams import merge_streams

ALONE = ("align=null", "interleave.epochs=0")


@pytest.fixture(scope="module")
def alone(small_corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    run(job(folder, output="out", table=str(small_corpus / "corpus.tsv"), overrides=ALONE))
    return folder / "out"


def stored(folder):
    return {record.utterance_id: record for record in ShardSet(str(folder / "corpus")).utterances()}


def test_what_has_no_text_or_the_wrong_one_is_speech_too(alone):
    assert set(stored(alone)) == {*GOOD_IDS, "bad-empty-text", "bad-swapped"}
    letters = {letter.utterance_id: letter.code for letter in read_dropped(str(alone / "dropped.parquet"))}
    assert letters == {
        "bad-unreadable": "unreadable_audio",
        "bad-empty-audio": "empty_audio",
        "bad-missing": "missing_file",
    }
    assert list(verify(str(alone))) == []


def test_tokens_are_those_of_the_aligned_run_and_texts_are_kept(alone, small_corpus):
    aligned = stored(small_corpus / "out")
    assert set(aligned) == set(GOOD_IDS)
    records = stored(alone)
    (trimmed,) = [name for name in GOOD_IDS if records[name].num_samples != aligned[name].num_samples]
    assert trimmed == "vm-review"  # says more than its text does
    for name in set(GOOD_IDS) - {trimmed}:
        found, expected = records[name], aligned[name]
        assert (found.words, found.alignment) == ((), {})
        assert found.text == expected.text
        for stream, other in zip(found.streams, expected.streams, strict=True):
            assert (stream.kind, stream.fingerprint) == (other.kind, other.fingerprint)
            np.testing.assert_array_equal(stream.ids, other.ids)


def test_nothing_is_fitted_or_baked_without_a_tokenizer(alone):
    assert not (alone / "tokenizer").exists()
    assert not (alone / "interleaved").exists()
    figures = json.loads((alone / "metrics.json").read_text())["corpus"]
    assert figures["words_aligned"] == 0
    assert set(figures["tokens_by_kind"]) == {"units", "pitch", "style"}


def test_a_job_that_would_have_to_fit_a_tokenizer_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"align: null leaves no words .*text\.path.*interleave\.epochs: 0"):
        job(tmp_path, output="out", overrides=("align=null",))


def test_with_a_tokenizer_every_recording_is_baked_as_speech(small_corpus, tmp_path):
    tokenizer = f"text.path={small_corpus / 'out/tokenizer'}"
    run(job(tmp_path, output="out", table=str(small_corpus / "corpus.tsv"), overrides=("align=null", tokenizer)))
    records = stored(tmp_path / "out")
    baked = ShardSet(str(tmp_path / "out/interleaved/epoch-0"))
    layout = VocabularyLayout.from_json(baked.manifest.details["layout"])
    theirs = ShardSet(str(small_corpus / "out/interleaved/epoch-0")).manifest.details["layout"]
    assert layout == VocabularyLayout.from_json(theirs)
    seen = set()
    for entry in baked.manifest.shards:
        for name, sample in read_samples(baked.shard_url(entry)):
            seen.add(name)
            sequence = parse_sequence(sample)
            merged = merge_streams(records[name].streams, layout=layout)
            np.testing.assert_array_equal(sequence.tokens, [layout.speech_marker, *merged.tokens])
            assert [segment.modality for segment in sequence.segments] == ["speech"]
            assert sequence.segments[0].end_sample == records[name].num_samples
    assert seen == set(records)


def test_a_table_needs_no_texts(tmp_path):
    audio = [f"{EXAMPLES.resolve() / 'audio' / name}.flac\n" for name in GOOD_IDS[:2]]
    (tmp_path / "corpus.tsv").write_text("audio\n" + "".join(audio))
    assert run(job(tmp_path, output="out", overrides=ALONE))["in_shards"] == 2


def test_it_can_be_looked_at_and_has_nothing_to_export(alone, tmp_path):
    shard = next(path for path in sorted((alone / "corpus").glob("*.tar")) if path.stat().st_size > 10_240)
    shown = list(inspect(str(shard), None, limit=1))
    assert ", 0 words" in shown[0]
    assert any(line.startswith("  speech  [") and "[Hu" in line for line in shown)
    page = report(str(alone)).read_text()
    assert "Words aligned" not in page
    assert 'class="timeline"' in page
    with pytest.raises(UserError, match="holds no words"):
        export(str(alone), "ctm", str(tmp_path / "words"))
