import pytest
import torch

from pipelines.fit.gradients import clip_gradients
from schemas.errors import EngineError


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_ends_a_training(value):
    model = torch.nn.Linear(2, 1)
    for gradient in (30.0, value):
        for parameter in model.parameters():
            parameter.grad = torch.full_like(parameter, gradient)
        if gradient == 30.0:
            clip_gradients(model, 1.0, what="it", step=3)
            norm = torch.cat([parameter.grad.flatten() for parameter in model.parameters()]).norm()
            assert norm.item() == pytest.approx(1.0, rel=1e-4)
    with pytest.raises(EngineError, match="the gradient of it is not finite at step 4"):
        clip_gradients(model, 1.0, what="it", step=4)
