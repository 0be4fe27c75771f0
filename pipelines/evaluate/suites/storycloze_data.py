"""Readers of StoryCloze: folders of recordings and texts by story number, and the table of the written test.

Folder (also in subfolders, one a voice; names are those that slamkit reads)::

    7_mutual.wav   7_correct.wav   7_incorrect.wav     the story's beginning and its two endings
    7_mutual.txt   7_correct.txt   7_incorrect.txt     the same in writing; either kind may be missing
    7_correct.wav  7_incorrect.wav                     without 7_mutual: whole stories, as TWIST released them

Table (.csv): InputStoryid, InputSentence1 .. 4, RandomFifthSentenceQuiz1 and 2, AnswerRightEnding (1 or 2).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pipelines.evaluate.records import AUDIO_SUFFIXES, Record, read_records, read_text_file
from pipelines.infer.parts import Speech, Text
from schemas.errors import UserError
from transforms.seeds import rng_for

_RIGHT, _WRONG, _PROMPT = "_correct", "_incorrect", "_mutual"
_SENTENCES = tuple(f"InputSentence{number}" for number in range(1, 5))
_ENDINGS = ("RandomFifthSentenceQuiz1", "RandomFifthSentenceQuiz2")
_COLUMNS = ("InputStoryid", *_SENTENCES, *_ENDINGS, "AnswerRightEnding")

P = TypeVar("P")


@dataclass(frozen=True, slots=True, eq=False)
class Story:
    """A story and its endings, the right one first. ``whole_audio`` are recordings of story and ending in one."""

    key: str
    prompt_text: Text | None = None
    ending_text: tuple[Text, Text] | None = None
    prompt_audio: Speech | None = None
    ending_audio: tuple[Speech, Speech] | None = None
    whole_audio: tuple[Speech, Speech] | None = None


def read_stories(data: Path, *, topic: bool, seed: int) -> list[Story]:
    """Stories of a folder or a table, in order of their numbers.

    The table of the written test has no wrong endings of other stories: for Topic-StoryCloze (``topic``) they are drawn
    from it by ``seed``. Folders hold the right set already.

    Raises:
        UserError: Nothing of the kind is there, or a part of a story is missing.
    """
    if not data.exists():
        raise UserError(f"{data}: no such folder")
    tables = [data] if data.is_file() else sorted(data.glob("*.csv"))
    rights = [] if data.is_file() else sorted(_named(data, _RIGHT), key=_number)
    if rights:
        return [_story(path, data) for path in rights]
    if len(tables) != 1:
        raise UserError(
            f"{data}: no N{_RIGHT}.wav or .txt below it, and {len(tables)} .csv files in it; expected either"
        )
    return _of_table(tables[0], topic=topic, seed=seed)


def _named(folder: Path, ending: str) -> set[Path]:
    """Paths without extension of the audio and text files whose names end so."""
    suffixes = (*AUDIO_SUFFIXES, ".txt")
    return {path.with_suffix("") for path in folder.rglob(f"*{ending}.*") if path.suffix in suffixes and path.is_file()}


def _number(stem: Path) -> tuple[str, int, str]:
    name = stem.name.removesuffix(_RIGHT)
    return str(stem.parent), int(name) if name.isdigit() else -1, name


def _story(right: Path, data: Path) -> Story:
    base = right.name.removesuffix(_RIGHT)
    wrong, prompt = right.with_name(base + _WRONG), right.with_name(base + _PROMPT)
    key = str((right.parent / base).relative_to(data))
    audio = _both(right, wrong, _audio)
    text = _both(right, wrong, _text)
    prompt_audio, prompt_text = _audio(prompt), _text(prompt)
    if text is not None and prompt_text is None:
        raise UserError(f"{prompt}.txt: no such file; {right}.txt needs its story's beginning")
    if audio is None or prompt_audio is not None:
        return Story(key, prompt_text, text, prompt_audio, audio)
    return Story(key, prompt_text, text, whole_audio=audio)


def _both(right: Path, wrong: Path, read: Callable[[Path], P | None]) -> tuple[P, P] | None:
    first, second = read(right), read(wrong)
    if first is None and second is None:
        return None
    if first is None or second is None:
        there, missing = (wrong, right) if first is None else (right, wrong)
        raise UserError(f"{missing}.*: no such file; {there.name} is there, and a story needs both endings")
    return first, second


def _audio(stem: Path) -> Speech | None:
    paths = [stem.with_name(stem.name + suffix) for suffix in AUDIO_SUFFIXES]
    return next((Speech(audio=path) for path in paths if path.is_file()), None)


def _text(stem: Path) -> Text | None:
    path = stem.with_name(stem.name + ".txt")
    return Text(read_text_file(path)) if path.is_file() else None


def _of_table(path: Path, *, topic: bool, seed: int) -> list[Story]:
    rows = read_records(path, required=_COLUMNS)
    right = [row.need(_ENDINGS[_answer(row) - 1]) for row in rows]
    wrong = [row.need(_ENDINGS[2 - _answer(row)]) for row in rows]
    if topic:
        if len(rows) < 2:
            raise UserError(f"{path}: one story; Topic-StoryCloze takes the wrong ending of another")
        wrong = [right[_other(row, index, len(rows), seed)] for index, row in enumerate(rows)]
    return [
        Story(
            row.need("InputStoryid"),
            prompt_text=Text(" ".join(row.need(column) for column in _SENTENCES)),
            ending_text=(Text(right[index]), Text(wrong[index])),
        )
        for index, row in enumerate(rows)
    ]


def _answer(row: Record) -> int:
    answer = row.get("AnswerRightEnding")
    if answer not in ("1", "2"):
        raise UserError(f"{row.place}: AnswerRightEnding is {answer!r}; it is 1 or 2")
    return int(answer)


def _other(row: Record, index: int, stories: int, seed: int) -> int:
    """Another story, drawn by seed and the story's id."""
    rng = rng_for(row.get("InputStoryid"), stage="topic-storycloze", run_seed=seed)
    return (index + 1 + int(rng.integers(stories - 1))) % stories
