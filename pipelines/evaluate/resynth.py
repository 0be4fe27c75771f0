"""``plait resynth``: recordings to tokens and back, and what is left of words, melody and timbre, in one table.

Words are heard by Whisper tiny.en (``asr``), against the transcript where there is one and against what Whisper hears
in the original otherwise. Melody is the F0 frame error against the original (Chu and Alwan 2009), timbre the cosine of
``resynth_timbre``.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import soundfile
import torch

from pipelines.backends import resolve_backends
from pipelines.evaluate.asr import normalise_english, transcribe, word_error_rate
from pipelines.evaluate.resynth_timbre import timbre_similarity
from pipelines.evaluate.resynthesis import encode_streams, f0_frame_errors
from pipelines.fit.report import in_batches
from pipelines.ingest.config import FolderConfig, TableConfig
from pipelines.ingest.usable import usable_rows
from pipelines.store import key_of
from pipelines.yaml_config import read_yaml
from schemas.errors import RecordError, UserError
from schemas.records import SAMPLE_RATE_HZ, SourceRow, Utterance, Waveform
from transforms.audio_reader import AudioReader
from transforms.encoder import SpeechEncoderConfig
from transforms.pitch.fcpe_f0 import FcpeF0
from transforms.vocoder.hifigan import HifiganConfig

Variant = Literal["expressive", "base"]
_F0_THRESHOLD = 0.05  # FCPE's confidence below which a frame is unvoiced, as the pitch encoder has it
_BATCH = 16
_MAX_DURATION_S = 3600.0
_TABLES = (".tsv", ".csv", ".jsonl")


@dataclass(frozen=True, slots=True)
class Survival:
    """What is left of a recording.

    Args:
        words: Of the transcript, or where there is none, of what Whisper hears in the original.
        wer_original: None where there is no transcript to hold it against.
        wer: None where there are no words.
    """

    utterance_id: str
    seconds: float
    words: int
    wer_original: float | None
    wer: float | None
    f0_frame_error: float
    f0_frames: int
    timbre_similarity: float


def read_recordings(paths: Sequence[str], *, limit: int | None, say: Callable[[str], None]) -> Iterator[Utterance]:
    """The recordings of folders (texts in ``.txt`` of the same name), tables and single files, sorted by id.

    What cannot be read is left out and named; of several with one id the later ones get a number.

    Raises:
        UserError: A path is missing, or nothing could be read.
    """
    reader = AudioReader(max_duration_s=_MAX_DURATION_S)
    found = 0
    rows = _named_apart(sorted(row for path in paths for row in _rows(path, say)))
    for row in rows[:limit]:
        try:
            waveform, digest = reader.decode(row)
        except RecordError as error:
            say(f"left out {row.utterance_id}: {error.detail}")
            continue
        found += 1
        yield Utterance(row, waveform, digest)
    if not found:
        raise UserError(f"resynth: no recording in {', '.join(paths)}")


def _rows(path: str, say: Callable[[str], None]) -> list[SourceRow]:
    place = Path(path)
    if (place / "run.yaml").is_file():
        raise UserError(f"resynth: {path} is the output of a run; name the folder or table of its recordings")
    if place.is_dir():
        return usable_rows(FolderConfig(path=path), say)
    if place.suffix in _TABLES:
        return usable_rows(TableConfig(path=path), say)
    if not place.is_file():
        raise UserError(f"resynth: {path}: no such file or folder")
    return [SourceRow(place.stem, str(place), "")]


def _named_apart(rows: Sequence[SourceRow]) -> list[SourceRow]:
    seen: Counter[str] = Counter()
    named = []
    for row in rows:
        seen[row.utterance_id] += 1
        count = seen[row.utterance_id]
        named.append(row if count == 1 else replace(row, utterance_id=f"{row.utterance_id}-{count}"))
    return named


def backends(job: str | None, vocoder: str) -> tuple[list[SpeechEncoderConfig], HifiganConfig]:
    """Encoders of a corpus job (the bundled ones if None), those that the vocoder speaks.

    Raises:
        UserError: The job is wrong, or the vocoder was fitted on other encoders.
    """
    voice = HifiganConfig(path=vocoder)
    sections: dict[str, Any] = read_yaml(job) if job else {}
    resolved = resolve_backends(sections, ("units", "pitch", "style"), where=job or "resynth")
    encoders = []
    for kind, fingerprint in voice.stream_fingerprints.items():
        encoder = resolved[kind]
        if encoder is None:
            continue
        if encoder.fingerprint != fingerprint:
            raise UserError(
                f"resynth: {kind} of {job or 'the bundled encoders'} are encoder {encoder.fingerprint}, the vocoder "
                f"{vocoder} speaks {fingerprint}; name the job and the vocoder that belong together"
            )
        encoders.append(encoder)
    return encoders, voice


def resynthesise(
    utterances: Iterator[Utterance],
    encoders: Sequence[SpeechEncoderConfig],
    voice: HifiganConfig,
    *,
    variant: Variant,
    wavs: Path | None,
    say: Callable[[str], None],
) -> list[Survival]:
    """One row a recording; ``wavs`` is a folder for the resyntheses.

    Raises:
        UserError: Nothing to resynthesise.
    """
    chosen = [config for config in encoders if variant == "expressive" or config.stream_kind == "units"]
    vocoder = voice.load()
    estimator = FcpeF0(device=torch.device("cpu"), threshold=_F0_THRESHOLD)
    rows: list[Survival] = []
    for batch in in_batches(utterances, _BATCH):
        originals = [utterance.waveform for utterance in batch]
        spoken = [vocoder.synthesise(streams) for streams in encode_streams(originals, chosen)]
        heard = list(zip(transcribe(originals), transcribe(spoken), strict=True))
        contours = list(zip(estimator.contours(originals), estimator.contours(spoken), strict=True))
        for index, utterance in enumerate(batch):
            rows.append(_survival(utterance, spoken[index], heard[index], f0_frame_errors(*contours[index])))
            if wavs is not None:
                _write(wavs / f"{key_of(utterance.row.utterance_id)}.{variant}.wav", spoken[index])
        say(f"{len(rows)} recordings resynthesised")
    return rows


def _survival(utterance: Utterance, spoken: Waveform, heard: tuple[str, str], f0_errors: tuple[int, int]) -> Survival:
    text = utterance.row.text
    reference = text if normalise_english(text) else heard[0]
    words = len(normalise_english(reference).split())
    wrong, frames = f0_errors
    return Survival(
        utterance_id=utterance.row.utterance_id,
        seconds=utterance.num_samples / SAMPLE_RATE_HZ,
        words=words,
        wer_original=word_error_rate([reference], [heard[0]]) if words and reference is text else None,
        wer=word_error_rate([reference], [heard[1]]) if words else None,
        f0_frame_error=wrong / max(frames, 1),
        f0_frames=frames,
        timbre_similarity=timbre_similarity(utterance.waveform, spoken),
    )


def _write(path: Path, waveform: Waveform) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, waveform, SAMPLE_RATE_HZ, subtype="PCM_16")


def summary(rows: Sequence[Survival]) -> dict[str, float | None]:
    """Errors over all words and frames; timbre as the mean of the recordings.

    ``wer`` and ``wer_original`` are of the recordings with a transcript; ``wer_against_heard`` of those without.
    """
    frames = np.array([row.f0_frames for row in rows], dtype=np.float64)
    told = [row for row in rows if row.wer_original is not None]
    untold = [row for row in rows if row.wer_original is None]
    return {
        "recordings": float(len(rows)),
        "seconds": sum(row.seconds for row in rows),
        "wer_original": _over_words((row.wer_original, row.words) for row in told),
        "wer": _over_words((row.wer, row.words) for row in told),
        "wer_against_heard": _over_words((row.wer, row.words) for row in untold),
        "f0_frame_error": float(frames @ [row.f0_frame_error for row in rows]) / max(float(frames.sum()), 1.0),
        "timbre_similarity": float(np.mean([row.timbre_similarity for row in rows])),
    }


def _over_words(rates: Iterable[tuple[float | None, int]]) -> float | None:
    known = [(rate, words) for rate, words in rates if rate is not None]
    total = sum(words for _, words in known)
    return sum(rate * words for rate, words in known) / total if total else None


def table(rows: Sequence[Survival], *, most: int = 50) -> Iterator[str]:
    """Lines for a terminal: the worst recordings by WER, then all together."""
    yield f"{'recording':<32} {'s':>7} {'WER orig':>9} {'WER':>8} {'F0 err':>8} {'timbre':>7}"
    worst = sorted(rows, key=lambda row: (1.0 if row.wer is None else -row.wer, row.utterance_id))
    for row in worst[:most]:
        yield _line(row.utterance_id, asdict(row))
    if len(worst) > most:
        yield f"... and {len(worst) - most} with no more errors"
    whole = summary(rows)
    yield _line(f"all {len(rows)}", whole)
    untold = sum(row.wer_original is None and row.wer is not None for row in rows)
    if untold and whole["wer_against_heard"] is not None:
        yield (
            f"{untold} without a transcript are held against what Whisper hears in the original: WER "
            f"{100 * whole['wer_against_heard']:.1f} %, not part of the line above"
        )


def _line(name: str, figures: Mapping[str, Any]) -> str:
    first, second, third = (
        "-" if figures[key] is None else f"{100 * figures[key]:.1f} %"
        for key in ("wer_original", "wer", "f0_frame_error")
    )
    seconds, timbre = figures["seconds"], figures["timbre_similarity"]
    return f"{name[:32]:<32} {seconds:7.1f} {first:>9} {second:>8} {third:>8} {timbre:7.2f}"


def resynth(
    paths: Sequence[str],
    *,
    job: str | None,
    vocoder: str,
    variant: Variant,
    output: str | None,
    limit: int | None,
    say: Callable[[str], None],
) -> Iterator[str]:
    """The command: the table's lines. ``output`` is a folder for ``resynth.json`` and the wavs.

    Raises:
        UserError: Nothing to resynthesise, or encoders and vocoder don't belong together.
    """
    encoders, voice = backends(job, vocoder)
    folder = Path(output) if output else None
    recordings = read_recordings(paths, limit=limit, say=say)
    rows = resynthesise(recordings, encoders, voice, variant=variant, wavs=folder and folder / "wavs", say=say)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        report = {
            "variant": variant,
            "vocoder": voice.fingerprint,
            "encoders": {encoder.stream_kind: encoder.fingerprint for encoder in encoders},
            "all": summary(rows),
            "recordings": [asdict(row) for row in rows],
        }
        (folder / "resynth.json").write_text(json.dumps(report, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    yield from table(rows)
