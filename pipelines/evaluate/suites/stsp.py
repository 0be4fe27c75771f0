"""Speech-Text Sentiment Preservation (Nguyen et al., TACL 2025, section 5): does a continuation keep the prompt's mood.

Written and spoken prompts whose sentiment is known are continued in text and in speech; a continuation counts where its
sentiment, by a classifier, is the prompt's. The mean of three runs is reported. Chance is a third.

With ``shots``, a prompt comes after as many examples, drawn by seed for each prompt, as equally from the three
sentiments as their number allows. An example is a prompt in the direction's first modality and a continuation in its
second, and the sentiment is judged of the new tokens alone: what came before never counts.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from pipelines.evaluate.classifiers import (
    NAMES,
    SpeechJudge,
    TextJudge,
    sentiment_of_label,
    speech_judge,
    text_judge,
)
from pipelines.evaluate.continuations import (
    MAX_NEW_TOKENS,
    TEMPERATURE,
    TOP_P,
    Direction,
    Prompt,
    PromptSettings,
    continuations,
    heard,
    prompt_table,
    prompts_for,
    read_prompts,
    written,
)
from pipelines.evaluate.lexicon import SENTIMENTS, Sentiment
from pipelines.evaluate.records import audio_file, read_records
from pipelines.evaluate.statistics import mean_figure
from pipelines.evaluate.suite import Figure, Generator, Outcome, Request, Row, Say, Suite
from pipelines.infer.parts import Part, Speech, Text
from schemas.errors import UserError
from transforms.seeds import rng_for


class StspSettings(PromptSettings):
    """Whether a continuation keeps the sentiment of its prompt.

    Args:
        label_field: Name of the field with a prompt's emotion or sentiment.
        runs: Continuations of every prompt, with other draws.
        shots: Examples before a prompt.
        shots_from: Table of the examples; ``shots.jsonl`` beside the prompts if unset.
        text_classifier: Judge of written continuations: ``lexicon`` (a list of words), or ``hf:FOLDER``, a Hugging Face
            text classifier in a local folder.
        speech_classifier: Judge of spoken ones: ``transcript`` (what Whisper tiny.en hears, judged as text), or
            ``hf:FOLDER``, an audio classifier.
        labels: What labels of prompts and classifiers mean, where their names don't say it.
    """

    label_field: str = "emotion"
    runs: int = Field(default=3, ge=1)
    shots: int = Field(default=0, ge=0)
    shots_from: str | None = None
    text_classifier: str = "lexicon"
    speech_classifier: str = "transcript"
    labels: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """An example: a prompt and its continuation, each in writing and in speech where there is both."""

    prompt: Prompt
    continuation_text: Text | None
    continuation_speech: Speech | None
    sentiment: Sentiment

    def parts(self, direction: Direction) -> tuple[Part, Part] | None:
        """None where one of them is missing."""
        first = self.prompt.part(direction)
        second = self.continuation_text if direction[-1] == "T" else self.continuation_speech
        return None if first is None or second is None else (first, second)


@dataclass(frozen=True, slots=True)
class Judges:
    text: TextJudge
    speech: SpeechJudge


def read_shots(table: Path, settings: StspSettings) -> list[Shot]:
    """Examples of a table: the prompts' columns, and ``continuation``, ``continuation_audio`` or both.

    Raises:
        UserError: The table is malformed, or a recording is missing.
    """
    root = Path(settings.audio_root) if settings.audio_root else table.parent
    rows = read_records(table, required=(settings.label_field,))
    found = []
    for row, prompt in zip(rows, read_prompts(table, settings, label_field=settings.label_field), strict=True):
        text, audio = row.get("continuation"), row.get("continuation_audio")
        if not text and not audio:
            raise UserError(f"{row.place}: neither continuation nor continuation_audio in the row")
        found.append(
            Shot(
                prompt,
                Text(text) if text else None,
                Speech(audio=audio_file(root, audio, place=row.place)) if audio else None,
                sentiment_of_label(prompt.label, place=row.place, labels=settings.labels),
            )
        )
    return found


def draw_shots(pool: Sequence[Shot], query: Prompt, *, direction: Direction, shots: int, seed: int) -> list[Shot]:
    """Shots of a prompt: one sentiment after the other in turn, both drawn by seed; never the prompt itself.

    Raises:
        UserError: Too few examples have the direction's parts.
    """
    usable = [shot for shot in pool if shot.prompt.key != query.key and shot.parts(direction) is not None]
    if len(usable) < shots:
        raise UserError(f"stsp: {shots} shots of {len(usable)} examples for {direction}")
    rng = rng_for(query.key, stage=f"stsp/{direction}", run_seed=seed)
    shuffled = [usable[index] for index in rng.permutation(len(usable))]
    kinds = [SENTIMENTS[index] for index in rng.permutation(len(SENTIMENTS))]
    by_kind = {kind: [shot for shot in shuffled if shot.sentiment == kind] for kind in kinds}
    drawn: list[Shot] = []
    while len(drawn) < shots:
        for kind in kinds:
            if by_kind[kind] and len(drawn) < shots:
                drawn.append(by_kind[kind].pop())
    return [drawn[index] for index in rng.permutation(len(drawn))]


def prompt_parts(query: Prompt, shots: Sequence[Shot], direction: Direction) -> list[Part]:
    """Examples with their continuations, then the prompt, all in the direction's modalities."""
    parts: list[Part] = [part for shot in shots for part in shot.parts(direction) or ()]
    asked = query.part(direction)
    if asked is None:
        raise ValueError(f"prompt {query.key} has no part for {direction}")
    return [*parts, asked]


def prompt_sentiments(prompts: Sequence[Prompt], settings: StspSettings) -> dict[str, Sentiment]:
    """The sentiment that each prompt's label means, by its key.

    Raises:
        UserError: A label means none, or two prompts have one key.
    """
    found: dict[str, Sentiment] = {}
    for prompt in prompts:
        if prompt.key in found:
            raise UserError(f"prompt {prompt.key}: two prompts have this id; give each its own")
        found[prompt.key] = sentiment_of_label(prompt.label, place=f"prompt {prompt.key}", labels=settings.labels)
    return found


def evaluate_sentiment(
    generator: Generator,
    prompts: Sequence[Prompt],
    judges: Judges,
    *,
    settings: StspSettings,
    pool: Sequence[Shot] = (),
    seed: int,
    say: Say,
) -> Outcome:
    """Accuracy by direction and by the prompt's sentiment, over all runs.

    Raises:
        UserError: A prompt's label means no sentiment, or there are too few examples.
    """
    wanted = prompt_sentiments(prompts, settings)
    rows: list[Row] = []
    figures: list[Figure] = []
    for direction, own in prompts_for(prompts, settings.directions).items():
        asked = [
            prompt_parts(p, draw_shots(pool, p, direction=direction, shots=settings.shots, seed=seed), direction)
            for p in own
        ]
        kept: dict[str, list[float]] = defaultdict(list)
        for run in range(settings.runs):
            answers = list(continuations(generator, asked, direction=direction, run=run, seed=seed, say=say))
            for prompt, answer, found in zip(own, answers, _judged(answers, direction, judges), strict=True):
                kept[prompt.key].append(float(found == wanted[prompt.key]))
                row: Row = {"key": prompt.key, "direction": direction, "run": run, "prompt": wanted[prompt.key]}
                rows.append({**row, "continuation": found, "text": written(answer)})
        figures.append(mean_figure(direction, "accuracy", kept, seed=seed, chance=1 / 3))
        figures += [
            mean_figure(direction, f"accuracy, {kind} prompts", part, seed=seed, chance=1 / 3)
            for kind in SENTIMENTS
            if (part := {key: values for key, values in kept.items() if wanted[key] == kind})
        ]
    return Outcome(figures, rows, _about(settings))


def _judged(answers: Sequence[Sequence[Part]], direction: Direction, judges: Judges) -> list[Sentiment]:
    if direction[-1] == "T":
        return judges.text([written(answer) for answer in answers])
    return judges.speech([heard(answer) for answer in answers])


def _about(settings: StspSettings) -> Mapping[str, object]:
    decoding = {"temperature": TEMPERATURE, "top_p": TOP_P, "max_new_tokens": MAX_NEW_TOKENS}
    return {"decoding": decoding, "sentiment_of_labels": {**NAMES, **settings.labels}}


def _run(open_model: Callable[[], Generator], request: Request) -> Outcome:
    settings: StspSettings = request.settings
    table = prompt_table(request.data)
    prompts = read_prompts(table, settings, label_field=settings.label_field)[: request.limit]
    prompts_for(prompts, settings.directions)
    prompt_sentiments(prompts, settings)
    place = Path(settings.shots_from) if settings.shots_from else table.with_name("shots.jsonl")
    pool = read_shots(place, settings) if settings.shots else []
    text = text_judge(settings.text_classifier, labels=settings.labels)
    judges = Judges(text, speech_judge(settings.speech_classifier, text=text, labels=settings.labels))
    return evaluate_sentiment(
        open_model(), prompts, judges, settings=settings, pool=pool, seed=request.seed, say=request.say
    )


STSP = Suite(
    title="does a continuation keep the prompt's sentiment, T->T, T->S, S->S, S->T",
    data="sentiment",
    public=("STSP",),
    layout="prompts.jsonl with id, text, audio, emotion; shots.jsonl with continuation and continuation_audio too",
    run=_run,
    settings=StspSettings,
)
