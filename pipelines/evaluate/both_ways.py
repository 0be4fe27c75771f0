"""What a model makes of utterances in the other modality: it reads texts aloud and writes recordings down."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from pipelines.evaluate.asr import transcribe, word_error_rate
from pipelines.infer.model import SpeechTextModel
from pipelines.infer.parts import Part, Speech, Text
from schemas.records import StoredUtterance, Waveform


def evaluate_both_ways(
    model: SpeechTextModel, records: Sequence[StoredUtterance], *, max_new_tokens: int = 300
) -> dict[str, float]:
    """WER of the model's own speech (by Whisper) and of its transcripts, greedy, against the texts.

    The recordings are given as the streams that the corpus holds.
    """
    texts = [record.text for record in records]
    recordings = [[Speech(streams=record.streams)] for record in records]
    greedy = partial(model.generate, temperature=0.0, max_new_tokens=max_new_tokens)
    spoken = greedy([[Text(text)] for text in texts], output="speech")
    written = greedy(recordings, output="text")
    return {
        "utterances": float(len(records)),
        "wer_spoken": word_error_rate(texts, transcribe([_audio(answer) for answer in spoken])),
        "wer_written": word_error_rate(texts, [_text(answer) for answer in written]),
    }


def _audio(answer: Sequence[Part]) -> Waveform:
    heard = [part.audio for part in answer if isinstance(part, Speech) and isinstance(part.audio, np.ndarray)]
    return np.concatenate(heard) if heard else np.zeros(0, np.float32)


def _text(answer: Sequence[Part]) -> str:
    return " ".join(part.text for part in answer if isinstance(part, Text))
