"""Clipping that ends a training which diverges, before a state of it is saved."""

import torch

from schemas.errors import EngineError


def clip_gradients(model: torch.nn.Module, most: float, *, what: str, step: int) -> None:
    """Scale the gradients down to a norm of ``most``.

    Args:
        what: The model, for the message.

    Raises:
        EngineError: One of them is not finite.
    """
    if not torch.nn.utils.clip_grad_norm_(model.parameters(), most).isfinite():
        raise EngineError(f"fit: the gradient of {what} is not finite at step {step}; lower its learning rate")
