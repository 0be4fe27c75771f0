"""Counts the floating-point operations of whatever torch computes while a block runs."""

from typing import Any


def flop_counter() -> Any:
    """A context manager whose ``total`` grows by two for each multiply-add of a product, convolution or attention.

    Formulas are torch's own. Its ``FlopCounterMode`` follows modules too, and fails on a parametrized weight in
    inference mode (torch 2.8); this follows operations alone. What ``transforms.cpu_layers`` puts in the place of a
    linear layer or a convolution counts as that, but for HuBERT's positions: their spectra count as next to nothing,
    which is 5 % of a base model at layer 6.
    """
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import flop_registry, sdpa_flop_count

    on_cpu = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    packed = getattr(torch.ops.mkldnn, "_linear_pointwise", None)

    class FlopCounter(TorchDispatchMode):
        def __init__(self) -> None:
            super().__init__()  # type: ignore[no-untyped-call]
            self.total = 0

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            kind = func._overloadpacket
            known = kind in flop_registry or kind is on_cpu or kind is packed
            if not known and func is not torch.ops.prim.device.default:
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
            elif kind is packed:
                self.total += 2 * out.numel() * args[0].shape[-1]
            return out

    return FlopCounter()
