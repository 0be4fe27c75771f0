"""Where a long recording and its transcript meet again: words heard by Whisper, looked for in the text ahead."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from schemas.errors import RecordError
from schemas.records import SAMPLE_RATE_HZ, SpokenWord, Waveform
from transforms.text.verbalise import verbalise
from transforms.units.whisper_weights import tiny_en_folder
from transforms.written import Starts

_AHEAD_WORDS = 2000
_NEAR_WORDS = 200
_LEAST_WORDS = 3
_LEAST_LETTERS = 14


@dataclass(frozen=True, slots=True)
class HeardWord:
    """A word as it is spoken and the sample where it begins."""

    text: str
    start_sample: int


@dataclass(frozen=True, slots=True)
class Anchor:
    """Text and audio agree from this sample and this word on, both counted from where the search began.

    ``matched``: so many heard words stand in the text from there on, in its order.
    """

    sample: int
    word: int
    matched: int


Transcriber = Callable[[Waveform], list[HeardWord]]


def find_anchor(heard: Sequence[HeardWord], ahead: Sequence[SpokenWord], starts: Starts) -> Anchor | None:
    """The earliest run of heard words that stands in the text ahead: three words and 14 letters at least.

    Args:
        heard: What the audio says.
        ahead: What the text says.
        starts: Of each word ahead, whether a written word starts with it; an anchor is such a word.
    """
    texts = [word.text for word in heard]
    wanted = [word.text for word in ahead[:_AHEAD_WORDS]]
    blocks = SequenceMatcher(None, texts, wanted, autojunk=False).get_matching_blocks()
    for number, block in enumerate(blocks):
        letters = sum(map(len, texts[block.a : block.a + block.size]))
        whole = [place for place in range(block.size) if starts[block.b + place]]
        if block.size >= _LEAST_WORDS and letters >= _LEAST_LETTERS and whole:
            matched = sum(later.size for later in blocks[number:]) - whole[0]
            return Anchor(heard[block.a + whole[0]].start_sample, block.b + whole[0], matched)
    return None


def first_anchor(
    windows: Iterable[Sequence[HeardWord]], ahead: Sequence[SpokenWord], starts: Starts
) -> tuple[Anchor | None, int]:
    """The anchor among windows of heard words that follow each other, and how many of them were listened to.

    A refrain stands in the text again far ahead, and to go there would lose all that lies between. So what is near is
    preferred, and a leap over more than 200 words needs all windows: more of what they say must stand there than here.
    """
    heard: list[HeardWord] = []
    near = far = None
    listened = 0
    for listened, window in enumerate(windows, start=1):
        heard += window
        far = find_anchor(heard, ahead, starts)
        near = find_anchor(heard, ahead[:_NEAR_WORDS], starts)
        if far is None or (near is not None and near.matched >= far.matched):
            return near, listened
    return far, listened


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
