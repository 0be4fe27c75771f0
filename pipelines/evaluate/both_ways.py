"""What a model makes of utterances in the other modality: it reads texts aloud and writes recordings down."""

from collections.abc import Sequence

from pipelines.evaluate.asr import transcribe, word_error_rate
from pipelines.evaluate.continuations import heard, written
from pipelines.infer.model import SpeechTextModel
from pipelines.infer.parts import Speech, Text
from pipelines.infer.sampling import GenerateOptions
from schemas.records import StoredUtterance


def evaluate_both_ways(
    model: SpeechTextModel, records: Sequence[StoredUtterance], *, max_new_tokens: int = 300
) -> dict[str, float]:
    """WER of the model's own speech (by Whisper) and of its transcripts, greedy, against the texts.

    The recordings are given as the streams that the corpus holds.
    """
    texts = [record.text for record in records]
    recordings = [[Speech(streams=record.streams)] for record in records]
    greedy: GenerateOptions = {"temperature": 0.0, "max_new_tokens": max_new_tokens}
    spoken = model.generate([[Text(text)] for text in texts], output="speech", **greedy)
    texts_written = model.generate(recordings, output="text", **greedy)
    return {
        "utterances": float(len(records)),
        "wer_spoken": word_error_rate(texts, transcribe([heard(answer) for answer in spoken])),
        "wer_written": word_error_rate(texts, [written(answer) for answer in texts_written]),
    }
