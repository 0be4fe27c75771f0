"""The scalars of ``FusedConfig``, calibrated on hand labels, and how well they do on a speaker they have not met.

What the nets learnt of where a phone begins, they learnt from synthesisers; labellers of real speech have habits of
their own. A shift a kind of boundary takes up the difference. Kinds with few words lean on the shift of their word's
first phone in any place, and that one on all words. Medians, as the error counted is an absolute one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import numpy.typing as npt

from benchmarks.timit import Labelled, align
from schemas.records import SpokenWord
from transforms.align.fused import Before, FusedAligner, FusedConfig, OnsetShifts
from transforms.align.phones import OnsetClass
from transforms.align.protocol import Alignment

WEIGHTS = (0.15, 0.2, 0.25, 0.3, 0.35, 0.4)
"""Shares of the coarse aligner that are tried."""
SHRINKAGE_WORDS = 6
"""A kind with this many words has the mean of its own shift and of what it leans on."""

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Onset:
    """A word's start by both aligners, without shifts of the second, and by the labeller, in samples."""

    speaker: str
    before: Before
    kind: OnsetClass
    coarse: float
    net: float
    label: float


def onsets(aligner: FusedAligner, utterances: Sequence[Labelled]) -> list[Onset]:
    """Of every word.

    Raises:
        RecordError: An utterance cannot be aligned.
    """
    found = []
    for utterance in utterances:
        placed = aligner.place(utterance.waveform, [SpokenWord(word, 0, 1) for word in utterance.words])
        net_words, _ = aligner.net_words(utterance.waveform, placed)
        found += [
            Onset(utterance.speaker, net.before, net.onset, coarse.start_sample, net.start, label)
            for coarse, net, (label, _) in zip(placed.words, net_words, utterance.spans, strict=True)
        ]
    return found


def calibrated(words: Sequence[Onset], config: FusedConfig) -> FusedConfig:
    """The config with the weight and the shifts that leave the least error on these words."""
    fits = [(weight, shifts_for(words, weight)) for weight in WEIGHTS]
    weight, shifts = min(fits, key=lambda fit: float(np.abs(fused(words, *fit) - _labels(words)).mean()))
    return config.model_copy(update={"coarse_weight": weight, "onset_shift_samples": shifts})


def fused(words: Sequence[Onset], weight: float, shifts: OnsetShifts) -> Floats:
    """Starts in samples."""
    return np.array(
        [weight * word.coarse + (1 - weight) * (word.net + shifts[word.before][word.kind]) for word in words]
    )


def shifts_for(words: Sequence[Onset], weight: float) -> OnsetShifts:
    """Of the net's starts, given the coarse aligner's share."""
    wanted = np.array([(w.label - weight * w.coarse) / (1 - weight) - w.net for w in words])
    before, kind = np.array([word.before for word in words]), np.array([word.kind for word in words])
    shifts: OnsetShifts = {}
    for paused in (True, False):
        group = (before == "pause") == paused
        common = _median(wanted[group], towards=0.0)
        for this_kind in get_args(OnsetClass):
            of_kind = group & (kind == this_kind)
            shift = _median(wanted[of_kind], towards=common)
            for this_before in get_args(Before):
                if (this_before == "pause") == paused:
                    own = shift if paused else _median(wanted[of_kind & (before == this_before)], towards=shift)
                    shifts.setdefault(this_before, {})[this_kind] = round(own)
    return shifts


def leave_one_speaker_out(
    config: FusedConfig, words: Sequence[Onset], utterances: Sequence[Labelled]
) -> list[Alignment | None]:
    """Every utterance as aligned with the scalars that the other speakers' words give."""
    aligners = {
        speaker: calibrated([word for word in words if word.speaker != speaker], config).load()
        for speaker in {utterance.speaker for utterance in utterances}
    }
    return [align(aligners[utterance.speaker], utterance) for utterance in utterances]


def _labels(words: Sequence[Onset]) -> Floats:
    return np.array([word.label for word in words])


def _median(values: Floats, *, towards: float) -> float:
    """Shrunk; of no values, what it is shrunk towards."""
    if not len(values):
        return towards
    return (float(np.median(values)) * len(values) + towards * SHRINKAGE_WORDS) / (len(values) + SHRINKAGE_WORDS)
