"""One utterance to one token sequence: text, speech, or both braided at word boundaries.

The same function bakes shards and feeds the trainer, so baked epoch ``k`` equals load-time epoch ``k``.
A policy is a pure function of (number of words, rng); a written word that is spoken as several ("21") is one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.records import Modality, Segment, Span, StoredUtterance, TokenSequence
from schemas.vocabulary import VocabularyLayout
from transforms.seeds import rng_for
from transforms.streams import MergedStream, merge_streams, word_spans, written_groups
from transforms.text.protocol import TextTokenizer

Source = Literal["text", "speech", "interleaved"]


@dataclass(frozen=True, slots=True)
class WordRun:
    """Words ``[start, end)`` in one modality."""

    modality: Modality
    start: int
    end: int


class InterleaveConfig(BaseModel):
    """How modalities alternate (defaults: Spirit LM, section 3.1).

    ``text_words`` and ``speech_words`` are the inclusive bounds of a span's length in words, drawn uniformly.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    policy: Literal["spirit"] = "spirit"
    text_words: tuple[int, int] = (10, 30)
    speech_words: tuple[int, int] = (5, 15)
    p_text_first: float = Field(default=0.5, ge=0, le=1)
    reemit_context: bool = False

    @model_validator(mode="after")
    def _bounds_are_ordered(self) -> "InterleaveConfig":
        for name in ("text_words", "speech_words"):
            low, high = getattr(self, name)
            if not 1 <= low <= high:
                raise ValueError(f"{name} must be [low, high] with 1 <= low <= high")
        return self


def spirit_runs(num_words: int, rng: np.random.Generator, config: InterleaveConfig) -> list[WordRun]:
    """Strictly alternating runs that cover all words; the last one is cut at the end."""
    modality: Modality = "text" if rng.random() < config.p_text_first else "speech"
    runs: list[WordRun] = []
    start = 0
    while start < num_words:
        low, high = config.text_words if modality == "text" else config.speech_words
        end = min(num_words, start + int(rng.integers(low, high, endpoint=True)))
        runs.append(WordRun(modality, start, end))
        start, modality = end, "speech" if modality == "text" else "text"
    return runs


def encode_utterance(
    record: StoredUtterance,
    *,
    source: Source,
    layout: VocabularyLayout,
    tokenizer: TextTokenizer,
    config: InterleaveConfig,
    run_seed: int,
    epoch: int,
) -> TokenSequence:
    """Token sequence of one utterance.

    ``text`` and ``speech`` have one leading marker; ``interleaved`` has a marker at the start and at each switch.
    """
    groups = written_groups(record.words)
    if source == "interleaved":
        rng = rng_for(record.utterance_id, stage="interleave", run_seed=run_seed, epoch=epoch)
        runs = spirit_runs(len(groups), rng, config)
    else:
        runs = [WordRun(source, 0, len(groups))]
    spans = word_spans(record.words, num_samples=record.num_samples)
    run_spans = [Span(spans[groups[r.start].start].start, spans[groups[r.end - 1].stop - 1].end) for r in runs]
    reemit = [span.start for span in run_spans] if config.reemit_context else []
    merged = merge_streams(record.streams, layout=layout, reemit_at=reemit)
    return _assemble(record, runs, run_spans, groups, merged, layout, tokenizer)


def _assemble(
    record: StoredUtterance,
    runs: Sequence[WordRun],
    spans: Sequence[Span],
    groups: Sequence[range],
    merged: MergedStream,
    layout: VocabularyLayout,
    tokenizer: TextTokenizer,
) -> TokenSequence:
    tokens: list[np.ndarray] = []
    segments: list[Segment] = []
    length = 0
    for run, span in zip(runs, spans, strict=True):
        if run.modality == "text":
            text = record.text[_char_cut(record, groups, run.start) : _char_cut(record, groups, run.end)]
            body = np.array([layout.text_marker, *tokenizer.encode(text.strip())], dtype=np.int32)
        else:
            body = np.concatenate([[layout.speech_marker], merged.cut(span)]).astype(np.int32)
        words = (groups[run.start].start, groups[run.end - 1].stop)
        segments.append(Segment(run.modality, length, length + len(body), *words, span.start, span.end))
        tokens.append(body)
        length += len(body)
    return TokenSequence(record.utterance_id, np.concatenate(tokens), tuple(segments))


def _char_cut(record: StoredUtterance, groups: Sequence[range], group: int) -> int:
    """Where the written text is cut before a group: at its first character; leading quotes stay with it."""
    if group == 0:
        return 0
    if group == len(groups):
        return len(record.text)
    start = record.words[groups[group].start].char_start
    while start > 0 and not record.text[start - 1].isspace() and not record.text[start - 1].isalnum():
        start -= 1
    return max(start, record.words[groups[group - 1].start].char_end)
