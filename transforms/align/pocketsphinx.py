"""Forced alignment with PocketSphinx and the US English model that its wheel carries.

The words are decoded against a grammar of themselves, silence allowed between any two, with ever wider beams
until every word is found. ``lw=1, wip=1, silprob=0.2`` are what decides the quality on ``timit-dev``
(``benchmarks/alignment.py`` measures it). The model's own settings take the cepstral mean over the whole utterance
and track a noise floor; the floor is reset for each utterance, so that none leaves a trace in the next.
"""

import importlib.util
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from schemas.errors import RecordError, UserError
from schemas.records import SAMPLE_RATE_HZ, AlignedWord, SpokenWord, Waveform
from transforms.align.pronunciation import G2P_SHA256, GraphemeToPhoneme, Pronouncer, read_dictionary
from transforms.align.protocol import LOG_LIKELIHOOD, Alignment
from transforms.assets import BUNDLED, resolve_asset
from transforms.backend import BackendConfig, digest_file, digest_json

FRAME_SAMPLES = 160
# PocketSphinx shifts senone scores by 10 bits; this turns its numbers back into nats.
_NATS_PER_SCORE = 1024.0


class PocketsphinxConfig(BackendConfig):
    """The aligner that needs nothing but its wheel. English only.

    Args:
        beams: Tried in order until all words are found; 0 prunes nothing.
        language_weight: PocketSphinx's ``lw``: weight of the words' order against the sound.
        word_insertion_penalty: PocketSphinx's ``wip``, a factor for each word.
        silence_probability: PocketSphinx's ``silprob``: chance of silence between two words.
        boundary_shift_samples: Added to the decoder's boundaries between two words. This and the next two are scalars
            calibrated on ``timit-dev`` against hand labels.
        onset_after_pause_shift_samples: Added to word starts after a pause.
        offset_before_pause_shift_samples: Added to word ends before a pause.
        g2p: Weights that guess the sounds of words that the dictionary lacks, or ``bundled``.
    """

    kind: Literal["pocketsphinx"] = "pocketsphinx"
    beams: tuple[float, ...] = Field(default=(1e-80, 1e-160, 0.0), min_length=1)
    language_weight: float = 1.0
    word_insertion_penalty: float = 1.0
    silence_probability: float = 0.2
    boundary_shift_samples: int = 96
    onset_after_pause_shift_samples: int = 496
    offset_before_pause_shift_samples: int = -368
    g2p: str = BUNDLED

    @property
    def fingerprint(self) -> str:
        model = model_dir()
        files = [*sorted((model / "en-us").iterdir()), model / "cmudict-en-us.dict"]
        return digest_json(
            {
                "config": self.model_dump(exclude={"g2p"}),
                "pocketsphinx": version("pocketsphinx"),
                "files": _digest_files(tuple(files)),
                "g2p": G2P_SHA256,
            }
        )

    def load(self) -> "PocketsphinxAligner":
        """Raises: UserError: The g2p weights are missing or not the expected file."""
        dictionary = read_dictionary(model_dir() / "cmudict-en-us.dict")
        guesser = GraphemeToPhoneme(resolve_asset(self.g2p, bundled_name="g2p-en/weights.npz"))
        return PocketsphinxAligner(self, Pronouncer(dictionary, guesser))


@dataclass(frozen=True, slots=True)
class _Segment:
    """A decoded word (or pause, where ``text`` is empty). Frames are half-open; ``nats`` is the log score."""

    text: str
    start_frame: int
    end_frame: int
    nats: float


class PocketsphinxAligner:
    """Places words in audio. Holds one decoder a beam; each learns a word when it first meets it."""

    languages = frozenset({"en"})

    def __init__(self, config: PocketsphinxConfig, pronouncer: Pronouncer) -> None:
        self._config = config
        self.pronouncer = pronouncer
        self._decoders = [_new_decoder(config, beam) for beam in config.beams]
        self._known: set[str] = set()

    def align(self, waveform: Waveform, words: Sequence[SpokenWord]) -> Alignment:
        """See ``Aligner``. Word scores and ``log_likelihood`` are nats a frame below the best sounds; 0 is perfect.

        Raises:
            RecordError: ``unpronounceable_word`` or ``alignment_failed``.
        """
        if not words:
            raise RecordError("alignment_failed", "there are no words to align")
        self._learn(word.text for word in words)
        segments = self._decode(waveform, [word.text for word in words])
        spans = self._spans(segments, num_samples=len(waveform))
        spoken = [segment for segment in segments if segment.text]
        aligned = tuple(
            AlignedWord(
                text=word.text,
                start_sample=start,
                end_sample=end,
                score=segment.nats / (segment.end_frame - segment.start_frame),
                char_start=word.char_start,
                char_end=word.char_end,
            )
            for word, segment, (start, end) in zip(words, spoken, spans, strict=True)
        )
        num_frames = sum(segment.end_frame - segment.start_frame for segment in segments)
        return Alignment(aligned, {LOG_LIKELIHOOD: sum(segment.nats for segment in segments) / num_frames})

    def pronounces(self, word: str) -> bool:
        return bool(self.pronouncer.pronounce(word))

    def _learn(self, texts: Iterable[str]) -> None:
        for text in texts:
            if text in self._known:
                continue
            pronunciations = self.pronouncer.pronounce(text)
            if not pronunciations:
                raise RecordError("unpronounceable_word", f"no pronunciation is known for {text!r}")
            for decoder in self._decoders:
                for number, phones in enumerate(pronunciations, start=1):
                    decoder.add_word(text if number == 1 else f"{text}({number})", phones, False)
            self._known.add(text)

    def _decode(self, waveform: Waveform, texts: list[str]) -> list[_Segment]:
        pcm = (np.clip(waveform, -1.0, 1.0) * 32767).astype("<i2").tobytes()
        if len(waveform) < len(texts) * 3 * FRAME_SAMPLES:
            raise RecordError("alignment_failed", f"{len(texts)} words cannot be said in {len(waveform)} samples")
        for decoder in self._decoders:
            decoder.set_align_text(" ".join(texts))
            decoder.start_stream()  # forgets the last utterance's noise floor, which start_utt alone carries over
            decoder.start_utt()
            decoder.process_raw(pcm, full_utt=True)
            decoder.end_utt()
            segments = _read_segments(decoder)
            if [segment.text for segment in segments if segment.text] == texts:
                return segments
        raise RecordError("alignment_failed", f"the audio does not hold the {len(texts)} words of the transcript")

    def _spans(self, segments: Sequence[_Segment], *, num_samples: int) -> list[tuple[int, int]]:
        """Corrected sample spans of the words: ordered, disjoint, inside the audio."""
        config = self._config
        spans: list[tuple[int, int]] = []
        floor = 0
        for index, segment in enumerate(segments):
            if not segment.text:
                continue
            after_pause = index == 0 or not segments[index - 1].text
            before_pause = index + 1 == len(segments) or not segments[index + 1].text
            decoded_end = min(segment.end_frame * FRAME_SAMPLES, num_samples)
            start = segment.start_frame * FRAME_SAMPLES
            start += config.onset_after_pause_shift_samples if after_pause else config.boundary_shift_samples
            # A word has at least three frames, so the shifts leave it at least one.
            start = max(floor, min(start, decoded_end - FRAME_SAMPLES))
            end = decoded_end
            end += config.offset_before_pause_shift_samples if before_pause else config.boundary_shift_samples
            end = min(max(end, start + FRAME_SAMPLES), num_samples)
            spans.append((start, end))
            floor = end
        return spans


def _read_segments(decoder: Any) -> list[_Segment]:
    """Words and pauses of the best path that ends the grammar; empty where there is none."""
    if decoder.hyp() is None:
        return []
    segments: list[_Segment] = []
    for segment in decoder.seg():
        if segment.word == "(NULL)":
            continue
        pause = segment.word.startswith(("<", "["))
        text = "" if pause else segment.word.split("(")[0]
        nats = math.log(segment.ascore) * _NATS_PER_SCORE
        segments.append(_Segment(text, segment.start_frame, segment.end_frame + 1, nats))
    return segments


def _new_decoder(config: PocketsphinxConfig, beam: float) -> Any:
    from pocketsphinx import Decoder

    return Decoder(
        hmm=str(model_dir() / "en-us"),
        dict=None,
        lm=None,
        samprate=SAMPLE_RATE_HZ,
        bestpath=False,
        beam=beam,
        wbeam=beam,
        pbeam=beam,
        lw=config.language_weight,
        wip=config.word_insertion_penalty,
        silprob=config.silence_probability,
        loglevel="FATAL",
    )


def model_dir() -> Path:
    """Where the wheel keeps its US English model and dictionary."""
    spec = importlib.util.find_spec("pocketsphinx")
    if spec is None or spec.origin is None:
        raise UserError("align.kind: pocketsphinx is not installed; run `pip install pocketsphinx`")
    return Path(spec.origin).parent / "model" / "en-us"


@lru_cache(maxsize=4)
def _digest_files(paths: tuple[Path, ...]) -> dict[str, str]:
    return {path.name: digest_file(path) for path in paths}
