"""One long recording and its transcript to segments that stand: cut, aligned as a corpus job does, and judged.

Two rounds. The long-form aligner's pieces go through alignment and gate, which trims or rejects some of them; what is
then left in text and in audio between two neighbours is walked once more, from where Whisper first hears the text::

    round 1   [  stands  ]....[  trimmed ~~~]....[  stands  ]
    round 2   [  stands  ]    [  kept  ][ stands ][ stands  ]        words and speech that still lie between are lost
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Protocol

import numpy as np

from schemas.errors import RecordError
from schemas.records import SAMPLE_RATE_HZ, AlignedWord, SourceRow, Span, SpokenWord, Waveform
from transforms.align.gate import Gate
from transforms.align.longform import segments
from transforms.align.longform_anchors import Transcriber, find_anchor
from transforms.align.longform_segments import Segment, parted
from transforms.align.protocol import LOG_LIKELIHOOD, Aligner, Alignment, RefiningAligner
from transforms.align.readings import align_row, check_language, only_reading
from transforms.align.vad import FRAME_SAMPLES, SPEECH_PROBABILITY
from transforms.text.language_codes import base_language
from transforms.text.verbalise import verbalise
from transforms.written import written_starts

_LEAST_SPEECH_SAMPLES = SAMPLE_RATE_HZ // 2
"""Less speech than this between two segments is a breath or the edge of a word, and no lost passage."""
_LEAST_WORDS = 3
_LEAST_PARTED_WORDS = 5  # of four, one that is said elsewhere came through
_HEARD_SAMPLES = 28 * SAMPLE_RATE_HZ  # what Whisper takes at once
_BEFORE_ANCHOR_SAMPLES = SAMPLE_RATE_HZ // 10
_TRANSCRIBED = "en"  # what the bundled Whisper understands


Written = Sequence[tuple[int, int]]
"""Character ranges of what is spoken, in order."""


@dataclass(frozen=True, slots=True)
class Passage:
    """Samples and characters of a recording, half-open: one that stands with its words, or one that is lost.

    ``words`` count from ``start_sample``; their characters are of no use once the passage is cut out.
    """

    start_sample: int
    end_sample: int
    char_start: int
    char_end: int
    words: tuple[AlignedWord, ...] = ()


@dataclass(frozen=True, slots=True)
class Lost:
    """What is in no segment: words as written, and samples of speech by the voice activity model."""

    words: int
    speech_samples: int
    first: str = ""
    """Where the first lost words are, for a person."""


class Cutter(Protocol):
    """Loaded models. Holds nothing of one recording when it cuts the next."""

    def written(self, row: SourceRow) -> Written:
        """The words that are spoken. Raises RecordError (``unknown_language``)."""
        ...

    def cut(self, row: SourceRow, waveform: Waveform, written: Written) -> tuple[list[Passage], Lost]:
        """Segments in order and disjoint in text and audio, and what is in none of them.

        Raises:
            RecordError: No segment stands.
        """
        ...

    def all_lost(self, row: SourceRow, waveform: Waveform, written: Written) -> Lost:
        """What a recording holds of which no segment stands."""
        ...


class TextCutter:
    """Cuts where the aligner finds the transcript's words, and the gate leaves them."""

    def __init__(self, aligner: Aligner, gate: Gate, transcriber: Transcriber | None, *, max_samples: int) -> None:
        self._aligner, self._gate, self._transcriber = aligner, gate, transcriber
        self._max_samples = max_samples

    def cut(self, row: SourceRow, waveform: Waveform, written: Written) -> tuple[list[Passage], Lost]:
        """Segments in order and disjoint in text and audio, and what is in none of them.

        Raises:
            RecordError: No segment stands; codes of ``segments``, of the aligner or of the gate.
        """
        check_language(self._aligner, row.language)
        whole = Passage(0, len(waveform), 0, len(row.text))
        standing, error = self._round(row, waveform, [whole])
        if not standing:
            raise error or RecordError("alignment_failed", "no passage of the transcript was found in the recording")
        between = [gap for gap in _gaps(standing, whole) if self._worth_a_walk(gap, written, waveform)]
        more, _ = self._round(row, waveform, [self._from_anchor(gap, row, waveform) for gap in between])
        standing = _with_all_text(sorted([*standing, *more], key=lambda piece: piece.start_sample), row.text, written)
        return standing, self.lost(row.text, written, waveform, standing)

    def written(self, row: SourceRow) -> Written:
        return sorted({(word.char_start, word.char_end) for word in verbalise(row.text, row.language)})

    def all_lost(self, row: SourceRow, waveform: Waveform, written: Written) -> Lost:
        return self.lost(row.text, written, waveform, [])

    def lost(self, text: str, written: Written, waveform: Waveform, standing: Sequence[Passage]) -> Lost:
        """Words and speech outside of what stands."""
        gaps = _gaps(standing, Passage(0, len(waveform), 0, len(text)))
        spoken = [self._speech_samples(waveform[gap.start_sample : gap.end_sample]) for gap in gaps]
        missing = [(gap, words) for gap in gaps if (words := _inside(written, gap.char_start, gap.char_end))]
        first = ""
        if missing:
            gap, words = missing[0]
            said = text[words[0][0] : words[-1][1]]
            first = f"{said[:60]!r} after {gap.start_sample / SAMPLE_RATE_HZ:.1f} s"
        elif any(samples >= _LEAST_SPEECH_SAMPLES for samples in spoken):
            place = next(place for place, samples in enumerate(spoken) if samples >= _LEAST_SPEECH_SAMPLES)
            first = f"speech after {gaps[place].start_sample / SAMPLE_RATE_HZ:.1f} s"
        return Lost(
            sum(len(words) for _, words in missing),
            sum(samples for samples in spoken if samples >= _LEAST_SPEECH_SAMPLES),
            first,
        )

    def _round(
        self, row: SourceRow, waveform: Waveform, stretches: Sequence[Passage]
    ) -> tuple[list[Passage], RecordError | None]:
        """What stands of some stretches, in order, and the first reason why something does not."""
        standing: list[Passage] = []
        first_error: RecordError | None = None
        for stretch in stretches:
            audio = waveform[stretch.start_sample : stretch.end_sample]
            text = row.text[stretch.char_start : stretch.char_end]
            try:
                found = segments(
                    audio,
                    text,
                    row.language,
                    aligner=self._aligner,
                    gate=self._gate,
                    transcriber=self._transcriber_of(row.language),
                    max_samples=self._max_samples,
                )
            except RecordError as error:
                first_error = first_error or error
                continue
            for piece in found:
                passages, reason = self._standing(replace(row, text=text), audio, piece)
                first_error = first_error or reason
                standing += [
                    _moved(passage, samples=stretch.start_sample, chars=stretch.char_start) for passage in passages
                ]
        return standing, first_error

    def _standing(self, row: SourceRow, waveform: Waveform, piece: Segment) -> tuple[list[Passage], RecordError | None]:
        """What stands of a piece; one that is rejected whole is parted, and each half judged for itself."""
        part = replace(row, text=row.text[piece.char_start : piece.char_end])
        audio = waveform[piece.start_sample : piece.end_sample]
        try:
            judged = self._as_walked(piece, part, audio)
            if judged is None:
                judged = self._judged(align_row(self._aligner, part, audio), part, audio)
        except RecordError as error:
            halves = parted(piece, row.text, least_words=_LEAST_PARTED_WORDS)
            if halves is None:
                return [], error
            found = [self._standing(row, waveform, half)[0] for half in halves]
            return [passage for passages in found for passage in passages], error
        return [_moved(judged, samples=piece.start_sample, chars=piece.char_start)], None

    def _as_walked(self, piece: Segment, row: SourceRow, waveform: Waveform) -> Passage | None:
        """What the gate leaves of a piece with the walk's own words.

        None where another alignment may do better: the text has a choice of readings, the aligner has no second step
        that has placed the words, or the gate rejects them all, as the first step's scores suffer from what else the
        walk's window held.
        """
        if not isinstance(self._aligner, RefiningAligner) or only_reading(row) is None:
            return None
        lengths = [word.end_sample - word.start_sample for word in piece.words]
        fit = float(np.average([word.score for word in piece.words], weights=lengths))
        try:
            return self._judged(Alignment(piece.words, {LOG_LIKELIHOOD: fit}), row, waveform)
        except RecordError:
            return None

    def _judged(self, alignment: Alignment, row: SourceRow, waveform: Waveform) -> Passage:
        """All of an aligned piece, or what the gate leaves of it.

        Raises:
            RecordError: It does not stand.
        """
        words = [SpokenWord(word.text, word.char_start, word.char_end) for word in alignment.words]
        kept = self._gate.judge(alignment, words, waveform, row.text, row.language).kept
        if kept is None:
            return Passage(0, len(waveform), 0, len(row.text), alignment.words)
        return Passage(kept.start_sample, kept.end_sample, kept.char_start, kept.char_end, kept.alignment.words)

    def _worth_a_walk(self, gap: Passage, written: Written, waveform: Waveform) -> bool:
        if len(_inside(written, gap.char_start, gap.char_end)) < _LEAST_WORDS:
            return False
        return self._speech_samples(waveform[gap.start_sample : gap.end_sample]) >= _LEAST_SPEECH_SAMPLES

    def _from_anchor(self, gap: Passage, row: SourceRow, waveform: Waveform) -> Passage:
        """The rest of a gap from where words heard in it stand in its text; all of it if none do."""
        transcriber = self._transcriber_of(row.language)
        if transcriber is None:
            return gap
        heard = transcriber(waveform[gap.start_sample : min(gap.end_sample, gap.start_sample + _HEARD_SAMPLES)])
        gap_text = row.text[gap.char_start : gap.char_end]
        spoken = verbalise(gap_text, row.language)
        anchor = find_anchor(heard, spoken, written_starts(spoken, gap_text))
        if anchor is None:
            return gap
        start = gap.start_sample + max(0, anchor.sample - _BEFORE_ANCHOR_SAMPLES)
        return replace(gap, start_sample=start, char_start=gap.char_start + spoken[anchor.word].char_start)

    def _transcriber_of(self, language: str) -> Transcriber | None:
        return self._transcriber if base_language(language) == _TRANSCRIBED else None

    def _speech_samples(self, waveform: Waveform) -> int:
        return int((self._gate.vad.probabilities(waveform) >= SPEECH_PROBABILITY).sum()) * FRAME_SAMPLES


def _inside(written: Written, start: int, end: int) -> Written:
    """The words that begin in a range of characters."""
    return written[bisect_left(written, (start, -1)) : bisect_left(written, (end, -1))]


def _moved(passage: Passage, *, samples: int, chars: int) -> Passage:
    return replace(
        passage,
        start_sample=passage.start_sample + samples,
        end_sample=passage.end_sample + samples,
        char_start=passage.char_start + chars,
        char_end=passage.char_end + chars,
    )


def _gaps(standing: Sequence[Passage], whole: Passage) -> list[Passage]:
    """What lies before, between and after passages, in text and audio; one more than there are passages."""
    head = Passage(0, whole.start_sample, 0, whole.char_start)
    tail = Passage(whole.end_sample, whole.end_sample, whole.char_end, whole.char_end)
    return [
        Passage(before.end_sample, after.start_sample, before.char_end, after.char_start)
        for before, after in pairwise([head, *standing, tail])
    ]


def _with_all_text(standing: Sequence[Passage], text: str, written: Written) -> list[Passage]:
    """Passages, at least one, that hold the punctuation around them too: what is not spoken and lies between goes to
    the earlier one, but for marks that stand at the later one's first word."""
    spans = [Span(piece.char_start, piece.char_end) for piece in standing]
    starts = []
    floor = 0
    for place, span in enumerate(spans):
        start = 0 if place == 0 and not _inside(written, 0, span.start) else span.start
        while start > floor and not text[start - 1].isspace():
            start -= 1
        starts.append(start)
        floor = span.end
    ends = []
    for span, limit in zip(spans, [*starts[1:], len(text)], strict=True):
        end = span.end if _inside(written, span.end, limit) else limit
        ends.append(max(span.end, end))
    return [
        replace(piece, char_start=start, char_end=end) for piece, start, end in zip(standing, starts, ends, strict=True)
    ]
