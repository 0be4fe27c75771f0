"""The recordings of a fit: what is read, in which order, and what is left out."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from operator import attrgetter
from typing import Protocol

import numpy as np

from pipelines.failures import stop_if_sick
from pipelines.ingest import IngestConfig, read_rows
from pipelines.partition import order_of, without_duplicates
from schemas.errors import RecordError
from schemas.records import DeadLetter, SourceRow, Utterance
from transforms.audio_reader import AudioReader
from transforms.seeds import RekeyedGenerator

_NAMED = 3  # of each cause; the others are only counted


class Recordings(Protocol):
    """Yields decoded utterances in a fixed order; every call starts anew."""

    @property
    def left_out(self) -> Mapping[str, int]:
        """How many there are besides, by cause; complete after a call's last utterance."""
        ...

    def __call__(self) -> Iterator[Utterance]: ...


class IndexedRecordings(Recordings, Protocol):
    """Recordings that can also be read one by one."""

    @property
    def rows(self) -> Sequence[SourceRow]: ...

    @property
    def fingerprint(self) -> str:
        """Of which recordings there are, where, and which of them are read; not of their audio."""
        ...

    def read(self, index: int) -> Utterance:
        """One row with its audio.

        Raises:
            RecordError: It cannot be read.
        """
        ...

    def digest(self, index: int) -> str:
        """``audio_sha256`` of a row as its audio is now; raises as ``read`` does."""
        ...


class JobRecordings:
    """The corpus of a fit, restartable, listed when it is first asked for, decoded as it is read.

    The order is that of the names of sources and ids, whatever the listing: encoders' last bits depend on batch mates.
    What cannot be read, is too long, or has the id of another row of its source, is left out, counted by cause, and the
    first ones named. A text is not needed.

    Raises:
        UserError: A corpus cannot be listed; when it is.
        EngineError: More failed than ``max_failed_ratio``; when they are listed or read.
    """

    def __init__(
        self,
        sources: Sequence[IngestConfig],
        *,
        limit: int | None,
        sample: int | None,
        seed: int,
        max_failed_ratio: float,
        max_duration_s: float,
        say: Callable[[str], None],
    ) -> None:
        self._sources, self._limit, self._sample, self._seed = tuple(sources), limit, sample, seed
        self.left_out: Counter[str] = Counter()
        self._total, self._failed, self._max_failed_ratio, self._say = 0, 0, max_failed_ratio, say
        self._refused: set[int] = set()
        self._summed_up = 0
        self._reader = AudioReader(max_duration_s=max_duration_s)

    @cached_property
    def rows(self) -> Sequence[SourceRow]:
        listed: list[SourceRow | DeadLetter] = []
        for source in self._sources:
            listed += sorted(read_rows(source, needs_text=False), key=order_of)[: self._limit]
        refused = [letter for letter in listed if isinstance(letter, DeadLetter)]
        found = (row for row in listed if isinstance(row, SourceRow))
        rows, duplicates = without_duplicates(found, name=attrgetter("source", "utterance_id"))
        listed = [*refused, *duplicates, *rows]
        if self._sample is not None:
            listed = drawn(listed, self._sample, self._seed)
        self._total = len(listed)
        for letter in listed:
            if isinstance(letter, DeadLetter):
                self._leave_out(letter)
        return [row for row in listed if isinstance(row, SourceRow)]

    @property
    def fingerprint(self) -> str:
        digest = hashlib.sha256(str(self._reader.max_duration_s).encode())
        for row in self.rows:
            digest.update(json.dumps([row.source, row.utterance_id, row.audio, row.audio_row]).encode())
        return digest.hexdigest()

    def __call__(self) -> Iterator[Utterance]:
        for index, row in enumerate(self.rows):
            try:
                utterance = self.read(index)
            except RecordError as error:
                if index not in self._refused:
                    self._refused.add(index)
                    why = (error.code, error.detail, error.outcome)
                    self._leave_out(DeadLetter(row.utterance_id, "decode", *why, row.audio))
                continue
            yield utterance
        if self.left_out.total() > self._summed_up:
            self._summed_up = self.left_out.total()
            causes = ", ".join(f"{cause} ({number})" for cause, number in sorted(self.left_out.items()))
            self._say(f"left out {self._summed_up} of {self._total} recordings: {causes}")

    def read(self, index: int) -> Utterance:
        row = self.rows[index]
        waveform, digest = self._reader.decode(row)
        return Utterance(row, waveform, digest)

    def digest(self, index: int) -> str:
        return self._reader.digest(self.rows[index])

    def _leave_out(self, letter: DeadLetter) -> None:
        cause = f"{letter.stage}/{letter.code}"
        self.left_out[cause] += 1
        self._failed += letter.outcome == "failed"
        if self.left_out[cause] <= _NAMED:
            self._say(f"left out {letter.utterance_id}: {letter.detail}")
        stop_if_sick(self._failed, self._total, self._max_failed_ratio, dropped=self.left_out, what="recordings")


def drawn(listed: Sequence[SourceRow | DeadLetter], count: int, seed: int) -> list[SourceRow | DeadLetter]:
    """Those with the smallest draws, in their order."""
    generator = RekeyedGenerator()
    draws = np.array([generator.rng_for(_name(each), stage="fit", run_seed=seed).random() for each in listed])
    return [listed[index] for index in np.sort(np.argsort(draws, kind="stable")[:count])]


def _name(listed: SourceRow | DeadLetter) -> str:
    name = listed.utterance_id
    return f"{listed.source}/{name}" if isinstance(listed, SourceRow) else name
