"""Forced alignment by two opinions: PocketSphinx places the words, a phone net places them again nearby.

PocketSphinx alone is robust about *where* and coarse about *when*; a net on Whisper's features (``phone_net``), read
by forward-backward (``phone_path``), is sharp but knows only synthetic voices. A word's start is mostly the net's, with
PocketSphinx as a second measurement. How far the two are apart is in the alignment's scores, for the gate.
English only.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from schemas.records import AlignedWord, SpokenWord, Waveform
from transforms.align.phone_path import Boundaries, locate
from transforms.align.phones import PHONE_ID, OnsetClass, Pronunciation, onset_class, with_reductions
from transforms.align.pocketsphinx import FRAME_SAMPLES, PocketsphinxAligner, PocketsphinxConfig
from transforms.align.protocol import Alignment
from transforms.assets import BUNDLED, resolve_asset
from transforms.backend import BackendConfig, digest_json
from transforms.digests import cached_digest
from transforms.units.whisper import WhisperUnitsConfig

if TYPE_CHECKING:
    from transforms.align.phone_net import PhoneRecogniser

NETS_NAME = "phone-net-whisper/nets.safetensors"
DISAGREEMENT = "aligner_disagreement_ms"
"""Score: the largest distance between the two aligners' starts of one word."""
MEAN_DISAGREEMENT = "mean_aligner_disagreement_ms"
NET_LOG_LIKELIHOOD = "phone_net_log_likelihood"
SPREAD = "onset_spread_ms"
"""Score: of the word whose start the net is least sure of, the width of the middle half of its distribution."""

_ONSET_SHIFTS: dict[OnsetClass, int] = {"vowel": -84, "stop": -5, "approximant": 127, "W": 347, "DH": 232, "other": 119}
_AFTER_PAUSE_SHIFTS: dict[OnsetClass, int] = {
    "vowel": 213,
    "stop": 344,
    "approximant": 14,
    "W": 235,
    "DH": 385,
    "other": 173,
}


class FusedConfig(BackendConfig):
    """Config of the default aligner.

    Args:
        coarse: The first aligner's settings.
        model: ``tiny.en`` of the pinned package, or a CTranslate2 folder of the same model.
        nets: safetensors file of ``plait fit aligner``, or ``bundled``.
        scale: Weight of a frame's log probabilities; neighbouring frames say nearly the same.
        coarse_weight: Share of the coarse aligner in a word's start.
        margin_samples: A word is looked for this far around its coarse place.
        onset_shift_samples, onset_after_pause_shift_samples: Added to the net's word starts, by the kind of the word's
            first phone. Like ``scale`` and ``coarse_weight`` they are scalars calibrated on four of ``timit-dev``'s
            speakers (``benchmarks/alignment.py`` names them); the other four are for acceptance.
    """

    kind: Literal["fused"] = "fused"
    coarse: PocketsphinxConfig = PocketsphinxConfig()
    model: str = "tiny.en"
    nets: str = BUNDLED
    scale: float = Field(default=0.3, gt=0)
    coarse_weight: float = Field(default=0.35, ge=0, le=1)
    margin_samples: int = Field(default=8000, ge=0)
    onset_shift_samples: dict[OnsetClass, int] = Field(default_factory=lambda: dict(_ONSET_SHIFTS))
    onset_after_pause_shift_samples: dict[OnsetClass, int] = Field(default_factory=lambda: dict(_AFTER_PAUSE_SHIFTS))

    @property
    def nets_path(self) -> Path:
        return resolve_asset(self.nets, bundled_name=NETS_NAME)

    @property
    def fingerprint(self) -> str:
        return digest_json(
            {
                "config": self.model_dump(exclude={"coarse", "model", "nets"}),
                "coarse": self.coarse.fingerprint,
                "whisper": WhisperUnitsConfig(model=self.model).features_fingerprint,
                "nets": cached_digest(self.nets_path),
            }
        )

    def load(self) -> "FusedAligner":
        """Raises: UserError: A model file is missing, or not what it should be."""
        from transforms.align.phone_net import PhoneRecogniser

        whisper = WhisperUnitsConfig(model=self.model).model_path
        recogniser = PhoneRecogniser(whisper=whisper, nets=self.nets_path)
        return FusedAligner(self, self.coarse.load(), recogniser)


@dataclass(frozen=True, slots=True)
class _Placed:
    """One word as the net has it, in samples; ``pause`` is whether silence lies before it."""

    start: float
    end: float
    pause: bool


class FusedAligner:
    """Aligns one utterance at a time, on the CPU: the result depends on nothing but the utterance."""

    languages = frozenset({"en"})

    def __init__(self, config: FusedConfig, coarse: PocketsphinxAligner, recogniser: "PhoneRecogniser") -> None:
        self._config = config
        self._coarse = coarse
        self._recogniser = recogniser

    def align(self, waveform: Waveform, words: Sequence[SpokenWord]) -> Alignment:
        """See ``Aligner``. Word scores and ``log_likelihood`` are PocketSphinx's.

        Raises:
            RecordError: ``unpronounceable_word`` or ``alignment_failed``.
        """
        return self.refine(waveform, self.place(waveform, words))

    def place(self, waveform: Waveform, words: Sequence[SpokenWord]) -> Alignment:
        """PocketSphinx's alignment; raises as ``align`` does."""
        return self._coarse.align(waveform, words)

    def refine(self, waveform: Waveform, placed: Alignment) -> Alignment:
        """See ``RefiningAligner``.

        Raises:
            RecordError: ``alignment_failed``.
        """
        pronunciations = [self._pronunciations(word.text) for word in placed.words]
        phones = [[[PHONE_ID[phone] for phone in said] for said in variants] for variants in pronunciations]
        log_probs_TP = self._recogniser.log_probs(waveform).numpy()
        found = locate(log_probs_TP, phones, bands=self._bands(placed.words), scale=self._config.scale)
        net_words = self._placed(found, pronunciations)
        aligned = self._fused(placed.words, net_words, num_samples=len(waveform))
        apart_ms = [abs(word.start_sample - net.start) / 16 for word, net in zip(placed.words, net_words, strict=True)]
        return Alignment(
            aligned,
            {
                **placed.scores,
                DISAGREEMENT: float(max(apart_ms)),
                MEAN_DISAGREEMENT: float(np.mean(apart_ms)),
                SPREAD: float(found.spread.max()) * FRAME_SAMPLES / 16,
                NET_LOG_LIKELIHOOD: found.log_likelihood,
            },
        )

    def _pronunciations(self, word: str) -> tuple[Pronunciation, ...]:
        return with_reductions([tuple(phones.split()) for phones in self._coarse.pronouncer.pronounce(word)])

    def _bands(self, coarse: Sequence[AlignedWord]) -> list[tuple[int, int]]:
        """A word's band reaches over the silence after it, however long, to where the next word may begin."""
        margin = self._config.margin_samples
        nexts = [*(word.start_sample for word in coarse[1:]), coarse[-1].end_sample]
        return [
            ((word.start_sample - margin) // FRAME_SAMPLES, -((-after - margin) // FRAME_SAMPLES))
            for word, after in zip(coarse, nexts, strict=True)
        ]

    def _placed(self, found: Boundaries, pronunciations: Sequence[Sequence[Pronunciation]]) -> list[_Placed]:
        config = self._config
        placed = []
        pause = True
        for index, variants in enumerate(pronunciations):
            shifts = config.onset_after_pause_shift_samples if pause else config.onset_shift_samples
            placed.append(
                _Placed(
                    start=found.starts[index] * FRAME_SAMPLES + shifts.get(onset_class(variants[0][0]), 0),
                    end=found.ends[index] * FRAME_SAMPLES,
                    pause=pause,
                )
            )
            pause = bool(found.pause[index] > 0.5)
        return placed

    def _fused(
        self, coarse: Sequence[AlignedWord], placed: Sequence[_Placed], *, num_samples: int
    ) -> tuple[AlignedWord, ...]:
        """Ordered, disjoint spans inside the audio, of one frame at least."""
        share = self._config.coarse_weight
        starts = [
            round(share * word.start_sample + (1 - share) * net.start) for word, net in zip(coarse, placed, strict=True)
        ]
        floor = 0
        for index, start in enumerate(starts):
            room = num_samples - (len(starts) - index) * FRAME_SAMPLES
            starts[index] = min(max(start, floor), room)
            floor = starts[index] + FRAME_SAMPLES
        limits = [*starts[1:], num_samples]
        pauses = [*(net.pause for net in placed[1:]), True]
        aligned = []
        for word, net, start, limit, pause in zip(coarse, placed, starts, limits, pauses, strict=True):
            end = min(max(round(net.end), start + FRAME_SAMPLES), limit) if pause else limit
            aligned.append(replace(word, start_sample=start, end_sample=end))
        return tuple(aligned)
