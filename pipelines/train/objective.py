"""Next-token loss of a packed batch, with the attention kept inside documents.

Shapes: B rows, T context, V vocabulary, N positions that count.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from pipelines.train.loader import IGNORED, Batch
from schemas.vocabulary import VocabularyLayout

LOSS_KINDS = ("text", "speech", "control")  # control: markers, BOS, EOS


def kind_of_ids(layout: VocabularyLayout, *, rows: int, bos: int, eos: int) -> Tensor:
    """Index into ``LOSS_KINDS`` of every vocabulary id; shape ``(rows,)``."""
    kinds = torch.zeros(rows, dtype=torch.long)
    kinds[torch.from_numpy(layout.speech_ids())] = 1
    kinds[[bos, eos, layout.text_marker, layout.speech_marker]] = 2
    return kinds


def document_mask(documents_BT: Tensor) -> Tensor:
    """True where a query may see a key: same document, not later; shape ``(B, 1, T, T)``."""
    same = documents_BT[:, None, :, None] == documents_BT[:, None, None, :]
    return same.tril()


def loss_sums(model: Any, batch: Batch, *, kinds_V: Tensor, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Sum of the losses, and the detached sums and counts by kind, each of shape ``(len(LOSS_KINDS),)``."""
    tokens, targets, positions, documents = (
        torch.from_numpy(array).to(device, non_blocking=True)
        for array in (batch.tokens, batch.targets, batch.positions, batch.documents)
    )
    logits_BTV = model(
        input_ids=tokens, attention_mask=document_mask(documents), position_ids=positions, use_cache=False
    ).logits
    counts = targets != IGNORED
    targets_N = targets[counts]
    losses_N = functional.cross_entropy(logits_BTV[counts].float(), targets_N, reduction="none")
    member_KN = kinds_V[targets_N] == torch.arange(len(LOSS_KINDS), device=device)[:, None]
    return losses_N.sum(), (losses_N.detach() * member_KN).sum(1), member_KN.sum(1)
