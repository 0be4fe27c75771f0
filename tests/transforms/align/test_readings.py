import numpy as np
import pytest

from schemas.errors import RecordError
from schemas.records import AlignedWord
from transforms.align.protocol import Alignment
from transforms.align.readings import align_text
from transforms.text.verbalise import verbalise


def chosen(alignment):
    return " ".join(word.text for word in alignment.words)


def said_by_default(text):
    return " ".join(word.text for word in verbalise(text, "en"))


class FakeEvenAligner:
    """Spreads the words evenly, without a log-likelihood, and counts how often it is asked."""

    def __init__(self, fail_over: int = 99) -> None:
        self.calls = 0
        self._fail_over = fail_over

    def align(self, waveform, words):
        self.calls += 1
        if len(words) > self._fail_over:
            raise RecordError("alignment_failed", f"{len(words)} words are too many")
        step = len(waveform) // len(words)
        return Alignment(
            tuple(
                AlignedWord(word.text, index * step, (index + 1) * step, 0.0, word.char_start, word.char_end)
                for index, word in enumerate(words)
            )
        )


def test_the_audio_settles_how_a_number_was_read(aligner, prompt):
    """ "... extension 1234" is said digit by digit here; by itself the likeliest reading of 1234 is a pair."""
    waveform, _ = prompt("demo-instruct")
    piece = waveform[692_000:717_000]
    assert said_by_default("1234") == "twelve thirty four"
    alignment = align_text(aligner, piece, "1234", "en")
    assert chosen(alignment) == "one two three four"
    assert {(word.char_start, word.char_end) for word in alignment.words} == {(0, 4)}


def test_an_acronym_said_as_a_word_is_found(aligner, prompt):
    waveform, text = prompt("spy-iax")
    assert said_by_default(text) == "i a x"
    assert chosen(align_text(aligner, waveform, text, "en")) == "iax"


@pytest.mark.parametrize("tag", ["[noise]", "<unk>", "<i>", "{breath}"])
def test_a_tag_takes_no_audio_from_the_words_around_it(aligner, prompt, tag):
    waveform, text = prompt("queue-thankyou")
    first, rest = text.split(" ", 1)
    plain = align_text(aligner, waveform, text, "en")
    tagged = align_text(aligner, waveform, f"{first} {tag} {rest}", "en")
    assert [(w.text, w.start_sample, w.end_sample) for w in tagged.words] == [
        (w.text, w.start_sample, w.end_sample) for w in plain.words
    ]


def test_a_word_in_brackets_that_is_said_is_found(aligner, prompt):
    waveform, text = prompt("queue-thankyou")
    first, rest = text.split(" ", 1)
    assert chosen(align_text(aligner, waveform, f"[{first}] {rest}", "en")) == text.lower()


def test_a_text_with_one_reading_costs_one_alignment():
    fake = FakeEvenAligner()
    align_text(fake, np.zeros(16_000, np.float32), "thank you", "en")
    assert fake.calls == 1


def test_an_aligner_without_a_likelihood_gets_the_likeliest_reading():
    fake = FakeEvenAligner()
    assert chosen(align_text(fake, np.zeros(16_000, np.float32), "1984", "en")) == "nineteen eighty four"
    assert fake.calls == 1


def test_the_shortest_reading_is_tried_when_the_likeliest_does_not_fit():
    fake = FakeEvenAligner(fail_over=3)
    assert chosen(align_text(fake, np.zeros(16_000, np.float32), "dial IAX", "en")) == "dial iax"


def test_failure_of_all_readings_is_the_aligners_own():
    with pytest.raises(RecordError, match="too many") as caught:
        align_text(FakeEvenAligner(fail_over=0), np.zeros(16_000, np.float32), "IAX", "en")
    assert caught.value.code == "alignment_failed"


@pytest.mark.parametrize("text", ["", "  ...", "!?"])
def test_a_text_without_words_is_filtered(text):
    with pytest.raises(RecordError) as caught:
        align_text(FakeEvenAligner(), np.zeros(16_000, np.float32), text, "en")
    assert (caught.value.code, caught.value.outcome) == ("no_words", "filtered")


def test_an_aligner_of_two_steps_compares_readings_by_its_first(aligner, prompt):
    class FakeTwoSteps:
        """PocketSphinx, and a second step that only counts."""

        refined = 0

        def align(self, waveform, words):
            raise AssertionError("never asked for both steps at once")

        def place(self, waveform, words):
            return aligner.align(waveform, words)

        def refine(self, waveform, placed):
            self.refined += 1
            return placed

    waveform, text = prompt("spy-iax")
    steps = FakeTwoSteps()
    assert align_text(steps, waveform, text, "en") == align_text(aligner, waveform, text, "en")
    assert steps.refined == 1
