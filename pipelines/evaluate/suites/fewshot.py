"""Few-shot ASR and TTS: a model transcribes and reads aloud after some examples (Nguyen et al., TACL 2025, section 4).

Prompts and decoding are those of a template file (``pipelines/infer/templates``), which the result quotes in full. An
ASR answer is compared with the transcript, a TTS answer by what Whisper tiny.en hears in it; both sides are normalised
by Whisper's rules for English.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import Field

from pipelines.evaluate.asr import character_errors, transcribe, word_errors
from pipelines.evaluate.corpora import as_examples, read_corpus
from pipelines.evaluate.statistics import ratio_figure
from pipelines.evaluate.suite import Figure, Generator, Outcome, Request, Row, Say, Settings, Suite
from pipelines.infer.fewshot import Example, FewShot, encode_examples
from pipelines.infer.model import SpeechTextModel
from pipelines.infer.parts import Part
from schemas.errors import UserError
from schemas.records import Waveform

Transcribe = Callable[[Sequence[Waveform]], list[str]]
_BATCH = 8


class TemplateSettings(Settings):
    """A task that is shown by some examples.

    Args:
        template: A bundled template's name, or a file; the suite's own if unset.
        shots: Examples before a query; the template's number if unset.
        fit: Leave out the last examples where the prompt would pass the model's context, instead of refusing.
    """

    template: str | None = None
    shots: int | None = Field(default=None, ge=0)
    fit: bool = False


class FewShotSettings(TemplateSettings):
    """Transcribing and reading aloud after some examples.

    Args:
        shots_from: Where examples are drawn from: a table, a folder, a LibriSpeech tree. If unset, ``shots.tsv`` beside
            ``queries.tsv``, or else the data itself (a query is never its own example).
        lower: Write texts in lower case, for sets like LibriSpeech that are all capitals.
    """

    shots_from: str | None = None
    lower: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """A query and the examples before it."""

    query: Example
    shots: Sequence[Example]


@dataclass(frozen=True, slots=True)
class Task:
    """A template and the queries with their examples, drawn."""

    template: FewShot
    asked: Sequence[Asked]


def read_task(data: Path, settings: FewShotSettings, *, template: str, limit: int | None, seed: int) -> Task:
    """Queries and examples of ``queries.tsv`` and ``shots.tsv``, or of any corpus.

    Raises:
        UserError: They cannot be read, there is no such template, or there are too few examples.
    """
    place = data / "queries.tsv" if (data / "queries.tsv").is_file() else data
    beside = data / "shots.tsv"
    source = Path(settings.shots_from) if settings.shots_from else beside if beside.is_file() else place
    queries = as_examples(read_corpus(place), lower=settings.lower)[:limit]
    pool = as_examples(read_corpus(source), lower=settings.lower)
    return draw_task(FewShot.load(settings.template or template), queries, pool, shots=settings.shots, seed=seed)


def draw_task(
    template: FewShot, queries: Sequence[Example], pool: Sequence[Example], *, shots: int | None, seed: int
) -> Task:
    """Raises: UserError: Too few examples."""
    drawn = [Asked(query, template.draw(pool, query, seed=seed, shots=shots)) for query in queries]
    return Task(template, drawn)


def prepare(model: SpeechTextModel, task: Task, *, fit: bool) -> Task:
    """The task with its recordings' streams, encoded once each; with ``fit``, with as many examples as there is room.

    Raises:
        UserError: A recording cannot be read.
    """
    needed = {id(e): e for asked in task.asked for e in (asked.query, *asked.shots)}
    made = dict(zip(needed, encode_examples(model, list(needed.values())), strict=True))
    found = []
    for asked in task.asked:
        query, shots = made[id(asked.query)], [made[id(shot)] for shot in asked.shots]
        found.append(Asked(query, task.template.fitting(model, shots, query) if fit else shots))
    return Task(task.template, found)


def ask(generator: Generator, task: Task, *, seed: int, say: Say) -> Iterator[tuple[Asked, list[Part]]]:
    """The answer to each query, in their order.

    Raises:
        UserError: A prompt is longer than the model's context.
    """
    for first in range(0, len(task.asked), _BATCH):
        batch = task.asked[first : first + _BATCH]
        prompts = [task.template.prompt(asked.shots, asked.query) for asked in batch]
        try:
            answers = generator.generate(prompts, **task.template.arguments(seed + first))
        except UserError as error:
            raise UserError(f"{error} (fewer examples: --set shots=N, or --set fit=true)") from error
        yield from zip(batch, answers, strict=True)
        say(f"{first + len(batch)} of {len(task.asked)} answers")


def error_figures(name: str, pairs: Sequence[tuple[str, str]], *, seed: int) -> list[Figure]:
    """WER and CER of (reference, hypothesis)."""
    words = [word_errors(*pair) for pair in pairs]
    characters = [character_errors(*pair) for pair in pairs]
    return [ratio_figure(name, "WER", words, seed=seed), ratio_figure(name, "CER", characters, seed=seed)]


def evaluate_asr(generator: Generator, task: Task, *, seed: int, say: Say) -> Outcome:
    """Errors of the model's transcripts."""
    answered = list(ask(generator, task, seed=seed, say=say))
    return _outcome("ASR", task, [task.template.read(answer) for _, answer in answered], seed=seed)


def evaluate_tts(
    generator: Generator, task: Task, *, seed: int, say: Say, transcribe: Transcribe = transcribe
) -> Outcome:
    """Errors of what is heard in the model's speech; an answer without audio is heard as nothing."""
    waveforms = [task.template.hear(answer) for _, answer in ask(generator, task, seed=seed, say=say)]
    spoken = [index for index, waveform in enumerate(waveforms) if len(waveform)]
    heard = dict(zip(spoken, transcribe([waveforms[index] for index in spoken]), strict=True))
    outcome = _outcome("TTS", task, [heard.get(index, "") for index in range(len(waveforms))], seed=seed)
    silent = Figure("TTS", "answers without speech", float(len(waveforms) - len(spoken)), len(waveforms))
    return Outcome([*outcome.figures, silent], outcome.rows, outcome.about)


def _outcome(name: str, task: Task, texts: Sequence[str], *, seed: int) -> Outcome:
    rows = [
        row_of(asked, {"reference": asked.query.text, "answer": t}) for asked, t in zip(task.asked, texts, strict=True)
    ]
    pairs = [(asked.query.text, text) for asked, text in zip(task.asked, texts, strict=True)]
    return Outcome([*error_figures(name, pairs, seed=seed), shots_figure(name, task)], rows, about_task(task))


def row_of(asked: Asked, found: Row) -> Row:
    return {"key": asked.query.key, "shots": [shot.key for shot in asked.shots], **found}


def shots_figure(name: str, task: Task) -> Figure:
    """How many examples stood before a query; fewer than the template's where they were made to fit."""
    return Figure(name, "examples before a query", float(np.mean([len(a.shots) for a in task.asked])), len(task.asked))


def about_task(task: Task) -> dict[str, object]:
    """The whole template: what others need to repeat it."""
    return {"template": task.template.model_dump(mode="json")}


def _run_asr(open_model: Callable[[], SpeechTextModel], request: Request) -> Outcome:
    settings: FewShotSettings = request.settings
    task = read_task(request.data, settings, template="asr", limit=request.limit, seed=request.seed)
    model = open_model()
    return evaluate_asr(model, prepare(model, task, fit=settings.fit), seed=request.seed, say=request.say)


def _run_tts(open_model: Callable[[], SpeechTextModel], request: Request) -> Outcome:
    settings: FewShotSettings = request.settings
    task = read_task(request.data, settings, template="tts", limit=request.limit, seed=request.seed)
    model = open_model()
    return evaluate_tts(model, prepare(model, task, fit=settings.fit), seed=request.seed, say=request.say)


_LAYOUT = "queries.tsv and shots.tsv (id, audio, text), a LibriSpeech tree, or a folder of audio with .txt"

ASR = Suite(
    title="few-shot transcription, WER",
    data="prompts",
    public=("LibriSpeech",),
    layout=_LAYOUT,
    run=_run_asr,
    settings=FewShotSettings,
)
TTS = Suite(
    title="few-shot reading aloud, CER by Whisper tiny.en",
    data="prompts",
    public=("LibriSpeech",),
    layout=_LAYOUT,
    run=_run_tts,
    settings=FewShotSettings,
)
