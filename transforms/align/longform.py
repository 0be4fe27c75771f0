"""A recording of an hour and its transcript, cut at silences into aligned segments.

Any aligner is walked over the recording. A window of audio that ends in a pause is aligned with a few words less
than it should hold: the rest is taken for silence, whereas words too many make the aligner search far and wide (three
times slower). The tail of such an alignment is not to be trusted, so only its first part is kept, up to the widest gap
between two words, where the next window begins::

    audio    |======= window 1 =======|
                          |======= window 2 =======|
    kept     [------------)[-----------)[---- ...          constant memory beside the audio, time linear in it

An aligner of two steps walks by its first; its second places the words that are kept.

Where the words stop fitting (the gate's word verdict, several in a row), text and audio have parted: a passage is
missing in one of them. Whisper then transcribes from there on, and the walk goes on where three of the words heard are
found in the text again; what lies between is lost, and nothing else (``longform_anchors``).

A written word that the aligner cannot pronounce is lost before the walk begins, and parts the segments around it.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby, islice, pairwise

import numpy as np
import numpy.typing as npt

from schemas.errors import RecordError
from schemas.records import SAMPLE_RATE_HZ, AlignedWord, SpokenWord, Waveform
from transforms.align.gate import Gate
from transforms.align.longform_anchors import HeardWord, Transcriber, first_anchor
from transforms.align.longform_segments import MARGIN_SAMPLES, Segment, segments_of
from transforms.align.protocol import Aligner, Alignment, Pronouncing, RefiningAligner
from transforms.align.vad import FRAME_SAMPLES as VAD_FRAME_SAMPLES
from transforms.align.vad import Probabilities, pauses
from transforms.text.verbalise import verbalise
from transforms.written import written_starts

SEGMENT_SAMPLES = 20 * SAMPLE_RATE_HZ
_WINDOW_SAMPLES = 27 * SAMPLE_RATE_HZ
_LONGEST_WINDOW_SAMPLES = 30 * SAMPLE_RATE_HZ  # what Whisper's encoder takes at once
_TRUSTED_SHARE = 0.92
_CUT_FROM_SHARE = 0.7
_EXPECTED_SHARE = 0.92
_ONSET_LETTERS = 1.3  # a word takes the time of its letters and of this many more
_RUN = 5
_PARTED_LOG_ODDS = 0.75  # mean of a run above the gate's limit
_LEAST_PAUSE_SAMPLES = 2400
_LEAST_BREATH_SAMPLES = 4 * SAMPLE_RATE_HZ
_WINDOWS_HEARD = 3


def segments(
    waveform: Waveform,
    text: str,
    language: str,
    *,
    aligner: Aligner,
    gate: Gate,
    transcriber: Transcriber | None,
    max_samples: int = SEGMENT_SAMPLES,
) -> list[Segment]:
    """Segments of at most ``max_samples`` (a written word that lasts longer is one), in order and disjoint.

    The likeliest readings of numbers are aligned; a segment may be aligned again with a choice of readings.
    Without a transcriber (Whisper tiny.en: English) all after the first parting of text and audio is lost.

    Raises:
        RecordError: ``unknown_language``; ``no_words``; ``unpronounceable_word``: it has no other words;
            ``alignment_failed``: no passage of the text was found.
    """
    spoken = verbalise(text, language)
    if not spoken:
        raise RecordError("no_words", "nothing in the transcript is spoken", outcome="filtered")
    walked, silenced = _pronounced(spoken, text, aligner)
    if not walked:
        raise RecordError("unpronounceable_word", f"no pronunciation is known for any word, as {spoken[0].text!r}")
    walk = _Walk(waveform, text, language, walked, aligner, gate, transcriber)
    runs = [part for run in walk.runs() for part in _parted_at(run, silenced)]
    if not runs:
        raise RecordError("alignment_failed", "no passage of the transcript was found in the recording")
    return list(segments_of(runs, text, num_samples=len(waveform), max_samples=max_samples))


def _pronounced(spoken: Sequence[SpokenWord], text: str, aligner: Aligner) -> tuple[list[SpokenWord], list[int]]:
    """The words of all written words that can be pronounced whole, and the first character of every other word."""
    if not isinstance(aligner, Pronouncing):
        return list(spoken), []
    walked: list[SpokenWord] = []
    silenced: list[int] = []
    for first, last in pairwise(np.flatnonzero(written_starts(spoken, text)).tolist()):
        written = spoken[first:last]
        if all(aligner.pronounces(word.text) for word in written):
            walked += written
        else:
            silenced += [word.char_start for word in written]
    return walked, silenced


def _parted_at(run: Sequence[AlignedWord], silenced: Sequence[int]) -> Iterator[list[AlignedWord]]:
    """A run in parts between which no word was taken out."""
    for _, part in groupby(run, key=lambda word: bisect_left(silenced, word.char_start)):
        yield list(part)


class _Walk:
    """The walk's place: ``sample`` of the audio and ``word`` of the text; everything before is settled."""

    def __init__(
        self,
        waveform: Waveform,
        text: str,
        language: str,
        spoken: Sequence[SpokenWord],
        aligner: Aligner,
        gate: Gate,
        transcriber: Transcriber | None,
    ) -> None:
        self._waveform, self._text, self._language, self._spoken = waveform, text, language, spoken
        self._aligner, self._gate, self._transcriber = aligner, gate, transcriber
        self._place = aligner.place if isinstance(aligner, RefiningAligner) else aligner.align
        self._speech = gate.vad.probabilities(waveform)
        self._pauses = pauses(self._speech, num_samples=len(waveform), min_samples=_LEAST_PAUSE_SAMPLES)
        self._borders = written_starts(spoken, text)
        self._letters = np.cumsum([0.0, *(len(word.text) + _ONSET_LETTERS for word in spoken)])
        self._letters_per_s = gate.usual_letters_per_s(language) * 1.2
        self._sample = 0
        self._word = 0

    def runs(self) -> Iterator[list[AlignedWord]]:
        """Whole written words that follow each other in text and audio, nothing lost between; times of the whole."""
        run: list[AlignedWord] = []
        while self._word < len(self._spoken) and self._sample < len(self._waveform):
            end = self._window_end(self._sample)
            placed, parted = self._step(end)
            run += placed
            if placed:
                self._word += len(placed)
                self._sample = self._gap_after(placed[-1], end)
            if not parted:
                continue
            if run:
                yield run
                run = []
            self._rejoin(moved=bool(placed))
        if run:
            yield run

    def _step(self, end: int) -> tuple[list[AlignedWord], bool]:
        """Align the next window; the words that are settled by it, and whether text and audio part after them."""
        last_window = end == len(self._waveform)
        expected = self._speech_s(self._sample, end) * self._letters_per_s * _EXPECTED_SHARE
        count = int(np.searchsorted(self._letters, self._letters[self._word] + expected)) - self._word
        left = len(self._spoken) - self._word
        if last_window and left <= 1.5 * count + 5:
            count = left
        count = self._border_after(max(1, min(count, left)))
        words = self._spoken[self._word : self._word + count]
        audio = self._waveform[self._sample : end]
        try:
            alignment = self._place(audio, words)
        except RecordError:
            return [], True
        speech = self._speech_of(self._sample, end)
        measures = self._gate.measures(alignment, audio, self._text, self._language, hear=False, speech=speech)
        _, excess_W = self._gate.excess(measures)
        bad = _first_bad_run(excess_W)
        ends_all = last_window and count == left
        trusted = len(audio) if ends_all else int(_TRUSTED_SHARE * len(audio))
        if bad is not None and (alignment.words[bad].start_sample < trusted or ends_all):
            kept, parted = self._border_before(bad), True
        else:
            kept, parted = (count, False) if ends_all else (self._cut(alignment, len(audio)), False)
        placed = [word.moved(samples=self._sample) for word in self._refined(alignment.words, kept, audio)]
        if placed and not parted:
            self._learn_rate(placed)
        return placed, parted or not placed

    def _refined(self, words: Sequence[AlignedWord], kept: int, audio: Waveform) -> list[AlignedWord]:
        """The first ``kept`` words, by an aligner's second step if it has one, breath by breath.

        An aligner is at its best on an utterance: what it takes for the voice and the channel is the mean over all
        that it is given, and a long recording may have many voices.
        """
        rough = words[:kept]
        if not rough or not isinstance(self._aligner, RefiningAligner):
            return list(rough)
        end = len(audio) if kept == len(words) else (rough[-1].end_sample + words[kept].start_sample) // 2
        refined: list[AlignedWord] = []
        for breath, start, stop in _breaths(rough, end):
            try:
                placed = Alignment(tuple(word.moved(samples=-start) for word in breath))
                refined += [word.moved(samples=start) for word in self._aligner.refine(audio[start:stop], placed).words]
            except RecordError:
                refined += breath
        return refined

    def _rejoin(self, *, moved: bool) -> None:
        """Move to where text and audio agree again, or over audio that the text lacks; always onward."""
        if self._transcriber is None:
            self._word = len(self._spoken)
            return
        ends = list(islice(self._window_ends(), _WINDOWS_HEARD))
        windows = self._heard(self._transcriber, ends)
        anchor, listened = first_anchor(windows, self._spoken[self._word :], self._borders[self._word :])
        here = anchor is not None and anchor.word == 0 and anchor.sample < _LEAST_PAUSE_SAMPLES
        if anchor is None or (here and not moved):
            # Nothing that was heard is in the text, or what was heard here does not align here: leave it.
            self._sample = ends[listened - 1] if anchor is None else ends[0]
            return
        onward = max(self._sample, self._pause_before(self._sample + anchor.sample))
        if not moved and anchor.word == 0 and onward == self._sample:
            # The pause before what was heard is the one that the walk stands in: the same window would be tried again.
            onward = ends[0]
        self._word += anchor.word
        self._sample = onward

    def _window_ends(self) -> Iterator[int]:
        end = self._sample
        while end < len(self._waveform):
            end = self._window_end(end)
            yield end

    def _heard(self, transcriber: Transcriber, ends: Sequence[int]) -> Iterator[list[HeardWord]]:
        """What is said in the windows up to these ends; samples count from where the walk stands."""
        for start, end in pairwise([self._sample, *ends]):
            yield [
                replace(word, start_sample=word.start_sample + start - self._sample)
                for word in transcriber(self._waveform[start:end])
            ]

    def _window_end(self, start: int) -> int:
        """The middle of the first pause after a window's length, or the longest window's end."""
        if len(self._waveform) - start <= _LONGEST_WINDOW_SAMPLES:
            return len(self._waveform)
        for pause in self._pauses:
            middle = (pause.start + pause.end) // 2
            if middle >= start + _WINDOW_SAMPLES:
                return min(middle, start + _LONGEST_WINDOW_SAMPLES)
        return start + _LONGEST_WINDOW_SAMPLES

    def _pause_before(self, sample: int) -> int:
        """A sample shortly before, in a pause if there is one within half a second."""
        near = [pause for pause in self._pauses if sample - SAMPLE_RATE_HZ // 2 <= pause.end <= sample + MARGIN_SAMPLES]
        return near[-1].end - min(len(near[-1]) // 2, MARGIN_SAMPLES) if near else max(0, sample - 1600)

    def _gap_after(self, word: AlignedWord, end: int) -> int:
        """Where the next window begins: the middle of the pause after a word, or its end."""
        for pause in self._pauses:
            if pause.start <= word.end_sample + MARGIN_SAMPLES // 2 and pause.end > word.end_sample:
                return min(end, max(word.end_sample, (pause.start + pause.end) // 2))
        return word.end_sample

    def _border_before(self, words: int) -> int:
        """The most words, at most so many, that end with a written one."""
        return int(np.flatnonzero(self._borders[self._word : self._word + words + 1])[-1])

    def _border_after(self, words: int) -> int:
        return words + int(np.argmax(self._borders[self._word + words :]))

    def _cut(self, alignment: Alignment, num_samples: int) -> int:
        """Number of words to keep: up to the widest gap of the trusted part's end, never inside a written word."""
        words = alignment.words
        first, last = int(_CUT_FROM_SHARE * num_samples), int(_TRUSTED_SHARE * num_samples)
        borders: list[int] = np.flatnonzero(self._borders[self._word : self._word + len(words)])[1:].tolist()
        cuts = [place for place in borders if words[place - 1].end_sample <= last]
        late = [place for place in cuts if words[place - 1].end_sample >= first]
        if late:
            return max(late, key=lambda place: words[place].start_sample - words[place - 1].end_sample)
        return cuts[-1] if cuts else len(words)

    def _speech_of(self, start: int, end: int) -> Probabilities:
        """The voice activity of a stretch, from the recording's frame that begins nearest to its own."""
        first, frames = round(start / VAD_FRAME_SAMPLES), -(-(end - start) // VAD_FRAME_SAMPLES)
        speech = self._speech[first : first + frames]
        return np.pad(speech, (0, frames - len(speech)), mode="edge")

    def _speech_s(self, start: int, end: int) -> float:
        frames = self._speech[start // VAD_FRAME_SAMPLES : -(-end // VAD_FRAME_SAMPLES)]
        return float(frames.sum()) * VAD_FRAME_SAMPLES / SAMPLE_RATE_HZ

    def _learn_rate(self, placed: Sequence[AlignedWord]) -> None:
        speech_s = self._speech_s(placed[0].start_sample, placed[-1].end_sample)
        letters = sum(len(word.text) + _ONSET_LETTERS for word in placed)
        if speech_s > 2.0:
            self._letters_per_s += 0.3 * (letters / speech_s - self._letters_per_s)


def _breaths(words: Sequence[AlignedWord], end: int) -> Iterator[tuple[Sequence[AlignedWord], int, int]]:
    """Runs of words between pauses, of ``_LEAST_BREATH_SAMPLES`` at least; from where to where each has the audio."""
    first, start = 0, 0
    for place, (word, following) in enumerate(pairwise(words), start=1):
        middle = (word.end_sample + following.start_sample) // 2
        pause = following.start_sample - word.end_sample >= _LEAST_PAUSE_SAMPLES
        if pause and min(middle - start, end - middle) >= _LEAST_BREATH_SAMPLES:
            yield words[first:place], start, middle
            first, start = place, middle
    yield words[first:], start, end


def _first_bad_run(excess_W: npt.NDArray[np.float64]) -> int | None:
    """The first word of the first run of five (or all) whose mean excess is too high, where its own is above zero."""
    size = min(_RUN, len(excess_W))
    clipped_W = np.clip(excess_W, -4.0, 4.0)
    means = np.convolve(clipped_W, np.ones(size) / size, mode="valid")
    bad = np.flatnonzero(means > _PARTED_LOG_ODDS)
    if not len(bad):
        return None
    first = int(bad[0])
    return first + int(np.flatnonzero(clipped_W[first : first + size] > 0)[0])
