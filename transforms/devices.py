"""Picks the device that a backend's config asks for, and how exactly it computes."""

from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def exact_inference() -> Iterator[None]:
    """Inference in which float32 is float32 on a GPU too; cuDNN's convolutions would round it to TF32's 10 bits."""
    import torch

    cudnn = torch.backends.cudnn
    before = cudnn.allow_tf32
    cudnn.allow_tf32 = False
    try:
        with torch.inference_mode():
            yield
    finally:
        cudnn.allow_tf32 = before
