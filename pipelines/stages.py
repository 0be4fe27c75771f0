"""The stages of a corpus: what turns a manifest row into a tokenized utterance.

A stage is a picklable description; ``open`` loads its model where it runs and returns a function from a batch of
records to their successors. Every engine runs these same objects.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, cast

import soundfile
import soxr

from schemas.errors import EngineError, RecordError, TransientError
from schemas.records import DeadLetter, SourceRow, SpokenWord, Stream, StreamKind, Utterance, Waveform
from transforms.align.gate import GateConfig
from transforms.align.protocol import AlignerConfig, Alignment
from transforms.align.readings import align_rows
from transforms.audio_reader import AudioReader
from transforms.encoder import SpeechEncoderConfig

RETRY_PAUSES_S = (1.0, 4.0, 16.0)

Outcomes = list[Utterance | RecordError]
Run = Callable[[Sequence[Any]], Outcomes]
"""A batch in; each record's successor out, or in its place the error that it ends with."""


class Stage(Protocol):
    """``name`` is what a dead letter's stage says; ``fingerprint`` is all that decides the stage's output."""

    @property
    def name(self) -> str: ...

    @property
    def fingerprint(self) -> str: ...

    def open(self) -> Run: ...


@dataclass(frozen=True, slots=True)
class Decode:
    """Manifest rows to waveforms; where a text is needed, a row without one is dropped."""

    max_duration_s: float
    needs_text: bool = True
    name: str = "decode"

    @property
    def fingerprint(self) -> str:
        # the libraries that read and resample decide samples
        libraries = (soundfile.__libsndfile_version__, soundfile.__version__, soxr.__version__)
        return f"decode/3/{self.max_duration_s}/{not self.needs_text}/{'/'.join(libraries)}"

    def open(self) -> Run:
        reader = AudioReader(max_duration_s=self.max_duration_s)

        def decode(row: SourceRow) -> Utterance:
            if self.needs_text and not row.text.strip():
                raise RecordError(
                    "empty_transcript", "the transcript is empty; align: null takes speech alone", outcome="filtered"
                )
            waveform, digest = reader.decode(row)
            return Utterance(row, waveform, digest)

        return one_by_one(decode)


class Transcriber(Protocol):
    def transcribe(self, waveform: Waveform, language: str) -> str:
        """What is said. Raises RecordError (``no_speech``) where nothing is."""
        ...


class TranscriberConfig(Protocol):
    @property
    def fingerprint(self) -> str: ...

    def load(self) -> Transcriber: ...


@dataclass(frozen=True, slots=True)
class Transcribe:
    """Missing transcripts, from a recogniser; those that are there stay."""

    transcriber: TranscriberConfig
    name: str = "transcribe"

    @property
    def fingerprint(self) -> str:
        return f"transcribe/1/{self.transcriber.fingerprint}"

    def open(self) -> Run:
        transcriber = self.transcriber.load()

        def heard(utterance: Utterance) -> Utterance:
            if utterance.row.text.strip():
                return utterance
            text = transcriber.transcribe(utterance.waveform, utterance.row.language)
            return replace(utterance, row=replace(utterance.row, text=text))

        return one_by_one(heard)


@dataclass(frozen=True, slots=True)
class Align:
    """Transcripts to word times, and the verdict on them."""

    aligner: AlignerConfig
    gate: GateConfig
    name: str = "align"

    @property
    def fingerprint(self) -> str:
        return f"align/5/{self.aligner.fingerprint}/{self.gate.fingerprint}"

    def open(self) -> Run:
        aligner, gate = self.aligner.load(), self.gate.load()

        def run(utterances: Sequence[Utterance]) -> Outcomes:
            found = align_rows(aligner, [u.row for u in utterances], [u.waveform for u in utterances])
            return one_by_one(judged)(list(zip(utterances, found, strict=True)))

        def judged(pair: tuple[Utterance, Alignment | RecordError]) -> Utterance:
            utterance, alignment = pair
            if isinstance(alignment, RecordError):
                raise alignment
            row, waveform = utterance.row, utterance.waveform
            words = [SpokenWord(word.text, word.char_start, word.char_end) for word in alignment.words]
            verdict = gate.judge(alignment, words, waveform, row.text, row.language)
            if verdict.kept is not None:
                alignment = verdict.kept.alignment
                row = replace(row, text=verdict.kept.text(row.text))
                waveform = verdict.kept.waveform(waveform)
            rounded = {name: round(float(score), 4) for name, score in verdict.scores.items()}
            placed = tuple(replace(word, score=round(float(word.score), 4)) for word in alignment.words)
            return replace(utterance, row=row, waveform=waveform, words=placed, alignment=rounded)

        return run


@dataclass(frozen=True, slots=True)
class Encode:
    """Waveforms to one stream of speech tokens."""

    encoder: SpeechEncoderConfig

    @property
    def name(self) -> StreamKind:
        return self.encoder.stream_kind

    @property
    def fingerprint(self) -> str:
        return f"encode/1/{self.encoder.fingerprint}"

    def open(self) -> Run:
        encoder = self.encoder.load()
        config, fingerprint = self.encoder, self.encoder.fingerprint

        def run(utterances: Sequence[Utterance]) -> Outcomes:
            encoded = encoder.encode([utterance.waveform for utterance in utterances])
            return [
                replace(
                    utterance,
                    streams=(
                        *utterance.streams,
                        Stream(config.stream_kind, config.hop_samples, config.codebook_size, ids, fingerprint),
                    ),
                )
                for utterance, ids in zip(utterances, encoded, strict=True)
            ]

        return run


def one_by_one(work: Callable[[Any], Utterance]) -> Run:
    """Work on single records as work on a batch."""

    def run(records: Sequence[Any]) -> Outcomes:
        outcomes: Outcomes = []
        for record in records:
            try:
                outcomes.append(work(record))
            except RecordError as error:
                outcomes.append(error)
        return outcomes

    return run


def apply_stage(
    name: str,
    run: Run,
    batch: Sequence[SourceRow] | Sequence[Utterance],
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[list[Utterance], list[DeadLetter]]:
    """Run a stage on a batch. If the batch as a whole fails, each record is run by itself, so that only the culprit
    is lost.

    Raises:
        EngineError: A fault of the surroundings that did not pass. Anything else but a RecordError is a bug and
            passes through.
    """
    try:
        outcomes = _patiently(name, run, batch, sleep)
    except RecordError as error:
        if len(batch) > 1:
            alone = [apply_stage(name, run, cast(Sequence[Utterance], [record]), sleep=sleep) for record in batch]
            return [u for done, _ in alone for u in done], [letter for _, lost in alone for letter in lost]
        outcomes = [error]
    done: list[Utterance] = []
    dropped: list[DeadLetter] = []
    records: Sequence[SourceRow | Utterance] = batch
    for record, outcome in zip(records, outcomes, strict=True):
        if isinstance(outcome, RecordError):
            dropped.append(_dead_letter(record, name, outcome))
        else:
            done.append(outcome)
    return done, dropped


def _patiently(
    name: str, run: Run, batch: Sequence[SourceRow] | Sequence[Utterance], sleep: Callable[[float], None]
) -> Outcomes:
    for pause in RETRY_PAUSES_S:
        try:
            return run(batch)
        except TransientError:
            sleep(pause)
    try:
        return run(batch)
    except TransientError as error:
        tries = len(RETRY_PAUSES_S) + 1
        raise EngineError(f"{name}: {error}; gave up after {tries} tries, run again to resume") from error


def _dead_letter(record: SourceRow | Utterance, stage: str, error: RecordError) -> DeadLetter:
    row = record.row if isinstance(record, Utterance) else record
    return DeadLetter(row.utterance_id, stage, error.code, error.detail, error.outcome, row.audio)
