"""The work of `plait segment` on one recording: a picklable description that a worker opens."""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version

from pipelines.engines.protocol import Report
from pipelines.engines.worker import prepare_worker
from pipelines.files import join, write_bytes
from pipelines.partition import Spills, read_rows
from pipelines.segment.commits import (
    Loss,
    RecordingCommit,
    SegmentEntry,
    read_commit,
    segment_names,
    withdraw,
    write_commit,
)
from pipelines.segment.cutting import Cutter, Lost, Passage, TextCutter
from pipelines.segment.pausing import PauseCutter
from pipelines.stages import Decode, apply_stage
from pipelines.store import flac
from schemas.errors import Outcome, RecordError, UserError
from schemas.records import DeadLetter, SourceRow, Utterance
from transforms.align.gate import GateConfig
from transforms.align.gate_opinion import text_scorer_fingerprint
from transforms.align.longform_anchors import load_transcriber
from transforms.align.protocol import AlignerConfig, RowAligner
from transforms.align.vad import load_vad, vad_digest
from transforms.backend import digest_json

STAGE = "segment"
PARTLY = "partly_aligned"
_ROWS_A_BUCKET = 1 << 32


@dataclass(frozen=True, slots=True)
class Done:
    """What a worker tells of a recording: whether it failed, and the cause by which any of it was lost."""

    failed: bool
    cause: str


@dataclass(frozen=True, slots=True)
class SegmentJob:
    """To an engine a recording is a shard: its number is ``recording_number`` of where its row lies.

    Args:
        max_samples: Length of the longest segment.
        aligner: None cuts at pauses alone.
        rejoin: Whisper finds where text and audio agree again.
        folder: Where audio and commits go.
    """

    decode: Decode
    aligner: AlignerConfig | None
    gate: GateConfig
    max_samples: int
    rejoin: bool
    spills: Spills
    folder: str

    @property
    def fingerprint(self) -> str:
        """Digest of all that decides the segments of a row; the version stands for the code."""
        if self.aligner is None:
            return digest_json([version("plait"), self.decode.fingerprint, "pauses/1", vad_digest(), self.max_samples])
        models = [self.decode.fingerprint, self.aligner.fingerprint, self.gate.fingerprint]
        whisper = [text_scorer_fingerprint(), version("faster-whisper")] if self.rejoin else []
        return digest_json([version("plait"), *models, self.max_samples, *whisper])

    def open(self) -> Callable[[int, Report], Done]:
        prepare_worker()
        decode, fingerprint = self.decode.open(), self.fingerprint
        cutter = self._cutter()

        def work(number: int, _: Report) -> Done:
            row = one_line(self._row(number))
            withdraw(self.folder, row.utterance_id)
            decoded, dropped = apply_stage(self.decode.name, decode, [row])
            digest = digest_of(row, fingerprint)
            commit = self._refused(row, digest, dropped[0]) if dropped else self._cut(decoded[0], digest, cutter)
            write_commit(self.folder, commit)
            failed = commit.loss is not None and commit.loss.outcome == "failed"
            cause = f"{commit.loss.stage}/{commit.loss.code}" if commit.loss is not None else ""
            return Done(failed, cause)

        return work

    def _cutter(self) -> Cutter:
        if self.aligner is None:
            return PauseCutter(load_vad(), max_samples=self.max_samples)
        transcriber = load_transcriber() if self.rejoin else None
        aligner = self.aligner.load()
        if isinstance(aligner, RowAligner):
            raise UserError("align.kind: this aligner takes whole recordings alone; choose another")
        return TextCutter(aligner, self.gate.load(), transcriber, max_samples=self.max_samples)

    def dead_letters(self, shard: int) -> list[DeadLetter]:
        row = self._row(shard)
        commit = read_commit(self.folder, row.utterance_id)
        if commit is None or commit.loss is None or commit.loss.outcome == "trimmed":
            return []
        loss = commit.loss
        outcome: Outcome = "failed" if loss.outcome == "failed" else "filtered"
        return [DeadLetter(row.utterance_id, loss.stage, loss.code, loss.detail, outcome, row.audio)]

    def name_of(self, shard: int) -> str:
        return f"recording {self._row(shard).utterance_id}"

    def _row(self, number: int) -> SourceRow:
        bucket, place = divmod(number, _ROWS_A_BUCKET)
        return read_rows(self.spills, bucket)[0][place]

    def _cut(self, decoded: Utterance, digest: str, cutter: Cutter) -> RecordingCommit:
        row, waveform = decoded.row, decoded.waveform
        try:
            written = cutter.written(row)
        except RecordError as error:  # a language that nobody can read: its words cannot be counted
            unread = Loss(error.outcome, STAGE, error.code, error.detail)
            return self._commit(row, digest, decoded.audio_sha256, len(waveform), 0, (), unread)
        try:
            standing, lost = cutter.cut(row, waveform, written)
        except RecordError as error:
            none = cutter.all_lost(row, waveform, written)
            loss = Loss(error.outcome, STAGE, error.code, error.detail, none.words, none.speech_samples)
            return self._commit(row, digest, decoded.audio_sha256, len(waveform), none.words, (), loss)
        entries = tuple(
            self._write(row, decoded, passage, *names)
            for passage, names in zip(standing, segment_names(row.utterance_id, len(standing)), strict=True)
        )
        partly = _partly(lost, len(written)) if lost.words or lost.speech_samples else None
        return self._commit(row, digest, decoded.audio_sha256, len(waveform), len(written), entries, partly)

    def _write(self, row: SourceRow, decoded: Utterance, passage: Passage, segment_id: str, path: str) -> SegmentEntry:
        encoded = flac(decoded.waveform[passage.start_sample : passage.end_sample])
        write_bytes(join(self.folder, path), encoded)
        return SegmentEntry(
            segment_id,
            path,
            hashlib.sha256(encoded).hexdigest(),
            row.text[passage.char_start : passage.char_end].strip(),
            passage.start_sample,
            passage.end_sample,
            tuple((word.text, word.start_sample, word.end_sample) for word in passage.words),
        )

    def _refused(self, row: SourceRow, digest: str, letter: DeadLetter) -> RecordingCommit:
        return self._commit(row, digest, "", 0, 0, (), Loss(letter.outcome, letter.stage, letter.code, letter.detail))

    def _commit(
        self,
        row: SourceRow,
        digest: str,
        audio_sha256: str,
        num_samples: int,
        words: int,
        entries: tuple[SegmentEntry, ...],
        loss: Loss | None,
    ) -> RecordingCommit:
        known = (row.speaker, row.language, row.licence, row.source)
        made_from = (row.utterance_id, digest, row.audio, audio_sha256)
        return RecordingCommit(*made_from, num_samples, words, *known, entries, loss)


def recording_number(bucket: int, place: int) -> int:
    """Number of the row at a place of a bucket."""
    return bucket * _ROWS_A_BUCKET + place


def one_line(row: SourceRow) -> SourceRow:
    """The row with its transcript on one line, as a table holds it: paragraphs and runs of blanks become a space."""
    return replace(row, text=" ".join(row.text.split()))


def digest_of(row: SourceRow, fingerprint: str) -> str:
    """Of a row and of the plan: what decides its segments, but for the audio itself."""
    return digest_json([fingerprint, asdict(one_line(row))])


def _partly(lost: Lost, written: int) -> Loss:
    detail = (
        f"{lost.words} of {written} words and {lost.speech_samples / 16_000:.1f} s of speech are in no segment; "
        f"the first: {lost.first}"
    )
    return Loss("trimmed", STAGE, PARTLY, detail, lost.words, lost.speech_samples)
