"""Counts the floating-point operations of whatever torch computes while a block runs."""

from typing import Any


def flop_counter() -> Any:
    """A context manager whose ``total`` grows by two for each multiply-add of a product, convolution or attention.

    Formulas are torch's own. Its ``FlopCounterMode`` follows modules too, and fails on a parametrized weight in
    inference mode (torch 2.8); this follows operations alone.
    """
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import flop_registry, sdpa_flop_count

    on_cpu = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu

    class FlopCounter(TorchDispatchMode):
        def __init__(self) -> None:
            super().__init__()  # type: ignore[no-untyped-call]
            self.total = 0

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            kind = func._overloadpacket
            if kind not in flop_registry and kind is not on_cpu and func is not torch.ops.prim.device.default:
                with self:  # in inference mode some operations arrive whole
                    parts = func.decompose(*args, **kwargs)
                if parts is not NotImplemented:
                    return parts
            out = func(*args, **kwargs)
            if kind in flop_registry:
                self.total += flop_registry[kind](*args, **kwargs, out_val=out)
            elif kind is on_cpu:
                shapes = (arg.shape for arg in args[:3])
                self.total += sdpa_flop_count(*shapes)  # type: ignore[no-untyped-call]
            return out

    return FlopCounter()
