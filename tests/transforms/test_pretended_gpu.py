"""Encoders on a pretended GPU: a tensor says cuda and has its numbers on the CPU, so a mixture of devices is seen."""

from functools import partial

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves, tree_map_only
from transformers import HubertConfig, HubertModel

from transforms.pitch.fcpe import FcpePitchConfig
from transforms.units.hubert import HubertUnitsConfig
from transforms.units.whisper import WhisperUnitsConfig

MAY_MIX = ("aten::copy_", "aten::_to_copy", "aten::index", "aten::index_put_")


class OnGpu(torch.Tensor):  # to torch a meta tensor, whose device guard does nothing
    def __new__(cls, inner):
        with _disable_current_modes(), torch._C.DisableTorchFunction():
            like = torch.empty_strided(inner.shape, inner.stride(), dtype=inner.dtype, device="meta")
            made = torch.Tensor._make_subclass(cls, like)
        made.inner = inner
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl
    __torch_dispatch__ = classmethod(lambda cls, func, types, args=(), kwargs=None: run(func, args, kwargs or {}))


def run(func, args, kwargs):
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    known = {id(t.inner): t for t in tensors if isinstance(t, OnGpu)}
    strangers = [t.shape for t in tensors if t.dim() and not isinstance(t, OnGpu)]
    assert not (known and strangers) or func._schema.name in MAY_MIX, f"{func}: {strangers} are not on the GPU"
    assert not known or func.namespace == "aten", f"{func} is for CPUs"
    if known and func._schema.name in ("aten::convolution", "aten::conv1d"):
        assert tensors[0].dtype != torch.float32 or not torch.backends.cudnn.allow_tf32
    there = kwargs["device"].type == "meta" if kwargs.get("device") else bool(known)
    kwargs = {k: {"device": torch.device("cpu"), "pin_memory": False}.get(k, v) if v else v for k, v in kwargs.items()}
    out = func(*tree_map_only(OnGpu, lambda t: t.inner, args), **tree_map_only(OnGpu, lambda t: t.inner, kwargs))
    return tree_map_only(torch.Tensor, lambda t: known[id(t)] if id(t) in known else OnGpu(t), out) if there else out


class Kernels(TorchDispatchMode):
    __torch_dispatch__ = lambda self, func, types, args=(), kwargs=None: run(func, args, kwargs or {})  # noqa: E731


class Names(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        args, kwargs = tree_map_only(
            torch.device, lambda d: torch.device("meta") if d.type == "cuda" else d, (args, kwargs or {})
        )
        if args and isinstance(args[0], OnGpu):
            assert func is not torch.Tensor.numpy, "numpy() of a tensor on the GPU"
            if getattr(func, "__self__", None) is torch.Tensor.device:
                return torch.device("cuda", 0)
            if func is torch.Tensor.__getitem__ and isinstance(args[1], list):
                args = args[0], torch.tensor(args[1])
        if func is torch.tensor and kwargs.get("device"):
            return torch.tensor(*args).to(kwargs["device"])
        return func(*args, **kwargs)


def small_hubert(folder):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
        HubertModel(HubertConfig(**sizes, conv_dim=[16] * 7, num_conv_pos_embedding_groups=4)).save_pretrained(folder)
    np.savez(folder / "codes.npz", centroids=np.random.default_rng(0).normal(size=(20, 32)).astype(np.float32))
    return partial(HubertUnitsConfig, model=str(folder), layer=2, codebook=str(folder / "codes.npz"))


@pytest.mark.parametrize("kind", ["whisper", "hubert", "fcpe"])
def test_an_encoder_keeps_to_its_device(kind, monkeypatch, tmp_path):
    config = {"whisper": WhisperUnitsConfig, "fcpe": FcpePitchConfig}.get(kind) or small_hubert(tmp_path)
    speech = [np.random.default_rng(n).normal(0, 0.1, n).astype(np.float32) for n in (9000, 20_000, 8000, 0)]
    on_cpu = np.concatenate(config(device="cpu").load().encode(speech))
    monkeypatch.setattr(torch.inference_mode, "__enter__", lambda _: None)  # its tensors cannot be wrapped
    monkeypatch.setattr(torch.inference_mode, "__exit__", lambda *_: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "_lazy_init", lambda: None)
    monkeypatch.setattr(torch.__future__, "_overwrite_module_params_on_conversion", True)
    with torch.no_grad(), Names(), Kernels():
        found = np.concatenate(config(device="cuda").load().encode(speech))
    assert (found == on_cpu).mean() >= 0.95
