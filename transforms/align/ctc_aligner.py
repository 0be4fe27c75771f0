"""Words to spans of samples: emissions, Viterbi, and the frames of each word."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from schemas.errors import RecordError
from schemas.records import AlignedWord, SpokenWord, Waveform
from transforms.align.ctc_emissions import Emitter
from transforms.align.ctc_spelling import Speller, Spelling, uroman
from transforms.align.protocol import LOG_LIKELIHOOD, Alignment
from transforms.align.viterbi import Path, best_paths
from transforms.units.batching import length_buckets

if TYPE_CHECKING:
    from transforms.align.ctc import CtcConfig

VITERBI_FRAMES = 20_000  # of a padded batch; the way back takes a byte a state a frame


class CtcAligner:
    """Places words in audio with one model."""

    def __init__(self, config: "CtcConfig", emitter: Emitter) -> None:
        traits = emitter.traits
        self._config = config
        self._emitter = emitter
        self._blank, self._separator, self._size = traits.blank, traits.separator, traits.size
        self._speller = Speller(
            traits.vocabulary, size=traits.size, blank=traits.blank, separator=traits.separator, romanise=uroman()
        )

    def align(self, waveform: Waveform, words: Sequence[SpokenWord]) -> Alignment:
        """See ``Aligner`` and ``align_batch``.

        Raises:
            RecordError: ``alignment_failed``.
        """
        (found,) = self.align_batch([waveform], [words])
        if isinstance(found, RecordError):
            raise found
        return found

    def align_batch(
        self, waveforms: Sequence[Waveform], words: Sequence[Sequence[SpokenWord]]
    ) -> list[Alignment | RecordError]:
        """Align many recordings; the error of one that fails stands in its place.

        A word's score and ``log_likelihood`` are the path's mean log-probability below that of the best tokens, over
        the word's frames and over all, in nats a frame; 0 is perfect. Starts and ends lie half-way between the
        middles of two frames' receptive fields.
        """
        return self.align_emissions(self.emissions(waveforms), [len(one) for one in waveforms], words)

    def emissions(self, waveforms: Sequence[Waveform]) -> list[Tensor]:
        """The model's log-probabilities, ``(T, V)`` each, on its device."""
        return self._emitter.log_probs(waveforms)

    @torch.inference_mode()
    def align_emissions(
        self, log_probs: Sequence[Tensor], num_samples: Sequence[int], words: Sequence[Sequence[SpokenWord]]
    ) -> list[Alignment | RecordError]:
        """The same from emissions, ``(T, V)`` each."""
        found: list[Alignment | RecordError] = [
            RecordError("alignment_failed", "there are no words to align" if not row else "the audio is too short")
            for row in words
        ]
        spelled = [self._speller.spell([word.text for word in row]) for row in words]
        usable = [len(one) if row else 0 for one, row in zip(log_probs, words, strict=True)]
        for bucket in length_buckets(usable, max_frames=VITERBI_FRAMES):
            emissions = [self._with_wildcards(log_probs[i]) for i in bucket]
            paths = best_paths(
                pad_sequence(emissions, batch_first=True),
                [len(one) for one in emissions],
                [spelled[i].tokens for i in bucket],
                blank=self._blank,
                gaps=[spelled[i].gaps for i in bucket],
            )
            for i, path in zip(bucket, paths, strict=True):
                best_T = log_probs[i].max(dim=1).values.double().cpu().numpy()
                found[i] = self._place(path, spelled[i], words[i], num_samples=num_samples[i], best_T=best_T)
        return found

    def _with_wildcards(self, log_probs_TV: Tensor) -> Tensor:
        """Three columns more: twice the best character, and the better of blank and separator."""
        characters = log_probs_TV.clone()
        characters[:, self._blank] = -torch.inf
        pause = log_probs_TV[:, self._blank]
        if self._separator is not None:
            characters[:, self._separator] = -torch.inf
            pause = torch.maximum(pause, log_probs_TV[:, self._separator])
        star = characters.max(dim=1).values
        return torch.cat([log_probs_TV, torch.stack([star, star, pause], dim=1)], dim=1)

    def _place(
        self,
        path: Path | None,
        spelling: Spelling,
        words: Sequence[SpokenWord],
        *,
        num_samples: int,
        best_T: npt.NDArray[np.float64],
    ) -> Alignment | RecordError:
        if path is None:
            return RecordError("alignment_failed", f"the audio is too short for {len(spelling.tokens)} characters")
        owner_T = np.where(path.places >= 0, np.asarray(spelling.owners)[path.places], -1)
        said = np.flatnonzero(owner_T >= 0)
        owner = owner_T[said]
        first = said[np.searchsorted(owner, np.arange(len(words)))]
        last = said[np.searchsorted(owner, np.arange(len(words)), side="right") - 1] + 1
        sums = np.concatenate([[0.0], np.cumsum(path.log_probs - best_T)])
        scores = (sums[last] - sums[first]) / (last - first)
        aligned = tuple(
            AlignedWord(word.text, start, end, float(score), word.char_start, word.char_end)
            for word, (start, end), score in zip(words, self._spans(first, last, num_samples), scores, strict=True)
        )
        return Alignment(aligned, {LOG_LIKELIHOOD: float(sums[-1]) / len(path.places)})

    def _spans(self, first: Any, last: Any, num_samples: int) -> list[tuple[int, int]]:
        """Sample spans of frames ``[first, last)``: shifted, and still in order, disjoint and inside the audio."""
        traits, config = self._emitter.traits, self._config
        hop = traits.hop_samples
        middle = (traits.field_samples - hop) // 2
        spans: list[tuple[int, int]] = []
        limits = [*(min(end * hop + middle, num_samples) for end in last.tolist()), num_samples + 1]
        floor = 0
        for begin, limit, next_limit in zip(first.tolist(), limits[:-1], limits[1:], strict=True):
            start = max(floor, min(begin * hop + middle + config.onset_shift_samples, limit - 1))
            # the next word keeps a sample at least
            stop = min(max(limit + config.offset_shift_samples, start + 1), num_samples, next_limit - 1)
            spans.append((start, stop))
            floor = stop
        return spans
