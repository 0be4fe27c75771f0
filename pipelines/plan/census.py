"""How much a corpus holds: its rows are counted as they stream by, its hours are read from audio headers.

Of a large corpus the headers of a sample are read. The sample is the rows whose ids have the smallest digests: it is
the same whatever the order of the rows, and holds them in a heap of its own size.
"""

import hashlib
import heapq
import io
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, variance

import fsspec
import soundfile as sf

from pipelines.partition import Row, order_of
from schemas.errors import RecordError, TransientError
from schemas.records import SourceRow
from transforms.audio_access import is_network_error
from transforms.audio_reader import AudioReader

HEADERS = 1000
Z_95 = 1.96


@dataclass(frozen=True, slots=True)
class Census:
    """What was counted, and what the sampled headers say.

    Args:
        utterances: Of the job, refused entries included; ``opted_out`` are among them.
        sampled: Rows whose headers were read, of which ``unreadable`` could not be.
        hours: Of the audio that can be read and is not too long; ``hours_low`` and ``hours_high`` are its 95 %
            interval, equal to it where every header was read.
        mean_words: In a transcript; ``mean_text_bytes`` its size.
    """

    utterances: int
    refused: int
    opted_out: int
    sampled: int
    unreadable: int
    too_long: int
    hours: float
    hours_low: float
    hours_high: float
    mean_words: float
    mean_text_bytes: float

    @property
    def usable(self) -> int:
        """Expected number of utterances that reach the first stage after decoding."""
        rows = self.utterances - self.refused - self.opted_out
        return round(rows * (self.sampled - self.unreadable - self.too_long) / self.sampled) if self.sampled else 0


def draw(
    rows: Iterable[Row], *, limit: int | None, opted_out: Collection[str], size: int = HEADERS
) -> tuple[list[SourceRow], int, int, int]:
    """A sample in the order of the ids' digests, and the numbers of all rows, of refused and of opted-out ones."""
    if limit is not None:
        rows = heapq.nsmallest(limit, rows, key=order_of)
    total = refused = absent = 0
    # the largest digest on top; the count keeps rows from being compared
    kept: list[tuple[int, int, SourceRow]] = []
    for row in rows:
        total += 1
        if not isinstance(row, SourceRow):
            refused += 1
            continue
        if row.utterance_id in opted_out:
            absent += 1
            continue
        entry = (-_digest(row.utterance_id), total, row)
        if len(kept) < size:
            heapq.heappush(kept, entry)
        elif entry > kept[0]:
            heapq.heapreplace(kept, entry)
    return [row for _, _, row in sorted(kept, key=lambda entry: -entry[0])], total, refused, absent


def _digest(utterance_id: str) -> int:
    data = utterance_id.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8, person=b"plait plan").digest(), "big")


def take_census(
    sample: Sequence[SourceRow], *, total: int, refused: int, opted_out: int, max_duration_s: float
) -> Census:
    """Read the headers of a sample, those of one Parquet file together."""
    durations: list[float] = []
    unreadable = too_long = 0
    for duration_s in _durations(sorted(sample, key=lambda row: (row.audio, row.audio_row)), max_duration_s):
        unreadable += duration_s is None
        too_long += duration_s is not None and duration_s > max_duration_s
        durations.append(duration_s if duration_s is not None and duration_s <= max_duration_s else 0.0)
    population = total - refused - opted_out
    hours, margin = total_and_margin(durations, population)
    texts = [row.text for row in sample]
    return Census(
        utterances=total,
        refused=refused,
        opted_out=opted_out,
        sampled=len(durations),
        unreadable=unreadable,
        too_long=too_long,
        hours=hours / 3600,
        hours_low=max(0.0, hours - margin) / 3600,
        hours_high=(hours + margin) / 3600,
        mean_words=fmean(len(text.split()) for text in texts) if texts else 0.0,
        mean_text_bytes=fmean(len(text.encode("utf-8", "surrogatepass")) for text in texts) if texts else 0.0,
    )


def total_and_margin(values: Sequence[float], population: int) -> tuple[float, float]:
    """Sum over the population and half its 95 % interval (Cochran, Sampling Techniques, 1977, eq. 2.20).

    Drawn without replacement: nothing is left to chance where the sample is the population. Of 100 bundled prompts,
    some of them thirty times as long as the mean, it holds the truth in 90 % of draws.
    """
    n = len(values)
    if n == 0:
        return 0.0, 0.0
    total = population * fmean(values)
    if n >= population or n < 2:
        return total, 0.0 if n >= population else total
    return total, Z_95 * population * sqrt(variance(values) / n * (1 - n / population))


def _durations(rows: Iterable[SourceRow], max_duration_s: float) -> Iterator[float | None]:
    reader = AudioReader(max_duration_s=max_duration_s)
    for row in rows:
        try:
            yield header_duration_s(row, reader)
        except RecordError as error:
            yield float("inf") if error.code == "too_long" else None


def header_duration_s(row: SourceRow, reader: AudioReader) -> float:
    """Duration that the header of a row's audio states. Audio inside a Parquet row is decoded: it has to be read.

    Raises:
        RecordError: There is no such file, or none that can be read.
        TransientError: The store did not answer.
    """
    if row.audio_row >= 0 or not row.audio:
        waveform, _ = reader.decode(row)
        return len(waveform) / 16_000
    try:
        with fsspec.open(row.audio, "rb") as file:
            info = sf.info(file if hasattr(file, "seek") else io.BytesIO(file.read()))
            return float(info.frames) / float(info.samplerate)
    except sf.LibsndfileError as error:
        raise RecordError("unreadable_audio", f"libsndfile cannot read it: {error.error_string.strip()}") from error
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, ValueError) as error:
        raise RecordError("missing_file", f"no audio file at {row.audio}") from error
    except Exception as error:
        if not is_network_error(error):
            raise
        raise TransientError(f"cannot read {row.audio}: {error}") from error
