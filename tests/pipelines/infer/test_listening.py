"""Long audio in pieces, long prompts by their last tokens."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.infer.listening import Listener, cut_pieces
from pipelines.infer.parts import Speech, Text
from pipelines.infer.prompts import PromptEncoder
from schemas.errors import UserError
from schemas.vocabulary import VocabularyLayout
from tests.pipelines.infer.conftest import FINGERPRINTS, FakeEncoderConfig
from tests.toy_corpus import INFOS, toy_utterance
from transforms.streams import ceil_div

LAYOUT = VocabularyLayout(
    text_size=300,
    units_size=INFOS[0].codebook_size,
    pitch_size=INFOS[1].codebook_size,
    style_size=INFOS[2].codebook_size,
    text_fingerprint="text",
    stream_fingerprints=tuple(f"{kind}={value}" for kind, value in FINGERPRINTS.items()),
)


class FakeSecondsEncoderConfig(FakeEncoderConfig):
    """A frame's code is the largest sample in it, times 10: shows which audio a frame was made from."""

    lengths: list[int]

    def encode(self, waveforms):
        self.lengths = [len(waveform) for waveform in waveforms]
        made = []
        for waveform in waveforms:
            frames = ceil_div(len(waveform), self.hop_samples)
            padded = np.pad(waveform, (0, frames * self.hop_samples - len(waveform)))
            made.append((padded.reshape(frames, -1).max(1) * 10).round().astype(np.int32))
        return made


@given(samples=st.integers(1, 100 * 16_000 * 5), step=st.sampled_from([640, 16_000, 32_000, 96_000]))
def test_pieces_are_the_whole_in_order_and_of_at_most_100_s(samples, step):
    waveform = np.broadcast_to(np.float32(0), samples)
    lengths = [len(piece) for piece in cut_pieces(waveform, step_samples=step)]
    assert sum(lengths) == samples
    assert max(lengths) <= 100 * 16_000
    assert all(length % step == 0 for length in lengths[:-1])
    assert len(lengths) <= samples // (50 * 16_000 - step) + 1
    assert max(lengths) - min(lengths) < 2 * step


def test_frames_of_a_long_recording_lie_where_they_would_without_cuts():
    encoders = [FakeSecondsEncoderConfig(info) for info in INFOS]
    waveform = (np.arange(205 * 16_000) // 16_000 % 4 / 10).astype(np.float32)
    (streams,) = Listener(LAYOUT, encoders).streams([Speech(waveform)])
    for stream, encoder in zip(streams, encoders, strict=True):
        assert len(encoder.lengths) == 3
        assert len(stream.ids) == ceil_div(len(waveform), stream.hop_samples)
        np.testing.assert_array_equal(stream.ids, encoder.encode([waveform])[0])


def test_a_part_that_comes_twice_is_encoded_once_and_short_ones_together():
    encoder = FakeSecondsEncoderConfig(INFOS[0])
    layout = replace(LAYOUT, pitch_size=0, style_size=0)
    first, second = Speech(np.full(16_000, 0.1, np.float32)), Speech(np.full(8_000, 0.3, np.float32))
    found = Listener(layout, [encoder]).streams([first, second, first])
    assert encoder.lengths == [16_000, 8_000]
    assert [int(streams[0].ids[0]) for streams in found] == [1, 3, 1]


def test_audio_below_80_ms_is_refused():
    listener = Listener(replace(LAYOUT, pitch_size=0, style_size=0), [FakeEncoderConfig(INFOS[0])])
    with pytest.raises(UserError, match="80 ms"):
        listener.streams([Speech(np.zeros(1279, np.float32))])


class FakeTokenizer:
    """A word's token is its length, the longest ones' is 9."""

    bos_id, eos_id = 1, 2

    def encode(self, text):
        return [min(len(word), 9) + 10 for word in text.split()]


def opened(parts, *, context, reserve, output="text"):
    layout = replace(LAYOUT, pitch_size=0, style_size=0)
    encoder = PromptEncoder(layout=layout, tokenizer=FakeTokenizer(), listener=Listener(layout, []), context=context)
    (tokens,) = encoder.open([parts], output, reserve=reserve)
    return tokens


@given(
    words=st.lists(st.integers(0, 30), min_size=1, max_size=5),
    context=st.integers(8, 200),
    reserve=st.integers(0, 300),
    output=st.sampled_from(["text", "speech"]),
)
def test_a_truncated_prompt_is_bos_the_marker_in_force_and_the_last_tokens(words, context, reserve, output):
    spoken = Speech(streams=toy_utterance(3).streams[:1])
    parts = [part for count in words for part in (Text("word " * count), spoken)]
    whole = opened(parts, context=10**6, reserve=None, output=output)
    kept = opened(parts, context=context, reserve=reserve, output=output)
    limit = context - min(reserve, context // 2)
    markers = (LAYOUT.text_marker, LAYOUT.speech_marker)
    assert len(kept) <= max(limit, 0)
    assert context - len(kept) >= min(reserve, context // 2)
    if len(whole) <= limit:
        assert kept == whole
        return
    assert kept[0] == FakeTokenizer.bos_id
    assert kept[1] in markers
    tail = kept[2:]
    assert whole[len(whole) - len(tail) :] == tail
    before = [token for token in whole[: len(whole) - len(tail)] if token in markers]
    assert kept[1] == before[-1]
    assert len(kept) >= limit - 1


def test_a_long_prompt_is_refused_unless_truncation_is_asked_for(model):
    prompt = [Text("red goes left " * 60)]
    with pytest.raises(UserError, match="truncate_prompt"):
        model.generate([prompt], output="speech")
    (answer,) = model.generate([prompt], output="speech", truncate_prompt=True, max_new_tokens=12, temperature=0)
    assert len(answer[0].tokens) <= 12
    assert model.count_tokens(prompt, output="speech") > model.context


def test_generated_tokens_are_a_prompt_as_they_are(model):
    (answer,) = model.generate([[Text("red goes left")]], output="speech", temperature=0, max_new_tokens=40)
    heard, layout = answer[0], model.layout
    tokens = model._prompts.whole([[Text("red"), Speech(tokens=heard.tokens), Text("now")]], "text")[0]
    red, now = model.tokenizer.encode("red"), model.tokenizer.encode("now")
    opened = [model.tokenizer.bos_id, layout.text_marker, *red, layout.speech_marker]
    assert tokens == [*opened, *heard.tokens, layout.text_marker, *now]
    with pytest.raises(UserError, match="5 is no speech token"):
        model.generate([[Speech(tokens=(heard.tokens[0], 5))]], output="text")
