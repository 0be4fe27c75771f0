"""Windows and length buckets cover everything once."""

from hypothesis import given
from hypothesis import strategies as st

from transforms.units.batching import MAX_PADDED_FRAMES, MAX_WASTE, length_buckets
from transforms.windows import windows


@given(st.integers(0, 20_000), st.integers(2, 1500), st.data())
def test_kept_parts_partition_the_recording(total, half_size, data):
    size = 2 * half_size
    overlap = 2 * data.draw(st.integers(0, (half_size - 1) // 2))
    found = windows(total, size=size, overlap=overlap)
    kept = [frame for window in found for frame in range(window.keep_start, window.keep_end)]
    assert kept == list(range(total))
    for window in found:
        assert 0 <= window.start <= window.keep_start < window.keep_end <= window.end <= total
        assert window.end - window.start == min(size, total)
    for window in found[1:]:
        assert window.keep_start - window.start >= overlap // 2
    if total % 2 == 0 and overlap % 4 == 0:
        assert all(window.keep_start % 2 == 0 for window in found)


@given(st.lists(st.integers(0, 3000), max_size=60))
def test_buckets_hold_every_length_once(lengths):
    buckets = list(length_buckets(lengths))
    assert sorted(i for bucket in buckets for i in bucket) == [i for i, length in enumerate(lengths) if length]
    for bucket in buckets:
        longest, shortest = max(lengths[i] for i in bucket), min(lengths[i] for i in bucket)
        assert len(bucket) == 1 or longest * len(bucket) <= MAX_PADDED_FRAMES
        assert longest <= MAX_WASTE * shortest or len(bucket) == 1
