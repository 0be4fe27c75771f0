"""Groups sequences of like length, so that little of a padded batch is padding."""

from collections.abc import Iterator, Sequence

MAX_PADDED_FRAMES = 12_000
GPU_PADDED_FRAMES = 60_000
MAX_WASTE = 1.25  # longest over shortest


def length_buckets(
    lengths: Sequence[int], *, max_frames: int = MAX_PADDED_FRAMES, max_waste: float = MAX_WASTE
) -> Iterator[list[int]]:
    """Indices of all positive lengths, longest first, in groups of at most ``max_frames`` padded frames.

    A length above ``max_frames`` is a group of its own; in one group the longest is at most ``max_waste`` times the
    shortest.
    """
    order = sorted((index for index, length in enumerate(lengths) if length), key=lambda index: -lengths[index])
    bucket: list[int] = []
    for index in order:
        longest = lengths[bucket[0]] if bucket else lengths[index]
        if bucket and (longest * (len(bucket) + 1) > max_frames or longest > max_waste * lengths[index]):
            yield bucket
            bucket = []
        bucket.append(index)
    if bucket:
        yield bucket
