"""Recordings at several speeds: pitch and formants move along, so that few voices stand for more (Ko et al. 2015)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from pipelines.fit.recordings import IndexedRecordings
from schemas.records import SAMPLE_RATE_HZ, SourceRow, Utterance
from transforms.audio import resample
from transforms.backend import digest_json


class AtSpeeds:
    """All recordings at the first speed, then at the next; ``@SPEED`` is added to an id but at speed 1.

    Args:
        speeds: A recording at 1.15 is 1.15 times as fast and as high.
    """

    def __init__(self, recordings: IndexedRecordings, speeds: Sequence[float]) -> None:
        self._recordings, self._speeds = recordings, tuple(speeds)
        self.rows = [_named(row, speed) for speed in self._speeds for row in recordings.rows]

    @property
    def fingerprint(self) -> str:
        return digest_json([self._recordings.fingerprint, self._speeds])

    @property
    def left_out(self) -> Mapping[str, int]:
        return self._recordings.left_out

    def __call__(self) -> Iterator[Utterance]:
        for speed in self._speeds:
            for utterance in self._recordings():
                yield _played(utterance, speed)

    def read(self, index: int) -> Utterance:
        """One row with its audio.

        Raises:
            RecordError: It cannot be read.
        """
        turn, place = divmod(index, len(self._recordings.rows))
        return _played(self._recordings.read(place), self._speeds[turn])

    def digest(self, index: int) -> str:
        return self._recordings.digest(index % len(self._recordings.rows))


def _named(row: SourceRow, speed: float) -> SourceRow:
    return row if speed == 1 else replace(row, utterance_id=f"{row.utterance_id}@{speed:g}")


def _played(utterance: Utterance, speed: float) -> Utterance:
    waveform = resample(utterance.waveform, round(SAMPLE_RATE_HZ * speed))
    return replace(utterance, row=_named(utterance.row, speed), waveform=waveform)
