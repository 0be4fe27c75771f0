"""Laws of cutting, deduplicating and merging."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from schemas.records import Span, Stream
from schemas.vocabulary import VocabularyLayout
from tests.strategies import utterances
from transforms.streams import (
    MERGE_PRIORITY,
    ceil_div,
    expand_tokens,
    frames_in_span,
    merge_streams,
    word_spans,
)
from transforms.written import written_groups

LAYOUT = VocabularyLayout(1000, 500, 64, 100, text_fingerprint="t")


@given(
    st.lists(st.integers(0, 100_000), max_size=20), st.integers(0, 100_000), st.sampled_from([320, 640, 1280, 16_000])
)
def test_spans_that_partition_the_audio_partition_its_frames(cuts, total, hop):
    edges = [0, *sorted(min(cut, total) for cut in cuts), total]
    spans = [Span(start, end) for start, end in pairwise(edges)]
    frames = [frame for span in spans for frame in frames_in_span(span, hop_samples=hop)]
    assert frames == list(range(ceil_div(total, hop)))


@given(utterances())
def test_word_spans_partition_the_utterance_and_touch_their_words(record):
    spans = word_spans(record.words, num_samples=record.num_samples)
    assert len(spans) == len(record.words)
    assert (spans[0].start, spans[-1].end) == (0, record.num_samples)
    for left, right in pairwise(spans):
        assert left.end == right.start
    for span, word in zip(spans, record.words, strict=True):
        assert span.start <= word.start_sample <= word.end_sample <= span.end


@given(utterances())
def test_tokens_of_all_spans_are_exactly_the_tokens_of_the_utterance(record):
    merged = merge_streams(record.streams, layout=LAYOUT)
    cut = [merged.cut(span) for span in word_spans(record.words, num_samples=record.num_samples)]
    np.testing.assert_array_equal(np.concatenate(cut), merged.tokens)


@given(utterances())
def test_merge_orders_by_onset_then_style_pitch_units(record):
    merged = merge_streams(record.streams, layout=LAYOUT)
    kinds = [LAYOUT.decode_id(int(token))[0] for token in merged.tokens]
    keys = [(int(onset), MERGE_PRIORITY[kind]) for onset, kind in zip(merged.onsets, kinds, strict=True)]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)


@given(utterances())
def test_units_and_pitch_are_deduplicated_and_style_is_not(record):
    merged = merge_streams(record.streams, layout=LAYOUT)
    decoded = [LAYOUT.decode_id(int(token)) for token in merged.tokens]
    for stream in record.streams:
        codes = np.array([code for kind, code in decoded if kind == stream.kind])
        if stream.kind == "style":
            np.testing.assert_array_equal(codes, stream.ids)
        else:
            keep = np.concatenate([[True], np.diff(stream.ids) != 0])
            np.testing.assert_array_equal(codes, stream.ids[keep])


def test_the_example_of_the_paper():
    """Figure 1b's order: style, pitch, then units, each at its onset."""
    streams = (
        Stream("units", 640, 500, np.array([28, 22, 22, 15, 78, 234, 468], np.int32), ""),
        Stream("pitch", 1280, 64, np.array([0, 14, 32, 32], np.int32), ""),
        Stream("style", 16_000, 100, np.array([10], np.int32), ""),
    )
    names = LAYOUT.added_tokens()
    tokens = merge_streams(streams, layout=LAYOUT).tokens
    spelled = "".join(names[token - LAYOUT.text_size] for token in tokens)
    assert spelled == "[St10][Pi0][Hu28][Hu22][Pi14][Hu15][Pi32][Hu78][Hu234][Hu468]"


@given(utterances(), st.lists(st.integers(0, 400_000), max_size=5))
def test_reemitted_context_states_pitch_and_style_at_each_start(record, starts):
    starts = sorted({start for start in starts if start < record.num_samples})
    merged = merge_streams(record.streams, layout=LAYOUT, reemit_at=starts)
    for start in starts:
        at = [LAYOUT.decode_id(int(token)) for token in merged.tokens[merged.onsets == start]]
        by_kind = dict(at)
        for stream in record.streams[1:]:
            assert by_kind[stream.kind] == stream.ids[start // stream.hop_samples]


@given(utterances())
def test_expansion_with_true_durations_restores_the_units(record):
    units = record.streams[0].ids
    starts = np.flatnonzero(np.concatenate([[True], np.diff(units) != 0]))
    lengths = np.diff(np.append(starts, len(units))).astype(np.int32)
    expanded = expand_tokens(
        merge_streams(record.streams, layout=LAYOUT).tokens.tolist(),
        layout=LAYOUT,
        hops={stream.kind: stream.hop_samples for stream in record.streams},
        fingerprints={stream.kind: stream.fingerprint for stream in record.streams},
        durations=lambda codes: lengths,
    )
    np.testing.assert_array_equal(expanded[0].ids, units)
    for stream in expanded:
        assert len(stream.ids) == ceil_div(len(units) * 640, stream.hop_samples)


@given(utterances())
def test_groups_partition_the_words_by_the_blanks_of_the_text(record):
    groups = written_groups(record.words, record.text)
    assert [index for group in groups for index in group] == list(range(len(record.words)))
    for group in groups:
        first, last = record.words[group.start], record.words[group.stop - 1]
        assert not any(char.isspace() for char in record.text[first.char_start : last.char_end])
