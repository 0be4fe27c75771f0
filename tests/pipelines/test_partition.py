"""Rows parted by shard: none is lost, none is in two, and neither order nor spills show."""

import random
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from pipelines.partition import partition, read_rows, tombstone
from schemas.records import DeadLetter, SourceRow
from tests.faults.store_server import BUCKET
from transforms.seeds import shard_of

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
IDS = st.sampled_from([f"utterance-{n}" for n in range(12)])
ROW = st.builds(SourceRow, IDS, TEXT, TEXT)
LETTER = st.builds(DeadLetter, IDS, st.just("ingest"), TEXT, TEXT, st.just("failed"), TEXT)
ENTRIES = st.lists(st.one_of(ROW, LETTER), max_size=30)


def parted(entries, *, num_shards, rows_in_memory=1000, opted_out=(), limit=None):
    """Inputs, and the rows and letters of every shard."""
    with TemporaryDirectory() as folder:
        done = partition(
            entries,
            folder,
            num_shards=num_shards,
            limit=limit,
            opted_out=opted_out,
            rows_in_memory=rows_in_memory,
        )
        files = len(list(Path(folder).iterdir()))
        return done, [read_rows(done.spills, shard) for shard in range(num_shards)], files


@given(ENTRIES, st.integers(1, 5), st.integers(1, 7), st.randoms(use_true_random=False))
def test_order_and_spills_do_not_show(entries, num_shards, rows_in_memory, rng: random.Random):
    shuffled = entries.copy()
    rng.shuffle(shuffled)
    first, whole, _ = parted(entries, num_shards=num_shards)
    second, pieces, _ = parted(shuffled, num_shards=num_shards, rows_in_memory=rows_in_memory)
    assert first.inputs == second.inputs
    assert [(rows, sorted(letters)) for rows, letters in whole] == [(rows, sorted(ls)) for rows, ls in pieces]


@given(ENTRIES, st.integers(1, 5))
def test_every_entry_is_in_the_shard_of_its_id_once(entries, num_shards):
    done, shards, _ = parted(entries, num_shards=num_shards)
    assert done.total == len(entries) == sum(len(rows) + len(letters) for rows, letters in shards)
    assert [inputs.rows for inputs in done.inputs] == [len(rows) + len(letters) for rows, letters in shards]
    for shard, (rows, letters) in enumerate(shards):
        assert all(shard_of(entry.utterance_id, num_shards=num_shards) == shard for entry in (*rows, *letters))
        assert [row.utterance_id for row in rows] == sorted({row.utterance_id for row in rows})


@given(ENTRIES, ENTRIES.filter(bool))
def test_another_entry_changes_the_digest_of_its_shard_alone(entries, more):
    before, _, _ = parted(entries, num_shards=3)
    after, _, _ = parted([*entries, *more], num_shards=3)
    touched = {shard_of(entry.utterance_id, num_shards=3) for entry in more}
    changed = {n for n, (a, b) in enumerate(zip(before.inputs, after.inputs, strict=True)) if a.digest != b.digest}
    assert changed == touched


@given(ENTRIES, st.sets(IDS, max_size=3))
def test_opted_out_rows_are_counted_and_leave_no_content(entries, opted_out):
    plain, _, _ = parted(entries, num_shards=2)
    done, shards, _ = parted(entries, num_shards=2, opted_out=opted_out)
    assert [inputs.digest for inputs in done.inputs] == [inputs.digest for inputs in plain.inputs]
    gone = [e for e in entries if e.utterance_id in opted_out]
    letters = [letter for _, letters in shards for letter in letters if letter.utterance_id in opted_out]
    assert sorted(letters) == sorted(tombstone(entry.utterance_id) for entry in gone)
    assert not any(row.utterance_id in opted_out for rows, _ in shards for row in rows)
    assert {utterance_id for inputs in done.inputs for utterance_id in inputs.opted_out} == {
        entry.utterance_id for entry in gone
    }


def test_the_number_of_files_does_not_grow_with_the_shards():
    rows = [SourceRow(f"u{n}", "a.wav", "text") for n in range(100)]
    _, _, few = parted(rows, num_shards=2, rows_in_memory=50)
    _, _, many = parted(rows, num_shards=90, rows_in_memory=50)
    assert few == many == 2


def test_a_limit_takes_the_same_of_two_rows_with_one_id_in_any_order():
    entries = [SourceRow("a", f"{name}.wav", name) for name in ("z", "y", "x")]
    for order in (entries, entries[::-1]):
        _, ((rows, letters),), _ = parted(order, num_shards=1, limit=1)
        assert (rows, letters) == ([entries[2]], [])


def test_a_limit_takes_the_first_ids():
    rows = [SourceRow(f"u{n:02}", "a.wav", "text") for n in reversed(range(50))]
    _, shards, _ = parted(rows, num_shards=4, limit=7)
    assert sorted(row.utterance_id for rows, _ in shards for row in rows) == [f"u{n:02}" for n in range(7)]


def test_a_shard_of_a_bucket_fetches_its_own_rows_alone(bucket):
    rows = [SourceRow(f"u{n}", "a.wav", "word " * 50) for n in range(2000)]
    letters = [DeadLetter(f"l{n}", "ingest", "malformed_row", "-", "failed", "") for n in range(100)]
    folder = f"s3://{BUCKET}/rows"
    done = partition([*rows, *letters], folder, num_shards=500, limit=None, rows_in_memory=700)
    spills = len(done.spills.row_files) + len(done.spills.letter_files)
    assert spills == 4
    before, asked = bucket.weather.sent_bytes, bucket.weather.seen["fair"]
    found, refused = read_rows(done.spills, 7)
    assert found == sorted(row for row in rows if shard_of(row.utterance_id, num_shards=500) == 7) != []
    assert refused == sorted(letter for letter in letters if shard_of(letter.utterance_id, num_shards=500) == 7)
    assert bucket.weather.sent_bytes - before < 1500 * spills + sum(len(row.text) for row in found)
    assert bucket.weather.seen["fair"] - asked <= 2 * spills
