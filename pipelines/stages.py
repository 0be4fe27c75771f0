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
from schemas.records import DeadLetter, SourceRow, SpokenWord, Stream, StreamKind, Utterance
from transforms.align.gate import GateConfig, judge
from transforms.align.protocol import AlignerConfig
from transforms.align.readings import align_text
from transforms.audio import AudioReader
from transforms.encoder import SpeechEncoderConfig

RETRY_PAUSES_S = (1.0, 4.0, 16.0)

Run = Callable[[Sequence[Any]], list[Utterance]]


class Stage(Protocol):
    """``name`` is what a dead letter's stage says; ``fingerprint`` is all that decides the stage's output."""

    @property
    def name(self) -> str: ...

    @property
    def fingerprint(self) -> str: ...

    def open(self) -> Run: ...


@dataclass(frozen=True, slots=True)
class Decode:
    """Manifest rows to waveforms."""

    max_duration_s: float
    name: str = "decode"

    @property
    def fingerprint(self) -> str:
        # the libraries that read and resample decide samples
        libraries = (soundfile.__libsndfile_version__, soundfile.__version__, soxr.__version__)
        return f"decode/1/{self.max_duration_s}/{'/'.join(libraries)}"

    def open(self) -> Run:
        reader = AudioReader(max_duration_s=self.max_duration_s)

        def run(rows: Sequence[SourceRow]) -> list[Utterance]:
            utterances = []
            for row in rows:
                if not row.text.strip():
                    raise RecordError("empty_transcript", "the transcript is empty", outcome="filtered")
                waveform, digest = reader.decode(row)
                utterances.append(Utterance(row, waveform, digest))
            return utterances

        return run


@dataclass(frozen=True, slots=True)
class Align:
    """Transcripts to word times, and the verdict on them."""

    aligner: AlignerConfig
    gate: GateConfig
    name: str = "align"

    @property
    def fingerprint(self) -> str:
        return f"align/1/{self.aligner.fingerprint}/{self.gate.model_dump_json()}"

    def open(self) -> Run:
        aligner = self.aligner.load()

        def run(utterances: Sequence[Utterance]) -> list[Utterance]:
            return [align_one(utterance) for utterance in utterances]

        def align_one(utterance: Utterance) -> Utterance:
            alignment = align_text(aligner, utterance.waveform, utterance.row.text, utterance.row.language)
            words = [SpokenWord(word.text, word.char_start, word.char_end) for word in alignment.words]
            scores = judge(alignment, words, utterance.waveform, self.gate)
            rounded = {name: round(float(score), 4) for name, score in scores.items()}
            placed = tuple(replace(word, score=round(float(word.score), 4)) for word in alignment.words)
            return replace(utterance, words=placed, alignment=rounded)

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

        def run(utterances: Sequence[Utterance]) -> list[Utterance]:
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


def apply_stage(
    name: str,
    run: Run,
    batch: Sequence[SourceRow] | Sequence[Utterance],
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[list[Utterance], list[DeadLetter]]:
    """Run a stage on a batch. If a record fails, each is run by itself, so that only the culprit is lost.

    Raises:
        EngineError: A fault of the surroundings that did not pass. Anything else but a RecordError is a bug and
            passes through.
    """
    try:
        return _patiently(name, run, batch, sleep), []
    except RecordError as error:
        if len(batch) == 1:
            return [], [_dead_letter(batch[0], name, error)]
    done: list[Utterance] = []
    dropped: list[DeadLetter] = []
    for record in batch:
        kept, lost = apply_stage(name, run, cast(Sequence[Utterance], [record]), sleep=sleep)
        done += kept
        dropped += lost
    return done, dropped


def _patiently(
    name: str, run: Run, batch: Sequence[SourceRow] | Sequence[Utterance], sleep: Callable[[float], None]
) -> list[Utterance]:
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
