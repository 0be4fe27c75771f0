"""Batched autoregressive decoding under a grammar of modalities.

Prompts are padded on the left and masked. Every row draws from its own generator, keyed by (seed, row number), so a
row's draws don't depend on its batch mates.
Shapes: B rows, T prompt length, V vocabulary, A ids of it that are allowed.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipelines.infer.parts import Grammar
from transforms.seeds import rng_for


@dataclass(frozen=True, slots=True)
class Decoding:
    """``temperature`` 0 takes the likeliest token; ``top_p`` 1 keeps all; no end before ``min_new_tokens``."""

    max_new_tokens: int
    temperature: float = 0.8
    top_p: float = 0.95
    seed: int = 0
    min_new_tokens: int = 0


class GenerateOptions(TypedDict, total=False):
    """What else ``SpeechTextModel.generate`` takes, of one prompt or many."""

    max_new_tokens: int
    min_new_tokens: int
    temperature: float
    top_p: float
    seed: int
    speaker: str | None
    stop: str | None
    until_switch: bool
    truncate_prompt: bool


def draw(logits_V: npt.NDArray[np.float64], *, temperature: float, top_p: float, rng: np.random.Generator) -> int:
    """One token; ids with logit -inf never. Nucleus: the fewest likeliest ids whose mass reaches ``top_p``."""
    if temperature == 0:
        return int(logits_V.argmax())
    allowed_A = np.flatnonzero(~np.isneginf(logits_V))
    scaled_A = (logits_V[allowed_A] - logits_V.max()) / temperature
    falling_A = -np.sort(-scaled_A)  # values alone: a stable argsort of a whole vocabulary takes longer than all else
    mass_A = np.cumsum(np.exp(falling_A))
    kept = int(np.searchsorted(mass_A, top_p * mass_A[-1], side="left")) + 1
    drawn = np.searchsorted(mass_A[:kept], rng.random() * mass_A[min(kept, len(mass_A)) - 1], side="right")
    value = falling_A[drawn]
    equals = allowed_A[scaled_A == value]  # of ids that are equally likely the lower one comes first
    return int(equals[drawn - np.searchsorted(-falling_A, -value, side="left")])


Finished = Callable[[int, Sequence[int]], bool]  # (row, its tokens so far) -> nothing more is wanted


def generate_tokens(
    model: Any,
    prompts: Sequence[Sequence[int]],
    *,
    grammars: Sequence[Grammar],
    pad: int,
    decoding: Decoding,
    max_new: Sequence[int],
    finished: Finished | None = None,
) -> list[list[int]]:
    """New tokens of each prompt, without the token that ended them; arguments as ``decode_steps``."""
    outputs: list[list[int]] = [[] for _ in prompts]
    for row, token in decode_steps(
        model, prompts, grammars=grammars, pad=pad, decoding=decoding, max_new=max_new, finished=finished
    ):
        outputs[row].append(token)
    return outputs


@torch.inference_mode()
def decode_steps(
    model: Any,
    prompts: Sequence[Sequence[int]],
    *,
    grammars: Sequence[Grammar],
    pad: int,
    decoding: Decoding,
    max_new: Sequence[int],
    finished: Finished | None = None,
) -> Iterator[tuple[int, int]]:
    """Rows and their new tokens as they are drawn, without the token that ends a row.

    Args:
        grammars: What may follow in each row, and what ends it.
        pad: Id that fills rows of unequal length; it is never looked at.
        max_new: Tokens of each row at most.
        finished: Asked after each token.
    """
    device = next(model.parameters()).device
    longest = max(map(len, prompts))
    tokens_BT = torch.full((len(prompts), longest), pad, dtype=torch.long)
    mask_BT = torch.zeros((len(prompts), longest), dtype=torch.long)
    for row, prompt in enumerate(prompts):
        tokens_BT[row, longest - len(prompt) :] = torch.tensor(prompt)
        mask_BT[row, longest - len(prompt) :] = 1
    rngs = [rng_for(str(row), stage="generate", run_seed=decoding.seed) for row in range(len(prompts))]
    modalities = [grammar.first for grammar in grammars]
    outputs: list[list[int]] = [[] for _ in prompts]
    active = [limit > 0 for limit in max_new]
    cache: Any = None
    positions = (mask_BT.cumsum(1) - 1).clamp(min=0)
    step_tokens: Tensor = tokens_BT
    while any(active):
        out = model(
            input_ids=step_tokens.to(device),
            attention_mask=mask_BT.to(device),
            position_ids=positions.to(device),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        cache = out.past_key_values
        logits_BV = out.logits[:, -1].double().cpu().numpy()
        chosen = np.full(len(prompts), pad)
        for row in [row for row, on in enumerate(active) if on]:
            grammar = grammars[row]
            logits_BV[row, ~grammar.allowed[modalities[row]]] = -np.inf
            if len(outputs[row]) < decoding.min_new_tokens:
                logits_BV[row, list(grammar.ends)] = -np.inf
            token = draw(logits_BV[row], temperature=decoding.temperature, top_p=decoding.top_p, rng=rngs[row])
            if token in grammar.ends:
                active[row] = False
                continue
            outputs[row].append(token)
            modalities[row] = grammar.markers.get(token, modalities[row])
            chosen[row] = token
            enough = finished is not None and finished(row, outputs[row])
            active[row] = len(outputs[row]) < max_new[row] and not enough
            yield row, token
        step_tokens = torch.from_numpy(chosen)[:, None]
        positions = positions[:, -1:] + 1
        mask_BT = torch.cat([mask_BT, torch.ones((len(prompts), 1), dtype=torch.long)], dim=1)
