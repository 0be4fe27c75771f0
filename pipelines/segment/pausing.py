"""One long recording without a transcript to segments of speech."""

from pipelines.segment.cutting import Lost, Passage, Written
from schemas.errors import RecordError
from schemas.records import SourceRow, Waveform
from transforms.align.speech_segments import speech_segments
from transforms.align.vad import SileroVad


class PauseCutter:
    """A loaded voice activity model. Texts, where there are any, are of the whole recording and in no segment."""

    def __init__(self, vad: SileroVad, *, max_samples: int) -> None:
        self._vad, self._max_samples = vad, max_samples

    def written(self, row: SourceRow) -> Written:
        return []

    def cut(self, row: SourceRow, waveform: Waveform, written: Written) -> tuple[list[Passage], Lost]:
        """Segments in order and disjoint; no speech is lost.

        Raises:
            RecordError: ``no_speech``.
        """
        probabilities = self._vad.probabilities(waveform)
        spans = speech_segments(probabilities, num_samples=len(waveform), max_samples=self._max_samples)
        if not spans:
            raise RecordError("no_speech", "the voice activity model hears no speech in it", outcome="filtered")
        return [Passage(span.start, span.end, 0, 0) for span in spans], Lost(0, 0)

    def all_lost(self, row: SourceRow, waveform: Waveform, written: Written) -> Lost:
        return Lost(0, 0)
