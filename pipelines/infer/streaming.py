"""An answer as it comes: text that no later token changes, and audio that no later unit changes.

A vocoder looks ahead: the next units change how long a unit lasts and how it sounds. So the units so far are
synthesised, and the samples that lie farther from the end than that reach are given out::

    so far    [ given out | given out now |     may change     ]
                                           <--- lookahead ---->

Each time half as much again is given out as was before, so all syntheses together cost at most thrice the last one.
Where tokens come 1.5 times as fast as they are spoken, a chunk is there before those before it have been heard: with
``E`` seconds given out, the next chunk waits for ``0.5 E`` more and the first chunk's length, which is the head start.
"""

from collections.abc import Callable, Sequence

import numpy as np

from pipelines.infer.parts import Part, Speech, Text
from schemas.records import SAMPLE_RATE_HZ, Modality, StreamKind
from schemas.vocabulary import VocabularyLayout
from transforms.text.protocol import TextTokenizer
from transforms.vocoder.protocol import Vocoder

_GROWTH = 0.5
_UNITS_BETWEEN_TRIES = 8
_REPLACEMENT = "\ufffd"  # what an unfinished character decodes to


class TextStream:
    """Text of a run of tokens; the characters of unfinished bytes are held back."""

    def __init__(self, tokenizer: TextTokenizer) -> None:
        self._tokenizer = tokenizer
        self._tokens: list[int] = []
        self._given = 0

    def push(self, token: int) -> list[Part]:
        self._tokens.append(token)
        return self._give(self._tokenizer.decode(self._tokens).rstrip(_REPLACEMENT))

    def finish(self) -> list[Part]:
        return self._give(self._tokenizer.decode(self._tokens))

    def _give(self, text: str) -> list[Part]:
        new, self._given = text[self._given :], max(self._given, len(text))
        return [Text(new)] if new else []


class SpeechStream:
    """Audio of a run of tokens. ``speak`` makes the part that the run would be if it ended here."""

    def __init__(
        self,
        *,
        layout: VocabularyLayout,
        vocoder: Vocoder | None,
        unit_hop: int,
        speak: Callable[[Sequence[int]], Speech],
        chunk_s: float,
    ) -> None:
        self._layout = layout
        self._vocoder = vocoder
        self._unit_hop = unit_hop
        self._speak = speak
        self._chunk_samples = int(chunk_s * SAMPLE_RATE_HZ)
        self._tokens: list[int] = []
        self._units: list[int] = []
        self._given_tokens = 0
        self._given_samples = 0
        # Before its first token a stream has no code, and that token holds back to the run's beginning.
        sounding = vocoder.stream_fingerprints if vocoder is not None else {}
        self._awaited: set[StreamKind] = {
            kind for kind in ("pitch", "style") if kind in sounding and layout.codebook_size(kind)
        }

    def push(self, token: int) -> list[Part]:
        self._tokens.append(token)
        if self._vocoder is None:
            return self._give(None, 0)
        decoded = self._layout.decode_id(token)
        if decoded is None:
            return []
        kind, code = decoded
        if kind != "units":
            self._awaited.discard(kind)
            return []
        self._units.append(code)
        if self._awaited or len(self._units) % _UNITS_BETWEEN_TRIES:
            return []
        settled = self._settled_samples(self._vocoder)
        if settled < self._given_samples * (1 + _GROWTH) + self._chunk_samples:
            return []
        return self._give(self._speak(self._tokens), settled)

    def finish(self) -> list[Part]:
        if not self._tokens:
            return []
        return self._give(self._speak(self._tokens), None)

    def _settled_samples(self, vocoder: Vocoder) -> int:
        units_ahead, frames_ahead = vocoder.lookahead
        frames = vocoder.durations(np.array(self._units, dtype=np.int32))
        settled = int(frames[: max(0, len(frames) - units_ahead)].sum()) - frames_ahead
        return max(0, settled) * self._unit_hop

    def _give(self, spoken: Speech | None, end: int | None) -> list[Part]:
        tokens = tuple(self._tokens[self._given_tokens :])
        audio = None
        if spoken is not None and isinstance(spoken.audio, np.ndarray):
            audio = spoken.audio[self._given_samples : end]
            self._given_samples += len(audio)
        self._given_tokens = len(self._tokens)
        return [Speech(audio=audio, tokens=tokens)] if tokens or (audio is not None and len(audio)) else []


class AnswerStream:
    """Generated tokens to parts; ``first`` is the modality in force at their start."""

    def __init__(
        self,
        *,
        first: Modality,
        layout: VocabularyLayout,
        text: Callable[[], TextStream],
        speech: Callable[[], SpeechStream],
    ) -> None:
        self._make: dict[Modality, Callable[[], TextStream | SpeechStream]] = {"text": text, "speech": speech}
        self._opens: dict[int, Modality] = {layout.text_marker: "text", layout.speech_marker: "speech"}
        self._run = self._make[first]()

    def push(self, token: int) -> list[Part]:
        if token not in self._opens:
            return self._run.push(token)
        ended = self._run.finish()
        self._run = self._make[self._opens[token]]()
        return ended

    def finish(self) -> list[Part]:
        return self._run.finish()
