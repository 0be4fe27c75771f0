"""Word and character error rate by Whisper tiny.en, the recogniser that comes with the installation."""

from collections.abc import Sequence

import jiwer
import numpy as np
from transformers.models.whisper.english_normalizer import EnglishTextNormalizer

from schemas.errors import UserError
from schemas.records import SAMPLE_RATE_HZ, Waveform

_MIN_SAMPLES = SAMPLE_RATE_HZ // 2
_BEAM = 3


def transcribe(waveforms: Sequence[Waveform]) -> list[str]:
    """English text of each recording, as Whisper writes it.

    int8 on one CPU thread, beam 3 at temperature 0 with no fallback to sampling, no voice activity detection and no
    text carried from one window to the next: the same audio gives the same text.

    Raises:
        UserError: The package that holds the model is missing or is not the recorded one.
    """
    from faster_whisper import WhisperModel

    from transforms.units.whisper_weights import tiny_en_folder

    model = WhisperModel(str(tiny_en_folder()), device="cpu", compute_type="int8", cpu_threads=1, local_files_only=True)
    texts = []
    for waveform in waveforms:
        # Shorter input than this makes Whisper invent sentences; digital silence behind it changes nothing else.
        padded = _at_least(waveform, _MIN_SAMPLES)
        segments, _ = model.transcribe(
            padded,
            language="en",
            beam_size=_BEAM,
            temperature=0.0,
            condition_on_previous_text=False,
            vad_filter=False,
            without_timestamps=True,
        )
        texts.append(" ".join(segment.text.strip() for segment in segments))
    return texts


def normalise_english(text: str) -> str:
    """Lower case, no punctuation, numbers as digits, contractions spelled out: Whisper's own rules for scoring."""
    words = EnglishTextNormalizer({})(text).split()
    return " ".join(word for word in words if any(character.isalnum() for character in word))


def word_errors(reference: str, hypothesis: str) -> tuple[int, int]:
    """Errors and reference words of one pair, both sides normalised alike.

    Where the reference has no words after normalisation, inserted words are errors.
    """
    expected, heard = normalise_english(reference), normalise_english(hypothesis)
    if not expected:
        return len(heard.split()), 0
    counts = jiwer.process_words(expected, heard)
    return counts.substitutions + counts.deletions + counts.insertions, len(expected.split())


def character_errors(reference: str, hypothesis: str) -> tuple[int, int]:
    """Errors and reference characters of one pair, spaces among them; normalised as the words are."""
    expected, heard = normalise_english(reference), normalise_english(hypothesis)
    if not expected:
        return len(heard), 0
    counts = jiwer.process_characters(expected, heard)
    return counts.substitutions + counts.deletions + counts.insertions, len(expected)


def word_error_rate(references: Sequence[str], hypotheses: Sequence[str]) -> float:
    """Errors over reference words of the whole corpus (``word_errors``).

    Raises:
        UserError: The two differ in length, or the references hold no word.
    """
    if len(references) != len(hypotheses):
        raise UserError(f"word error rate: {len(references)} references but {len(hypotheses)} hypotheses")
    pairs = [word_errors(*pair) for pair in zip(references, hypotheses, strict=True)]
    words = sum(words for _, words in pairs)
    if words == 0:
        raise UserError("word error rate: the references hold no word")
    return sum(errors for errors, _ in pairs) / words


def _at_least(waveform: Waveform, samples: int) -> Waveform:
    return np.pad(waveform, (0, max(samples - len(waveform), 0)))
