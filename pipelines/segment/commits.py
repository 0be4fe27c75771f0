"""What stands of a long recording, and the tables that are made of all of them.

A recording is finished when its commit stands: ``OUT/commits/KEY.json``, written after ``OUT/audio/KEY/KEY_000.flac``
and the others. The tables are copies of what the commits say, in the order of the ids::

    transcripts.tsv   a row a segment, as the table reader takes it
    words.ctm         word times, as the aligner ``given`` takes them
    dropped.tsv       a row for each recording that is not in segments as a whole, and why
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

from pipelines.export import CTM_NAME, ctm_lines
from pipelines.files import exists, join, names_in, open_write, read_text, remove, write_text
from pipelines.mended import has_mended_audio
from pipelines.store import key_of
from schemas.manifest import dump_json
from schemas.records import SAMPLE_RATE_HZ, AlignedWord, DeadLetter

TABLE, DROPPED = "transcripts.tsv", "dropped.tsv"
_LONGEST_KEY = 150  # a file name has 255 bytes at most
_KEPT_OF_KEY = 100
_TABLE_COLUMNS = tuple("id audio text speaker language licence source recording start_sample end_sample".split())
_DROPPED_COLUMNS = ("id", "outcome", "stage", "code", "words", "speech_s", "detail", "audio")


@dataclass(frozen=True, slots=True)
class SegmentEntry:
    """One segment. Samples are of the recording at 16 kHz; ``words``: spoken word, start and end in the segment."""

    segment_id: str
    audio: str
    sha256: str
    text: str
    start_sample: int
    end_sample: int
    words: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class Loss:
    """What of a recording is in no segment. ``outcome``: ``trimmed`` where other parts stand.

    ``words`` and ``speech_samples`` are None where the recording was not read as far as that.
    """

    outcome: str
    stage: str
    code: str
    detail: str
    words: int | None = None
    speech_samples: int | None = None


@dataclass(frozen=True, slots=True)
class RecordingCommit:
    """``digest`` is of the row and of the plan that it was made by; ``words`` those of the text as written."""

    recording: str
    digest: str
    audio: str
    audio_sha256: str
    num_samples: int
    words: int
    speaker: str
    language: str
    licence: str
    source: str
    segments: tuple[SegmentEntry, ...]
    loss: Loss | None

    def to_json(self) -> str:
        return dump_json(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "RecordingCommit":
        data = json.loads(text)
        data["segments"] = tuple(
            SegmentEntry(**{**entry, "words": tuple((word, start, end) for word, start, end in entry["words"])})
            for entry in data["segments"]
        )
        data["loss"] = None if data["loss"] is None else Loss(**data["loss"])
        return cls(**data)


def recording_key(recording: str) -> str:
    """An id as the name of a folder and of files: percent-encoded; a long one ends in a hash, after a ``~``, which no
    other key holds."""
    key = key_of(recording)
    if len(key) <= _LONGEST_KEY:
        return key
    return f"{key[:_KEPT_OF_KEY]}~{hashlib.sha256(recording.encode()).hexdigest()[:32]}"


def audio_folder(folder: str, key: str) -> str:
    return join(folder, "audio", key)


def commit_url(folder: str, key: str) -> str:
    return join(folder, "commits", f"{key}.json")


def segment_names(recording: str, count: int) -> list[tuple[str, str]]:
    """Id and path of each segment of a recording; in order as numbers and as text."""
    digits = max(3, len(str(count - 1)))
    key = recording_key(recording)
    return [(f"{recording}_{n:0{digits}d}", f"audio/{key}/{key}_{n:0{digits}d}.flac") for n in range(count)]


def write_commit(folder: str, commit: RecordingCommit) -> None:
    """Make a recording whose segments stand final."""
    write_text(commit_url(folder, recording_key(commit.recording)), commit.to_json())


def read_commit(folder: str, recording: str) -> RecordingCommit | None:
    """None where there is none."""
    url = commit_url(folder, recording_key(recording))
    return RecordingCommit.from_json(read_text(url)) if exists(url) else None


def stands(folder: str, recording: str, digest: str) -> RecordingCommit | None:
    """The commit of a recording if it was made from this, all its files are there, and no audio that failed is new."""
    commit = read_commit(folder, recording)
    if commit is None or commit.digest != digest:
        return None
    if (loss := commit.loss) is not None and (loss.stage, loss.outcome) == ("decode", "failed"):
        url = commit_url(folder, recording_key(recording))
        return None if has_mended_audio([(loss.code, commit.audio)], url) else commit
    names = [entry.audio.rpartition("/")[2] for entry in commit.segments]
    return commit if names_in(audio_folder(folder, recording_key(recording))) == sorted(names) else None


def withdraw(folder: str, recording: str) -> None:
    """Take back what an earlier plan made of a recording: the commit first, so that it never stands for others."""
    key = recording_key(recording)
    remove(commit_url(folder, key))
    remove(audio_folder(folder, key))


def withdraw_others(folder: str, recordings: Iterable[str]) -> None:
    """Take back recordings that the corpus no longer has."""
    wanted = {f"{recording_key(recording)}.json" for recording in recordings}
    for name in names_in(join(folder, "commits")):
        if name not in wanted:
            remove(join(folder, "commits", name))
            remove(audio_folder(folder, name.removesuffix(".json")))


def withdraw_tables(folder: str) -> None:
    """While recordings change there is no table that speaks of them."""
    for name in (TABLE, CTM_NAME, DROPPED):
        remove(join(folder, name))


def write_tables(folder: str, recordings: Sequence[str], letters: Sequence[DeadLetter]) -> None:
    """Write the tables from the commits of these recordings, and what never came to be a recording."""
    refused = [
        (letter.utterance_id, _dropped_row(letter.utterance_id, letter.audio, _loss_of(letter))) for letter in letters
    ]
    with (
        open_write(join(folder, DROPPED)) as dropped,
        open_write(join(folder, CTM_NAME)) as ctm,
        open_write(join(folder, TABLE)) as table,
    ):
        table.write(tsv_line(_TABLE_COLUMNS))
        dropped.write(tsv_line(_DROPPED_COLUMNS))
        lines = list(refused)
        for commit in read_commits(folder, recordings):
            for entry in commit.segments:
                table.write(tsv_line(_table_row(commit, entry)))
                words = [AlignedWord(word, start, end, 0.0, 0, 0) for word, start, end in entry.words]
                ctm.writelines(line.encode() for line in ctm_lines(entry.segment_id, words))
            if commit.loss is not None:
                lines.append((commit.recording, _dropped_row(commit.recording, commit.audio, commit.loss)))
        dropped.writelines(tsv_line(row) for _, row in sorted(lines))


def read_commits(folder: str, recordings: Iterable[str]) -> Iterator[RecordingCommit]:
    """The commits of recordings that are all finished, in order of their ids, one at a time in memory."""
    for recording in sorted(recordings):
        yield RecordingCommit.from_json(read_text(commit_url(folder, recording_key(recording))))


def tsv_line(cells: Sequence[str]) -> bytes:
    """A row as the table reader takes it: one line, a cell with quotation marks quoted."""
    plain = [re.sub(r"[\t\r\n]", " ", cell) for cell in cells]
    quoted = ['"' + cell.replace('"', '""') + '"' if '"' in cell else cell for cell in plain]
    return ("\t".join(quoted) + "\n").encode()


def _table_row(commit: RecordingCommit, entry: SegmentEntry) -> tuple[str, ...]:
    known = (commit.speaker, commit.language, commit.licence, commit.source, commit.recording)
    return (entry.segment_id, entry.audio, entry.text, *known, str(entry.start_sample), str(entry.end_sample))


def _dropped_row(recording: str, audio: str, loss: Loss) -> tuple[str, ...]:
    words = "" if loss.words is None else str(loss.words)
    speech_s = "" if loss.speech_samples is None else f"{loss.speech_samples / SAMPLE_RATE_HZ:.2f}"
    return (recording, loss.outcome, loss.stage, loss.code, words, speech_s, loss.detail, audio)


def _loss_of(letter: DeadLetter) -> Loss:
    return Loss(letter.outcome, letter.stage, letter.code, letter.detail)
