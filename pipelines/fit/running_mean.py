"""An exponential mean over a model's weights: what an adversarial training is used at, as its last step is noisy."""

from collections.abc import Mapping

import torch

_DECAY = 0.998


class RunningMean:
    """``values``: name to tensor, a state dict on the model's device."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.values = {name: value.detach().clone() for name, value in model.state_dict().items()}

    def state_dict(self) -> Mapping[str, torch.Tensor]:
        return self.values

    def load_state_dict(self, values: Mapping[str, torch.Tensor]) -> None:
        """Go on from what was saved, on whatever device."""
        for name, value in self.values.items():
            value.copy_(values[name])

    def update(self, model: torch.nn.Module, *, step: int) -> None:
        """``step``: how many there were; the first ones count little for long."""
        decay = min(_DECAY, (1 + step) / (10 + step))
        for name, value in model.state_dict().items():
            self.values[name].lerp_(value.detach(), 1.0 - decay)
