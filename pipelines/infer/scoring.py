"""Likelihood of candidates, in batches of similar length.

    sequence   BOS [TEXT] the cat [SPEECH] [Hu3] [Hu7] [Hu9]
    whole               |<-------------------------------->|    every token after BOS and the first marker
    continuation                           |<------------->|    the candidate, its leading marker not counted

Sequences are sorted by length and cut into batches whose padded size stays within a budget of tokens. Padding is on the
right, where a causal model cannot see it, so a sequence's score doesn't depend on its batch mates.
Shapes: B rows, T tokens, V vocabulary, N scored tokens.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from transforms.units.batching import length_buckets

# Rows of logits that are turned to float64 at a time.
_ROWS_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Score:
    """Log-likelihood of a candidate, and of the whole sequence of prompt and candidate; summed, with token counts.

    The candidate's leading marker is counted in the whole only, the sequence's BOS and first marker in neither.
    """

    log_likelihood: float
    tokens: int
    whole_log_likelihood: float
    whole_tokens: int

    @property
    def per_token(self) -> float:
        return self.log_likelihood / self.tokens

    @property
    def whole_per_token(self) -> float:
        return self.whole_log_likelihood / self.whole_tokens


@dataclass(frozen=True, slots=True)
class ScoredSequence:
    """``tokens`` begin with BOS; the whole counts from ``whole_start`` on, the continuation from ``start`` on."""

    tokens: tuple[int, ...]
    whole_start: int
    start: int


def score_sequences(model: Any, sequences: Sequence[ScoredSequence], *, tokens_per_batch: int) -> list[Score]:
    """One score a sequence, in their order."""
    scores: list[Score | None] = [None] * len(sequences)
    lengths = [len(sequence.tokens) for sequence in sequences]
    for batch in length_buckets(lengths, max_frames=tokens_per_batch, max_waste=math.inf):
        chosen = [sequences[index] for index in batch]
        found = log_likelihoods(model, [s.tokens for s in chosen], starts=[s.whole_start for s in chosen])
        for index, sequence, whole_N in zip(batch, chosen, found, strict=True):
            own_N = whole_N[sequence.start - sequence.whole_start :]
            scores[index] = Score(float(own_N.sum()), len(own_N), float(whole_N.sum()), len(whole_N))
    return [score for score in scores if score is not None]


@torch.inference_mode()
def log_likelihoods(
    model: Any, sequences: Sequence[Sequence[int]], *, starts: Sequence[int]
) -> list[npt.NDArray[np.float64]]:
    """Log-probability of each token of ``sequences[i]`` from position ``starts[i]`` (at least 1) on, in one batch."""
    device = next(model.parameters()).device
    longest = max(map(len, sequences))
    tokens_BT = torch.zeros((len(sequences), longest), dtype=torch.long)
    for row, sequence in enumerate(sequences):
        tokens_BT[row, : len(sequence)] = torch.tensor(sequence)
    tokens_BT = tokens_BT.to(device)
    # No mask: it would only hide padding, which is to the right, and causal attention alone has faster kernels.
    logits_BTV = model(input_ids=tokens_BT, use_cache=False).logits
    scores: list[npt.NDArray[np.float64]] = []
    for row, (sequence, start) in enumerate(zip(sequences, starts, strict=True)):
        parts = [np.zeros(0, np.float64)]
        for first in range(start, len(sequence), _ROWS_AT_ONCE):
            last = min(first + _ROWS_AT_ONCE, len(sequence))
            logits_NV = logits_BTV[row, first - 1 : last - 1].double()
            targets_N = tokens_BT[row, first:last]
            chosen_N = logits_NV.gather(1, targets_N[:, None])[:, 0] - logits_NV.logsumexp(-1)
            parts.append(chosen_N.cpu().numpy())
        scores.append(np.concatenate(parts))
    return scores
