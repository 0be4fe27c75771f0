"""Hidden states of words, written and spoken, from a language model's layers.

    written   BOS [TEXT]   the    cat    sat            tokens up to the next word belong to a word
    spoken    BOS [SPEECH] H5 H9  H2 H7  H7 H1          tokens whose onset lies in the word's span, as in training
    states    layer 0 is the embeddings, layer n the output of block n

Shapes: L layers, N tokens of a word, D width.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from pipelines.infer.model import SpeechTextModel
from pipelines.infer.parts import Speech
from schemas.errors import UserError
from schemas.records import AlignedWord, Span
from transforms.streams import merge_streams, word_spans
from transforms.written import written_groups

States = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class SpokenText:
    """A recording, its text as written and where its words are."""

    key: str
    text: str
    speech: Speech
    num_samples: int
    words: tuple[AlignedWord, ...]


@dataclass(frozen=True, slots=True, eq=False)
class WordStates:
    """One written word: its spelling, and its states in text and in speech, shape ``(L, N, D)``, N may be 0."""

    word: str
    text: States
    speech: States


class WordReader(Protocol):
    def words(self, item: SpokenText) -> list[WordStates]:
        """The written words of a recording, in order."""
        ...


class ModelWords:
    """Reads words with a trained model."""

    def __init__(self, model: SpeechTextModel) -> None:
        self.model = model

    def words(self, item: SpokenText) -> list[WordStates]:
        """Raises: UserError: The recording or its text is longer than the model's context."""
        layout = self.model.layout
        groups = written_groups(item.words, item.text)
        starts = [item.words[group.start].char_start for group in groups]
        names = [item.text[item.words[g.start].char_start : item.words[g.start].char_end] for g in groups]
        written = self._text_pieces(item.text, starts)
        spans = word_spans(item.words, num_samples=item.num_samples)
        merged = merge_streams(self.model.encode_speech([item.speech])[0], layout=layout)
        spoken = [merged.cut(Span(spans[g.start].start, spans[g.stop - 1].end)).tolist() for g in groups]
        text = self._states(item.key, layout.text_marker, written)
        speech = self._states(item.key, layout.speech_marker, spoken)
        return [WordStates(*found) for found in zip(names, text, speech, strict=True)]

    def _text_pieces(self, text: str, starts: Sequence[int]) -> list[list[int]]:
        """Tokens of the text in pieces that begin at the words; what comes before the first goes to it."""
        encode = self.model.tokenizer.encode
        cuts = [0, *(len(encode(text[:start].rstrip())) for start in starts[1:])]
        tokens = encode(text)
        return [tokens[first:last] for first, last in pairwise([*cuts, len(tokens)])]

    def _states(self, key: str, marker: int, pieces: Sequence[Sequence[int]]) -> list[States]:
        tokens = [self.model.tokenizer.bos_id, marker, *(token for piece in pieces for token in piece)]
        if len(tokens) > self.model.context:
            raise UserError(f"{key}: {len(tokens)} tokens; the model's context is {self.model.context}: leave it out")
        device = next(self.model.model.parameters()).device
        with torch.inference_mode():
            ids = torch.tensor([tokens], device=device)
            layers = self.model.model(input_ids=ids, output_hidden_states=True, use_cache=False).hidden_states
            states_LTD = torch.stack([layer[0] for layer in layers]).float().cpu().numpy()
        cuts = np.cumsum([2, *(len(piece) for piece in pieces)]).tolist()
        return [states_LTD[:, first:last] for first, last in pairwise(cuts)]
