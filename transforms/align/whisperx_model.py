"""Runs WhisperX's ``align`` on one utterance, offline."""

import logging
import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nltk
import torch
from whisperx.alignment import align, load_align_model

from schemas.errors import RecordError
from schemas.records import SAMPLE_RATE_HZ, AlignedWord, SpokenWord, Waveform
from transforms.align.protocol import Alignment
from transforms.devices import Device, pick_device

_LANGUAGE = "en"
"""Told to WhisperX for every model: it only decides that blanks part words, and whose sentence splitter is asked."""
_PUNKT_TABLES = ("abbrev_types.txt", "collocations.tab", "ortho_context.tab", "sent_starters.txt")


class WhisperxModel:
    """A ``Wav2Vec2ForCTC`` folder under WhisperX's Viterbi."""

    def __init__(self, folder: Path, *, device: Device) -> None:
        _sentence_splitter()
        logging.getLogger("whisperx.alignment").setLevel(logging.ERROR)
        self._device = str(pick_device(device))
        self._model, self._metadata = load_align_model(
            _LANGUAGE, self._device, model_name=str(folder), model_cache_only=True
        )

    def align(self, waveform: Waveform, words: Sequence[SpokenWord]) -> Alignment:
        """Place all words; times are WhisperX's, rounded by it to milliseconds. A word's score is its mean posterior.

        The gate does not judge by it, since what was likelier there is not known.

        Raises:
            RecordError: ``alignment_failed``: WhisperX gave back other words, or a word without a time.
        """
        texts = [word.text for word in words]
        duration_s = len(waveform) / SAMPLE_RATE_HZ
        segment = {"start": 0.0, "end": duration_s, "text": " ".join(texts)}
        with torch.inference_mode():
            found = align([segment], self._model, self._metadata, torch.from_numpy(waveform), self._device)
        placed: list[dict[str, Any]] = found["word_segments"]
        if [word["word"] for word in placed] != texts:
            raise RecordError("alignment_failed", f"whisperx placed {len(placed)} of {len(texts)} words")
        aligned: list[AlignedWord] = []
        position = 0
        for word, place in zip(words, placed, strict=True):
            if "start" not in place or "end" not in place:
                raise RecordError("alignment_failed", f"whisperx gave no time for {word.text!r}")
            start = min(max(_samples(place["start"]), position), len(waveform))
            position = min(max(_samples(place["end"]), start), len(waveform))
            score = float(place.get("score", 0.0))
            aligned.append(AlignedWord(word.text, start, position, score, word.char_start, word.char_end))
        return Alignment(tuple(aligned))


def _samples(seconds: float) -> int:
    return math.floor(seconds * SAMPLE_RATE_HZ + 0.5)


@lru_cache(maxsize=1)
def _sentence_splitter() -> TemporaryDirectory[str] | None:
    """Lets NLTK find a splitter that knows no abbreviation, unless it has its own ``punkt_tab``.

    WhisperX splits sentences with NLTK's Punkt and downloads its tables where they are missing. What it is given here
    is one run of words without a full stop, so empty tables split it the same way. The folder lives as long as the
    process.
    """
    try:
        nltk.data.find("tokenizers/punkt_tab/english/")
        return None
    except LookupError:
        folder = TemporaryDirectory(prefix="plait-punkt-")
        tables = Path(folder.name) / "tokenizers" / "punkt_tab" / "english"
        tables.mkdir(parents=True)
        for name in _PUNKT_TABLES:
            (tables / name).touch()
        nltk.data.path.append(folder.name)
        return folder
