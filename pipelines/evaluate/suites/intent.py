"""Few-shot intent classification: exact match of ``action object location`` (Nguyen et al., TACL 2025, section 4).

Layout of Fluent Speech Commands (Lugosch et al. 2019): ``data/train_data.csv``, which shots are drawn from, and
``data/test_data.csv`` with path, action, object and location; paths from the data's root.
"""

from collections.abc import Callable
from pathlib import Path

from pipelines.evaluate.records import audio_file, read_records
from pipelines.evaluate.statistics import mean_figure
from pipelines.evaluate.suite import Generator, Outcome, Request, Row, Say, Suite
from pipelines.evaluate.suites.fewshot import (
    Task,
    TemplateSettings,
    about_task,
    ask,
    draw_task,
    prepare,
    row_of,
    shots_figure,
)
from pipelines.infer.fewshot import Example, FewShot
from pipelines.infer.model import SpeechTextModel
from pipelines.infer.parts import Speech

_SLOTS = ("action", "object", "location")
_TRAIN, _TEST = "data/train_data.csv", "data/test_data.csv"


def read_commands(data: Path, table: str) -> list[Example]:
    """Examples with their intent as text, in the table's order; the key is the recording's path.

    Raises:
        UserError: The table or a recording is missing, or a row has no intent.
    """
    found = []
    for row in read_records(data / table, required=("path", *_SLOTS)):
        audio = audio_file(data, row.need("path"), place=row.place)
        found.append(Example(row.need("path"), " ".join(row.need(slot) for slot in _SLOTS), Speech(audio=audio)))
    return found


def read_task(data: Path, settings: TemplateSettings, *, limit: int | None, seed: int) -> Task:
    """Raises: UserError: As ``read_commands``; or too few examples."""
    template = FewShot.load(settings.template or "intent")
    queries, pool = read_commands(data, _TEST)[:limit], read_commands(data, _TRAIN)
    return draw_task(template, queries, pool, shots=settings.shots, seed=seed)


def evaluate_intent(generator: Generator, task: Task, *, seed: int, say: Say) -> Outcome:
    """Accuracy: the answer is the intent, word for word, but for case and spaces. Chance is the commonest intent's."""
    rows: list[Row] = []
    for asked, parts in ask(generator, task, seed=seed, say=say):
        answer = task.template.read(parts)
        right = _plain(answer) == _plain(asked.query.text)
        rows.append(row_of(asked, {"intent": asked.query.text, "answer": answer, "right": right}))
    intents = [row["intent"] for row in rows]
    chance = max(intents.count(intent) for intent in set(intents)) / len(intents)
    right_by_key = {row["key"]: [float(row["right"])] for row in rows}
    accuracy = mean_figure("intent", "accuracy, exact match", right_by_key, seed=seed, chance=chance)
    return Outcome([accuracy, shots_figure("intent", task)], rows, about_task(task))


def _plain(text: str) -> list[str]:
    return text.lower().split()


def _run(open_model: Callable[[], SpeechTextModel], request: Request) -> Outcome:
    settings: TemplateSettings = request.settings
    task = read_task(request.data, settings, limit=request.limit, seed=request.seed)
    model = open_model()
    return evaluate_intent(model, prepare(model, task, fit=settings.fit), seed=request.seed, say=request.say)


INTENT = Suite(
    title="few-shot spoken intents, exact match",
    data="intents",
    public=("FluentSpeechCommands",),
    layout="data/train_data.csv and data/test_data.csv (path, action, object, location), audio below wavs/",
    run=_run,
    settings=TemplateSettings,
)
