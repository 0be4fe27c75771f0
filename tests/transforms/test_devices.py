"""A config's device on this machine."""

import pytest
import torch

from schemas.errors import UserError
from transforms.devices import exact_inference, pick_device


@pytest.mark.parametrize(("usable", "auto"), [(True, "cuda"), (False, "cpu")])
def test_auto_takes_a_gpu_if_there_is_one(usable, auto, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: usable)
    assert pick_device("auto") == torch.device(auto)
    assert pick_device("cpu") == torch.device("cpu")


def test_a_gpu_that_is_not_there_is_the_users_mistake(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device("cuda") == torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match=r"device: cuda: there is no usable GPU.*take auto or cpu"):
        pick_device("cuda")


def test_no_rounding_of_convolutions_while_inference_lasts():
    before = torch.backends.cudnn.allow_tf32
    with exact_inference():
        assert torch.is_inference_mode_enabled()
        assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.allow_tf32 == before
