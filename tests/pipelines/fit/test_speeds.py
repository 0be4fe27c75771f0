import numpy as np

from pipelines.fit.speeds import AtSpeeds
from schemas.records import SourceRow, Utterance


class FakeRecordings:
    """Sines of 500 Hz."""

    rows = (SourceRow("a", "a.wav", ""), SourceRow("b", "b.wav", ""))

    def __call__(self):
        return map(self.read, range(len(self.rows)))

    def read(self, index):
        sine = 0.5 * np.sin(2 * np.pi * 500 / 16_000 * np.arange(16_000 * (index + 1)))
        return Utterance(self.rows[index], sine.astype(np.float32), "digest")


def test_a_speed_moves_length_and_pitch():
    recordings = AtSpeeds(FakeRecordings(), (1, 1.25))
    assert [row.utterance_id for row in recordings.rows] == ["a", "b", "a@1.25", "b@1.25"]
    for index, (streamed, row) in enumerate(zip(recordings(), recordings.rows, strict=True)):
        read = recordings.read(index)
        assert read.row == streamed.row == row
        assert np.array_equal(read.waveform, streamed.waveform)
        speed = 1.25 if "@" in row.utterance_id else 1
        assert read.num_samples == 16_000 * (index % 2 + 1) / speed
        assert np.abs(np.fft.rfft(read.waveform)).argmax() * 16_000 / read.num_samples == 500 * speed
