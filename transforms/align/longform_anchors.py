"""Where a long recording and its transcript meet again: words heard by Whisper, looked for in the text ahead."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from schemas.errors import RecordError
from schemas.records import SAMPLE_RATE_HZ, Waveform
from transforms.text.verbalise import verbalise
from transforms.units.whisper_weights import tiny_en_folder

_AHEAD_WORDS = 2000
_LEAST_WORDS = 3
_LEAST_LETTERS = 14


@dataclass(frozen=True, slots=True)
class HeardWord:
    """A word as it is spoken and the sample where it begins."""

    text: str
    start_sample: int


@dataclass(frozen=True, slots=True)
class Anchor:
    """Text and audio agree from this sample and this word on, both counted from where the search began."""

    sample: int
    word: int


Transcriber = Callable[[Waveform], list[HeardWord]]


def find_anchor(heard: Sequence[HeardWord], ahead: Sequence[str]) -> Anchor | None:
    """The earliest run of heard words that stands in the text ahead: three words and 14 letters at least."""
    texts = [word.text for word in heard]
    matcher = SequenceMatcher(None, texts, list(ahead[:_AHEAD_WORDS]), autojunk=False)
    for block in matcher.get_matching_blocks():
        letters = sum(map(len, texts[block.a : block.a + block.size]))
        if block.size >= _LEAST_WORDS and letters >= _LEAST_LETTERS:
            return Anchor(heard[block.a].start_sample, block.b)
    return None


def load_transcriber() -> Transcriber:
    """Whisper tiny.en of the pinned package, greedy, one thread.

    Raises:
        UserError: The weights are missing or not the recorded ones.
    """
    from faster_whisper import WhisperModel

    model = WhisperModel(str(tiny_en_folder()), device="cpu", compute_type="int8", cpu_threads=1, local_files_only=True)

    def transcribe(waveform: Waveform) -> list[HeardWord]:
        parts, _ = model.transcribe(
            waveform,
            language="en",
            beam_size=1,
            temperature=0.0,
            word_timestamps=True,
            condition_on_previous_text=False,
        )
        return [heard for part in parts for word in part.words or () for heard in _spoken(word)]

    return transcribe


def _spoken(word: Any) -> list[HeardWord]:
    """What Whisper wrote, in the words that it is spoken by (``21`` -> ``twenty one``)."""
    try:
        words = verbalise(word.word.strip(), "en")
    except RecordError:
        return []
    return [HeardWord(spoken.text, int(word.start * SAMPLE_RATE_HZ)) for spoken in words]
