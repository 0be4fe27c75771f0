"""Few-shot prompts from template files: examples with their answers, then the query without.

    shots     question, answer, question, answer ...      drawn by seed, never the query itself
    query     question                                    generate() adds the marker of the answer's modality

A template says what the parts are (text with a ``{text}`` slot, or the example's speech), what begins and stops an
answer, and how it is decoded. ``asr``, ``tts`` and ``intent`` come with the package (Spirit LM's tasks; Nguyen et al.,
TACL 2025, whose decoding settings are not published: these are ours).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field, field_validator, model_validator

from pipelines.infer.model import SpeechTextModel
from pipelines.infer.parts import Part, Speech, Text
from pipelines.ingest import read_rows
from pipelines.ingest.config import FolderConfig, TableConfig
from pipelines.yaml_config import Section, read_yaml, validate
from schemas.errors import UserError
from schemas.records import SourceRow, Waveform
from transforms.seeds import rng_for

SLOT = "{text}"
_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One row of a task: its key, its text (transcript or label) and its recording, where the template needs them."""

    key: str
    text: str
    speech: Speech | None = None


class TextItem(Section):
    """Words.

    Args:
        text: Text; ``{text}`` in it stands for the example's own.
    """

    text: str = Field(min_length=1)


class SpeechItem(Section):
    """The example's recording.

    Args:
        speech: ``true``; the item may be written ``speech`` alone.
    """

    speech: Literal[True] = True


def _item(data: Any) -> Any:
    return {"speech": True} if data == "speech" else data


Item = Annotated[TextItem | SpeechItem, BeforeValidator(_item)]


class DecodingSettings(Section):
    """How an answer is decoded.

    Args:
        output: Modality of the answer.
        max_new_tokens: Most tokens of an answer.
        until_switch: An answer ends where the model would go on in the other modality.
        temperature: 0 takes the likeliest token.
        top_p: Tokens are drawn from the likeliest that have this probability together.
    """

    output: Literal["text", "speech"]
    max_new_tokens: int = Field(ge=1)
    until_switch: bool = False
    temperature: float = Field(default=0.0, ge=0.0)
    top_p: float = Field(default=1.0, gt=0.0, le=1.0)


class FewShot(Section):
    """What a model is asked in a few-shot task; ``pipelines/infer/templates`` holds the bundled ones.

    Args:
        format: Name of the format.
        shots: Examples before the query.
        question: Parts that are given of every example and of the query.
        answer: Parts that follow in the examples, and that the model is asked for.
        begin: What an answer in text begins with; taken away when it is read.
        stop: Where an answer in text ends.
        decoding: How an answer is decoded.
    """

    format: Literal["plait/few-shot/1"]
    shots: int = Field(ge=0)
    question: tuple[Item, ...] = Field(min_length=1)
    answer: tuple[Item, ...] = Field(min_length=1)
    begin: str = ""
    stop: str | None = Field(default=None, min_length=1)
    decoding: DecodingSettings

    @field_validator("answer")
    @classmethod
    def _one_modality(cls, items: tuple[Item, ...]) -> tuple[Item, ...]:
        if len({type(item) for item in items}) > 1:
            raise ValueError("all parts of an answer are text, or all are speech")
        return items

    @model_validator(mode="after")
    def _answer_is_as_decoded(self) -> "FewShot":
        if self.decoding.output != ("text" if isinstance(self.answer[0], TextItem) else "speech"):
            raise ValueError("decoding.output must be the modality of the answer's parts")
        if self.decoding.output == "speech" and (self.begin or self.stop):
            raise ValueError("begin and stop are of answers in text; set decoding.until_switch to end one in speech")
        return self

    @classmethod
    def load(cls, name: str | Path) -> "FewShot":
        """A template of the package by its name, or a YAML file.

        Raises:
            UserError: Neither, or not a template.
        """
        bundled = {path.stem: path for path in sorted(_TEMPLATES.glob("*.yaml"))}
        path = bundled.get(str(name), Path(name))
        if not path.is_file():
            raise UserError(f"no few-shot template {name}: give a file, or one of {', '.join(bundled)}")
        return validate(cls, read_yaml(path), where=str(path))

    def draw(
        self, examples: Iterable[Example], query: Example, *, seed: int, shots: int | None = None
    ) -> list[Example]:
        """Shots of a query, ``shots`` of the template if not said: a function of their keys, the query's and the seed.

        The examples' order means nothing, and an example with the query's key is never drawn.

        Raises:
            UserError: Too few examples.
        """
        others = sorted((e for e in examples if e.key != query.key), key=lambda example: example.key)
        wanted = self.shots if shots is None else shots
        if len(others) < wanted:
            raise UserError(f"few-shot: {wanted} shots of {len(others)} examples besides the query {query.key}")
        order = rng_for(query.key, stage="few-shot", run_seed=seed).permutation(len(others))
        return [others[index] for index in order[:wanted]]

    def prompt(self, shots: Sequence[Example], query: Example) -> list[Part]:
        """Parts for ``generate(..., **self.arguments(seed))``.

        Raises:
            UserError: An example has no recording, and the template needs one.
        """
        parts = [_fill(item, shot) for shot in shots for item in (*self.question, *self.answer)]
        return [*parts, *(_fill(item, query) for item in self.question)]

    def fitting(self, model: SpeechTextModel, shots: Sequence[Example], query: Example) -> list[Example]:
        """The first shots, as many as leave room for ``max_new_tokens`` in the model's context.

        Raises:
            UserError: Not even the query alone does.
        """
        room = model.context - self.decoding.max_new_tokens
        for count in range(len(shots), -1, -1):
            if model.count_tokens(self.prompt(shots[:count], query), output=self.decoding.output) <= room:
                return list(shots[:count])
        raise UserError(
            f"few-shot: the query {query.key} and {self.decoding.max_new_tokens} new tokens are more than the model's "
            f"context of {model.context}"
        )

    def arguments(self, seed: int) -> dict[str, Any]:
        """Keyword arguments of ``generate`` and ``stream``."""
        return {**self.decoding.model_dump(), "stop": self.stop, "seed": seed}

    def read(self, answer: Sequence[Part]) -> str:
        """An answer in text, from after ``begin`` up to ``stop``, without space around it."""
        text = " ".join(part.text for part in answer if isinstance(part, Text)).strip()
        text = text.removeprefix(self.begin)
        return (text.split(self.stop, 1)[0] if self.stop else text).strip()

    def hear(self, answer: Sequence[Part]) -> Waveform:
        """An answer in speech; no samples where there is none or no vocoder spoke it."""
        heard = [part.audio for part in answer if isinstance(part, Speech) and isinstance(part.audio, np.ndarray)]
        return np.concatenate([np.zeros(0, np.float32), *heard])


def _fill(item: TextItem | SpeechItem, example: Example) -> Part:
    if isinstance(item, TextItem):
        return Text(item.text.replace(SLOT, example.text))
    if example.speech is None:
        raise UserError(f"few-shot: example {example.key} has no recording, and the template needs one")
    return example.speech


def encode_examples(model: SpeechTextModel, examples: Sequence[Example]) -> list[Example]:
    """The same examples with their recordings' streams, so that no prompt encodes them again."""
    spoken = [example for example in examples if example.speech is not None]
    streams = model.encode_speech([example.speech for example in spoken if example.speech is not None])
    made = {id(example): Speech(streams=found) for example, found in zip(spoken, streams, strict=True)}
    return [replace(example, speech=made.get(id(example))) for example in examples]


def read_examples(path: str) -> list[Example]:
    """Examples of a folder (audio with its text in a ``.txt`` of the same name) or a table with id, audio and text.

    Raises:
        UserError: Neither, or there are none.
    """
    place = Path(path)
    rows = read_rows(FolderConfig(path=path) if place.is_dir() else TableConfig(path=path))
    found = [Example(r.utterance_id, r.text, Speech(audio=r.audio)) for r in rows if isinstance(r, SourceRow)]
    if not found:
        raise UserError(f"{path}: no examples; expected a folder of audio and .txt files, or a table")
    return found
