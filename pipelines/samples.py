"""Answers of a trained model that a person looks at and listens to: one of each direction, kept beside the run."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soundfile as sf

from pipelines.infer.model import SpeechTextModel
from pipelines.infer.parts import Part, Speech, Text
from schemas.manifest import dump_json
from schemas.records import SAMPLE_RATE_HZ, Modality, StoredUtterance, Waveform

INDEX = "samples.json"
# A model may find that half an utterance is a whole one; a sample is there to be heard.
MIN_NEW_TOKENS = 4
DIRECTIONS: tuple[tuple[Modality, Modality], ...] = (
    ("text", "text"),
    ("text", "speech"),
    ("speech", "text"),
    ("speech", "speech"),
)


@dataclass(frozen=True, slots=True)
class SampleAnswer:
    """One direction; file names are relative to the samples' folder, empty where there is no audio."""

    task: str
    prompt_id: str
    prompt_text: str
    prompt_wav: str
    text: str
    wav: str


def write_samples(
    model: SpeechTextModel, prompts: Sequence[tuple[StoredUtterance, Waveform]], folder: Path, *, seed: int
) -> list[SampleAnswer]:
    """Answer one prompt a direction and write wavs and an index.

    Args:
        prompts: One utterance a direction, in the order of ``DIRECTIONS``. Within a modality the first half of the
            utterance is the prompt and the model goes on; across modalities the whole utterance is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    answers = []
    for (source, target), (record, waveform) in zip(DIRECTIONS, prompts, strict=True):
        name = f"{source}-to-{target}"
        text, audio = (record.text, waveform) if source != target else _first_half(record, waveform)
        part: Part = Text(text) if source == "text" else Speech(audio=audio)
        (answer,) = model.generate([[part]], output=target, seed=seed, temperature=0.3, min_new_tokens=MIN_NEW_TOKENS)
        prompt_wav = _write(folder / f"{name}.prompt.wav", audio) if source == "speech" else ""
        spoken = [part.audio for part in answer if isinstance(part, Speech) and isinstance(part.audio, np.ndarray)]
        wav = _write(folder / f"{name}.wav", np.concatenate(spoken)) if spoken else ""
        said = " ".join(part.text for part in answer if isinstance(part, Text))
        answers.append(SampleAnswer(name, record.utterance_id, text, prompt_wav, said, wav))
    (folder / INDEX).write_text(dump_json([asdict(answer) for answer in answers]), encoding="utf-8")
    return answers


def read_samples_index(folder: Path) -> list[SampleAnswer]:
    """The index that ``write_samples`` wrote; empty where there is none."""
    path = folder / INDEX
    return [SampleAnswer(**item) for item in json.loads(path.read_text(encoding="utf-8"))] if path.is_file() else []


def _first_half(record: StoredUtterance, waveform: Waveform) -> tuple[str, Waveform]:
    word = record.words[len(record.words) // 2]
    return record.text[: word.char_start].strip(), waveform[: word.start_sample]


def _write(path: Path, waveform: Waveform) -> str:
    sf.write(path, waveform, SAMPLE_RATE_HZ, subtype="PCM_16")
    return path.name
