"""Generators of records for property tests."""

import numpy as np
from hypothesis import strategies as st

from schemas.records import AlignedWord, StoredUtterance, Stream
from transforms.streams import ceil_div

STREAM_SHAPES = (("units", 640, 500), ("pitch", 1280, 64), ("style", 16_000, 100))


def small_utterance(utterance_id: str = "prompt-1") -> StoredUtterance:
    """Half a second that says "Hello 21", with all three streams."""
    words = (
        AlignedWord("hello", 800, 3200, -1.5, 0, 5),
        AlignedWord("twenty", 3600, 5000, -2.0, 6, 8),
        AlignedWord("one", 5000, 7400, -1.0, 6, 8),
    )
    streams = tuple(
        Stream(kind, hop, size, (np.arange(ceil_div(8000, hop)) // 2 % size).astype(np.int32), f"{kind}-fingerprint")
        for kind, hop, size in STREAM_SHAPES
    )
    return StoredUtterance(utterance_id, "Hello 21", 8000, words, streams)


@st.composite
def utterances(draw, *, max_words: int = 40) -> StoredUtterance:
    """Utterances with ordered words, compounds and words spoken as up to three, and raw streams with runs."""
    lengths = draw(st.lists(st.integers(1, 3), min_size=1, max_size=max_words))
    num_samples = draw(st.integers(sum(lengths) * 4, 400_000))
    cuts = sorted(draw(st.lists(st.integers(0, num_samples), min_size=2 * sum(lengths), max_size=2 * sum(lengths))))
    spelled = draw(
        st.lists(st.sampled_from(["cat", "Mat", "21", "naïve", "1st"]), min_size=len(lengths), max_size=len(lengths))
    )
    text, words = "", []
    for written, spoken in zip(spelled, lengths, strict=True):
        start = len(text)
        text += written + draw(st.sampled_from([" ", ", ", ". ", "-"]))
        for _ in range(spoken):
            begin, end = cuts[2 * len(words)], cuts[2 * len(words) + 1]
            words.append(AlignedWord(written.lower(), begin, end, 0.5, start, start + len(written)))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    streams = tuple(
        Stream(
            kind,
            hop,
            size,
            np.repeat(rng.integers(0, size, 700), rng.integers(1, 4, 700))[: ceil_div(num_samples, hop)].astype(
                np.int32
            ),
            f"{kind}-fingerprint",
        )
        for kind, hop, size in STREAM_SHAPES
    )
    return StoredUtterance(f"utterance-{seed}", text, num_samples, tuple(words), streams)
