"""Shards: bytes that repeat, keys that are safe, and a reader that is not ours."""

import tarfile

import numpy as np
import pytest
import webdataset
from hypothesis import given
from hypothesis import strategies as st

from pipelines.store import (
    id_of,
    key_of,
    parse_sequence,
    parse_utterance,
    read_samples,
    read_waveform,
    sequence_sample,
    utterance_sample,
    write_shard,
)
from schemas.records import Segment, TokenSequence
from tests.strategies import small_utterance, utterances


@given(st.text(min_size=1))
def test_keys_are_safe_names_and_map_back(utterance_id):
    key = key_of(utterance_id)
    assert id_of(key) == utterance_id
    assert not set(key) & set("./\\ \n\t")


@given(utterances(max_words=6))
def test_an_utterance_survives_its_files(record):
    again = parse_utterance(utterance_sample(record, waveform=None))
    for ours, theirs in zip(record.streams, again.streams, strict=True):
        np.testing.assert_array_equal(ours.ids, theirs.ids)
        assert (ours.kind, ours.hop_samples, ours.fingerprint) == (theirs.kind, theirs.hop_samples, theirs.fingerprint)
    assert (again.words, again.text, again.num_samples) == (record.words, record.text, record.num_samples)


@pytest.fixture
def sequences():
    segment = Segment("text", 0, 3, 0, 1, 0, 640)
    return [TokenSequence(name, np.array([1, 2, 3], np.int32), (segment,)) for name in ("a", "b.c", "d/../e")]


def test_the_same_records_give_the_same_bytes(tmp_path, sequences):
    entries = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        samples = [(sequence.utterance_id, sequence_sample(sequence)) for sequence in sequences]
        entries.append(write_shard(str(tmp_path / folder), 3, samples, counts={}))
    assert entries[0] == entries[1]
    assert entries[0].records == 3


def test_no_member_leaves_the_folder(tmp_path, sequences):
    samples = [(sequence.utterance_id, sequence_sample(sequence)) for sequence in sequences]
    entry = write_shard(str(tmp_path), 0, samples, counts={})
    with tarfile.open(tmp_path / entry.name) as tar:
        assert all("/" not in member.name and member.mtime == 0 for member in tar)


def test_plain_webdataset_reads_a_token_store(tmp_path):
    record = small_utterance()
    waveform = np.linspace(-0.5, 0.5, record.num_samples, dtype=np.float32)
    sample = utterance_sample(record, waveform=waveform)
    entry = write_shard(str(tmp_path), 0, [(record.utterance_id, sample)], counts={})
    dataset = webdataset.WebDataset(str(tmp_path / entry.name), shardshuffle=False).decode()
    (theirs,) = list(dataset)
    assert theirs["__key__"] == record.utterance_id
    assert theirs["json"]["text"] == record.text
    assert [w["start_sample"] for w in theirs["json"]["words"]] == [w.start_sample for w in record.words]
    np.testing.assert_array_equal(theirs["units.npy"], record.streams[0].ids)
    ((_, ours),) = list(read_samples(str(tmp_path / entry.name)))
    np.testing.assert_allclose(read_waveform(ours), waveform, atol=2 / 32768)


def test_sequences_survive_their_files(sequences):
    for sequence in sequences:
        again = parse_sequence(sequence_sample(sequence))
        np.testing.assert_array_equal(again.tokens, sequence.tokens)
        assert (again.utterance_id, again.segments) == (sequence.utterance_id, sequence.segments)
