import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import RecordError
from schemas.records import AlignedWord, SpokenWord
from transforms.align.gate import GateConfig
from transforms.align.gate_measures import frame_energy
from transforms.align.gate_tests import check_spans, check_whole
from transforms.align.protocol import Alignment

GATE = GateConfig()
SECOND = 16_000


def noise(*parts: tuple[float, float]) -> np.ndarray:
    """White noise of ``(seconds, loudness)`` parts."""
    rng = np.random.default_rng(3)
    return np.concatenate([rng.normal(0, loud, int(s * SECOND)) for s, loud in parts]).astype(np.float32)


def aligned(*spans: tuple[str, float, float], score: float = -1.0) -> Alignment:
    """Words at times in seconds, each of the given score."""
    words = tuple(
        AlignedWord(text, int(a * SECOND), int(b * SECOND), score, index, index + 1)
        for index, (text, a, b) in enumerate(spans)
    )
    return Alignment(words, {"log_likelihood": score})


def spoken(alignment):
    return [SpokenWord(word.text, word.char_start, word.char_end) for word in alignment.words]


def code_of(alignment, waveform, config=GATE):
    with pytest.raises(RecordError) as caught:
        check_whole(alignment, waveform, config, "en")
    assert caught.value.outcome == "filtered"
    return caught.value.code


GOOD = aligned(("thank", 0.1, 0.5), ("you", 0.5, 0.8), ("goodbye", 1.2, 1.9))
SPEECH = noise((0.1, 1e-4), (0.7, 0.1), (0.4, 1e-4), (0.7, 0.1), (0.1, 1e-4))


def test_a_plausible_alignment_passes_with_its_scores():
    scores = check_whole(GOOD, SPEECH, GATE, "en")
    assert scores["log_likelihood"] == -1.0
    assert scores["coverage"] == 1.0
    assert scores["words_per_s"] == pytest.approx(3 / 1.8)


@pytest.mark.parametrize(
    ("alignment", "waveform", "code"),
    [
        (aligned(("a", 0.0, 1.9)), noise((2.0, 0.1)), "gate_word_length"),
        (aligned(("internationalisation", 0.0, 2.9)), noise((3.0, 0.1)), "gate_word_length"),
        (aligned(("to", 0, 0.03), ("be", 0.03, 0.06), ("or", 0.06, 0.09), ("not", 0.5, 1)), SPEECH, "gate_zero_words"),
        (aligned(*[("to", i / 12, (i + 1) / 12) for i in range(12)]), noise((1.0, 0.1)), "gate_word_rate"),
        (aligned(("thank", 0.1, 0.8), ("you", 1.2, 1.9), score=-6.0), SPEECH, "gate_acoustic_score"),
        (aligned(("thank", 0.1, 0.5), ("you", 0.5, 0.8)), SPEECH, "gate_coverage"),
        (
            aligned(("thank", 0.1, 0.8), ("you", 0.85, 0.95), ("bye", 1.0, 1.15), ("now", 1.2, 1.9)),
            SPEECH,
            "gate_silent_words",
        ),
    ],
)
def test_each_rejection_names_its_test(alignment, waveform, code):
    assert code_of(alignment, waveform) == code


def test_one_passage_that_fits_badly_is_not_hidden_by_the_rest():
    bad = (*GOOD.words[:2], AlignedWord("goodbye", *(int(s * SECOND) for s in (1.2, 1.9)), -20.0, 2, 3))
    assert code_of(Alignment(bad, {"log_likelihood": -2.0}), SPEECH) == "gate_acoustic_score"


def test_an_aligner_without_scores_is_judged_by_the_rest():
    bare = Alignment(GOOD.words)
    assert "log_likelihood" not in check_whole(bare, SPEECH, GATE, "en")


def test_missing_words_are_caught():
    with pytest.raises(RecordError) as caught:
        check_spans(GOOD.words[:2], spoken(GOOD), num_samples=len(SPEECH))
    assert caught.value.code == "gate_word_count"


def test_silence_holds_no_words():
    assert code_of(GOOD, np.zeros(2 * SECOND, np.float32)) == "gate_coverage"


@given(
    st.lists(st.tuples(st.integers(-50, 2000), st.integers(-50, 2000)), min_size=1, max_size=6),
    st.integers(0, 1500),
)
def test_spans_pass_exactly_when_they_are_lawful(spans, num_samples):
    words = [AlignedWord("a", start, end, 0.0, 0, 1) for start, end in spans]
    edges = [0, *(edge for span in spans for edge in span), num_samples]
    lawful = edges == sorted(edges) and all(start < end for start, end in spans)
    try:
        check_spans(words, [SpokenWord("a", 0, 1)] * len(words), num_samples=num_samples)
        accepted = True
    except RecordError as error:
        assert error.code == "gate_word_order"  # noqa: PT017
        accepted = False
    assert accepted == lawful


@given(st.integers(0, 2000))
def test_energy_frames_cover_the_audio(num_samples):
    waveform = np.ones(num_samples, np.float32)
    energy = frame_energy(waveform)
    assert energy.shape == (-(-num_samples // 160),)
    assert energy.sum() * 160 == pytest.approx(num_samples)
