"""Learning rates and parameter groups."""

import math
from typing import Any

import torch

from pipelines.train.config import OptimizerConfig


def learning_rate(step: int, *, steps: int, config: OptimizerConfig) -> float:
    """Rate of step ``step`` (from 0) of ``steps``."""
    peak, floor = config.learning_rate, config.final_ratio
    if step < config.warmup_steps:
        return peak * (step + 1) / config.warmup_steps
    if config.schedule == "cosine":
        done = (step - config.warmup_steps) / max(1, steps - config.warmup_steps)
        return peak * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * done)))
    if config.schedule == "wsd":
        left = min(1.0, (steps - step) / config.decay_steps)
        return peak * (floor + (1 - floor) * left)
    return peak


def make_optimizer(model: Any, config: OptimizerConfig) -> torch.optim.AdamW:
    """AdamW that decays matrices (embeddings too) and leaves norms and biases alone."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas, fused=True)
