"""Picks the device that a backend's config asks for."""

from typing import TYPE_CHECKING, Literal

from schemas.errors import UserError

if TYPE_CHECKING:
    import torch

Device = Literal["auto", "cpu", "cuda"]


def pick_device(name: Device) -> "torch.device":
    """``auto`` takes a GPU if there is one.

    Raises:
        UserError: A GPU is asked for, and there is none that torch can use.
    """
    import torch

    usable = name != "cpu" and torch.cuda.is_available()
    if name == "cuda" and not usable:
        build = f"{torch.__version__}, CUDA {torch.version.cuda or 'not built in'}"
        raise UserError(f"device: cuda: there is no usable GPU on this machine (torch: {build}); take auto or cpu")
    return torch.device("cuda" if usable else "cpu")
