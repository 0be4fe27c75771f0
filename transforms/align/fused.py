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
import numpy.typing as npt
from pydantic import Field

from schemas.records import AlignedWord, Span, SpokenWord, Waveform
from transforms.align.phone_path import SILENCE, Boundaries, locate
from transforms.align.phones import PHONE_ID, SILENCE_SHARE, OnsetClass, Pronunciation, onset_class, with_reductions
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

Before = Literal["pause", "vowel", "stop", "approximant", "other"]
"""What a word's start follows: silence, or the last phone of the word before."""

OnsetShifts = dict[Before, dict[OnsetClass, int]]

_ONSET_SHIFTS: OnsetShifts = {
    "pause": {"vowel": 54, "stop": 484, "approximant": 167, "W": 258, "DH": 407, "other": 182},
    "vowel": {"vowel": -33, "stop": -23, "approximant": 91, "W": 160, "DH": 190, "other": 2},
    "stop": {"vowel": -152, "stop": 275, "approximant": 82, "W": 352, "DH": 363, "other": 224},
    "approximant": {"vowel": -137, "stop": -1, "approximant": 33, "W": 27, "DH": 290, "other": -73},
    "other": {"vowel": -89, "stop": -15, "approximant": 24, "W": 561, "DH": 358, "other": 198},
}
_LEAST_SHARE = 1e-3


class FusedConfig(BackendConfig):
    """The default: PocketSphinx, then phone nets on Whisper's first layers. English only.

    Args:
        coarse: The first aligner's settings.
        model: ``tiny.en`` of the pinned package, or a CTranslate2 folder of the same model.
        nets: safetensors file of ``plait fit aligner``, or ``bundled``.
        scale: Weight of a frame's log probabilities; neighbouring frames say nearly the same.
        prior_weight: How much of what a net expects to hear is taken from what it says it heard.
        coarse_weight: Share of the coarse aligner in a word's start.
        margin_samples: A word is looked for this far around its coarse place.
        onset_shift_samples: Added to the net's word starts, by what lies before the word and the kind of its first
            phone: synthetic voices and labellers of real ones do not agree where a phone begins. Like ``coarse_weight``
            they are scalars calibrated on all eight speakers of ``timit-dev`` by ``python -m benchmarks.alignment
            TIMIT_DEV --calibrate``, whose figures for a ninth speaker are those of leaving one out. ``scale`` and
            ``prior_weight`` were chosen on these speakers too, among a few values. All belong to the bundled nets.
    """

    kind: Literal["fused"] = "fused"
    coarse: PocketsphinxConfig = PocketsphinxConfig()
    model: str = "tiny.en"
    nets: str = BUNDLED
    scale: float = Field(default=0.3, gt=0)
    prior_weight: float = Field(default=0.6, ge=0, le=1)
    coarse_weight: float = Field(default=0.15, ge=0, le=1)
    margin_samples: int = Field(default=8000, ge=0)
    onset_shift_samples: OnsetShifts = Field(default_factory=lambda: {b: dict(s) for b, s in _ONSET_SHIFTS.items()})

    @property
    def nets_path(self) -> Path:
        return resolve_asset(self.nets, bundled_name=NETS_NAME, key="align.nets")

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
class NetWord:
    """One word as the nets have it, in samples, and what its start looks like."""

    start: float
    end: float
    before: Before
    onset: OnsetClass


def less_prior(log_probs_TP: npt.NDArray[np.float32], weight: float) -> npt.NDArray[np.float32]:
    """Posteriors over the phones' shares in this recording's speech: what a hybrid recogniser reads in place of the
    posteriors themselves (Bourlard and Morgan, 1994), with the speaker's and the net's habits taken out.

    Silence counts as a fixed share of the time, so that no word's edges depend on how much of it a recording holds.
    """
    speech_P = np.exp(log_probs_TP[:, SILENCE + 1 :]).sum(axis=0) + _LEAST_SHARE
    prior_P = np.concatenate([[SILENCE_SHARE], (1 - SILENCE_SHARE) * speech_P / speech_P.sum() + _LEAST_SHARE])
    scaled_TP = log_probs_TP - weight * np.log(prior_P)
    return np.asarray(scaled_TP - np.log(np.exp(scaled_TP).sum(axis=1, keepdims=True)), dtype=np.float32)


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

    def pronounces(self, word: str) -> bool:
        return self._coarse.pronounces(word)

    def refine(self, waveform: Waveform, placed: Alignment) -> Alignment:
        """See ``RefiningAligner``.

        Raises:
            RecordError: ``alignment_failed``.
        """
        net_words, found = self.net_words(waveform, placed)
        shifts = self._config.onset_shift_samples
        net_words = [
            replace(word, start=word.start + shifts.get(word.before, {}).get(word.onset, 0)) for word in net_words
        ]
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

    def net_words(self, waveform: Waveform, placed: Alignment) -> tuple[list[NetWord], Boundaries]:
        """The words where the nets see them, before any shift, and the distributions that they come from.

        Raises:
            RecordError: ``alignment_failed``.
        """
        pronunciations = [self._pronunciations(word.text) for word in placed.words]
        phones = [[[PHONE_ID[phone] for phone in said] for said in variants] for variants in pronunciations]
        speech = [Span(word.start_sample, word.end_sample) for word in placed.words]
        log_probs_TP = less_prior(self._recogniser.log_probs(waveform, speech).numpy(), self._config.prior_weight)
        found = locate(log_probs_TP, phones, bands=self._bands(placed.words), scale=self._config.scale)
        words = []
        before: Before = "pause"
        for index, (first, *_) in enumerate(pronunciations):
            start, end = found.starts[index] * FRAME_SAMPLES, found.ends[index] * FRAME_SAMPLES
            words.append(NetWord(start=start, end=end, before=before, onset=onset_class(first[0])))
            before = "pause" if found.pause[index] > 0.5 else _offset_class(first[-1])
        return words, found

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

    def _fused(
        self, coarse: Sequence[AlignedWord], placed: Sequence[NetWord], *, num_samples: int
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
        pauses = [*(net.before == "pause" for net in placed[1:]), True]
        aligned = []
        for word, net, start, limit, pause in zip(coarse, placed, starts, limits, pauses, strict=True):
            end = min(max(round(net.end), start + FRAME_SAMPLES), limit) if pause else limit
            aligned.append(replace(word, start_sample=start, end_sample=end))
        return tuple(aligned)


def _offset_class(phone: str) -> Before:
    kind = onset_class(phone)
    if kind == "DH":
        return "other"
    return "approximant" if kind == "W" else kind
