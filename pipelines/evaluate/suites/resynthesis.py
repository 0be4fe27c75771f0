"""What is left of recordings after tokens and back, as ``plait resynth`` measures it (``pipelines.evaluate.resynth``).

EXPRESSIVE is spoken from all streams, BASE from units alone (Nguyen et al., TACL 2025, resynthesis table).
"""

from collections.abc import Callable, Sequence
from typing import Any

from pydantic import Field

from pipelines.evaluate.corpora import read_corpus
from pipelines.evaluate.resynth import Survival, Variant, backends, resynthesise
from pipelines.evaluate.statistics import mean_figure, ratio_figure
from pipelines.evaluate.suite import Figure, Outcome, Request, Row, Say, Settings, Suite
from schemas.errors import RecordError, UserError
from schemas.records import Utterance
from transforms.audio_reader import AudioReader
from transforms.encoder import SpeechEncoderConfig
from transforms.vocoder.hifigan import HifiganConfig

_MAX_DURATION_S = 3600.0


class ResynthesisSettings(Settings):
    """What is left of recordings after tokens and back.

    Args:
        job: Corpus job whose encoders are taken; the bundled ones if unset.
        vocoder: Folder of a voice that speaks their tokens, or ``bundled``.
        variants: ``expressive`` is spoken from all streams, ``base`` from units alone.
    """

    job: str | None = None
    vocoder: str = "bundled"
    variants: tuple[Variant, ...] = Field(default=("expressive", "base"), min_length=1)


def evaluate_voice(
    utterances: Sequence[Utterance],
    encoders: Sequence[SpeechEncoderConfig],
    voice: HifiganConfig,
    *,
    variants: Sequence[Variant],
    seed: int,
    say: Say,
) -> Outcome:
    """WER of the originals and by variant, F0 frame error and timbre."""
    figures: list[Figure] = []
    rows: list[Row] = []
    for variant in variants:
        found = resynthesise(iter(utterances), encoders, voice, variant=variant, wavs=None, say=say)
        name = variant.upper()
        if not figures:
            judged = [row for row in found if row.wer_original is not None]
            original = [((row.wer_original or 0.0) * row.words, float(row.words)) for row in judged]
            figures.append(ratio_figure("original", "WER", original, seed=seed))
        figures += _figures(name, found, seed=seed)
        rows += [
            {
                "key": row.utterance_id,
                "variant": variant,
                "wer": row.wer,
                "f0_frame_error": row.f0_frame_error,
                "timbre": row.timbre_similarity,
            }
            for row in found
        ]
    return Outcome(figures, rows)


def _figures(name: str, found: Sequence[Survival], *, seed: int) -> list[Figure]:
    told = [row for row in found if row.wer_original is not None] or found
    words = [(row.wer * row.words, float(row.words)) for row in told if row.wer is not None]
    frames = [(row.f0_frame_error * row.f0_frames, float(row.f0_frames)) for row in found]
    timbre = {row.utterance_id: [row.timbre_similarity] for row in found}
    return [
        ratio_figure(name, "WER", words, seed=seed),
        ratio_figure(name, "F0 frame error", frames, seed=seed),
        mean_figure(name, "timbre similarity", timbre, seed=seed),
    ]


def _run(_: Callable[[], Any], request: Request) -> Outcome:
    settings: ResynthesisSettings = request.settings
    data = request.data / "queries.tsv" if (request.data / "queries.tsv").is_file() else request.data
    encoders, voice = backends(settings.job, settings.vocoder)
    reader = AudioReader(max_duration_s=_MAX_DURATION_S)
    utterances = []
    for row in read_corpus(data)[: request.limit]:
        try:
            waveform, digest = reader.decode(row)
        except RecordError as error:
            raise UserError(f"{row.audio} ({row.utterance_id}): {error.detail}") from error
        utterances.append(Utterance(row, waveform, digest))
    outcome = evaluate_voice(
        utterances, encoders, voice, variants=settings.variants, seed=request.seed, say=request.say
    )
    about = {
        "vocoder": voice.fingerprint,
        "encoders": {encoder.stream_kind: encoder.fingerprint for encoder in encoders},
    }
    return Outcome(outcome.figures, outcome.rows, about)


RESYNTHESIS = Suite(
    title="words, melody and timbre that survive tokens and back; no model",
    data="prompts",
    public=("LibriSpeech",),
    layout="queries.tsv (id, audio, text), a LibriSpeech tree, or a folder of audio with .txt",
    run=_run,
    uses_model=False,
    settings=ResynthesisSettings,
)
