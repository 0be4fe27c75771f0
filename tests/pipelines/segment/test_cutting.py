"""What of a long recording stands, and what is tried again before it is given up."""

from dataclasses import replace

import pytest

from pipelines.segment.cutting import TextCutter
from schemas.errors import RecordError
from schemas.records import SourceRow
from tests.pipelines.segment.test_segment import joined
from transforms.align.gate import GateConfig
from transforms.align.longform_segments import Segment
from transforms.align.pocketsphinx import PocketsphinxConfig
from transforms.text.verbalise import verbalise

SAID = ("conf-getconfno", "vm-rec-temp")
WRONG = "It was a bright cold day in April and the clocks were striking thirteen while nobody looked."


class FakeRefiningAligner:
    """Refuses whatever it is asked to align."""

    def align(self, waveform, words):
        raise RecordError("alignment_failed", "asked")

    place = align

    def refine(self, waveform, placed):
        raise RecordError("alignment_failed", "asked")


@pytest.fixture(scope="module")
def sphinx():
    return PocketsphinxConfig().load()


@pytest.fixture(scope="module")
def gate():
    return GateConfig().load()


@pytest.fixture(scope="module")
def cutter(sphinx, gate):
    return TextCutter(sphinx, gate, None, max_samples=20 * 16_000)


def test_a_piece_that_is_rejected_whole_is_parted(cutter, sphinx):
    """More than half of the words are not what is said, so the gate leaves nothing of the whole."""
    audio, _ = joined(SAID)
    good = joined(SAID[:1])[1]
    text = f"{good} {WRONG}"
    row = SourceRow("x", "x.flac", text)
    aligned = sphinx.align(audio, verbalise(text, "en"))
    found, error = cutter._standing(row, audio, Segment(0, len(audio), 0, len(text), aligned.words))
    assert error is not None, "the whole stands"
    kept = [word.text for passage in found for word in passage.words]
    right = [word.text for word in verbalise(good, "en")]
    assert len(kept) >= 0.7 * len(right)
    assert kept == right[: len(kept)] or kept == right[-len(kept) :]
    edges = [edge for passage in found for edge in (passage.start_sample, passage.end_sample)]
    assert edges == sorted(edges)
    assert edges[-1] <= len(joined(SAID[:1])[0]) + 16_000


def test_no_part_of_a_wrong_text_stands(cutter, sphinx):
    audio, _ = joined(SAID)
    row = SourceRow("x", "x.flac", WRONG)
    aligned = sphinx.align(audio, verbalise(row.text, "en"))
    found, error = cutter._standing(row, audio, Segment(0, len(audio), 0, len(row.text), aligned.words))
    assert (found, error is not None) == ([], True)


def test_the_words_of_a_walk_in_two_steps_are_judged_as_they_are(sphinx, gate):
    """Only a choice of readings is worth another alignment."""
    cutter = TextCutter(FakeRefiningAligner(), gate, None, max_samples=20 * 16_000)
    audio, text = joined(SAID[:1])
    aligned = sphinx.align(audio, verbalise(text, "en")).words
    found, error = cutter._standing(
        SourceRow("x", "x.flac", text), audio, Segment(0, len(audio), 0, len(text), aligned)
    )
    assert error is None
    assert [passage.words for passage in found] == [aligned]
    numbered = SourceRow("x", "x.flac", "Call 1234.")
    words = tuple(replace(word, char_start=0, char_end=4) for word in aligned[:2])
    found, error = cutter._standing(numbered, audio, Segment(0, len(audio), 0, len(numbered.text), words))
    assert found == []
    assert error is not None
    assert error.detail == "asked"
