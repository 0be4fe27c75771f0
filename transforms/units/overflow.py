"""Recordings whose states overflow in fp16 are run again in fp32."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from schemas.records import Waveform
from transforms.devices import Device, pick_device
from transforms.kmeans import Features
from transforms.units.precision import Precision, pick_dtype
from transforms.units.protocol import FeatureExtractor


def load_guarded(
    load: Callable[[Precision], FeatureExtractor], precision: Precision, device: Device
) -> FeatureExtractor:
    """``load(precision)``; in fp16 with ``load("fp32")`` for what overflows, loaded when it is first needed."""
    narrow = load(precision)
    fp16 = pick_dtype(precision, pick_device(device)) == torch.float16
    return GuardedFeatures(narrow, lambda: load("fp32")) if fp16 else narrow


class GuardedFeatures:
    """An extractor in fp16 and its twin in fp32. Which of them runs depends on the recording alone."""

    def __init__(self, narrow: FeatureExtractor, load_wide: Callable[[], FeatureExtractor]) -> None:
        self._narrow, self._load_wide = narrow, load_wide
        self._wide: FeatureExtractor | None = None
        self.feature_dim = narrow.feature_dim

    def features(self, waveforms: Sequence[Waveform]) -> list[Features]:
        """float32, shape ``(ceil(num_samples / hop_samples), feature_dim)`` each."""
        return [states_TD.cpu().numpy() for states_TD in self.hidden(waveforms)]

    @torch.inference_mode()
    def hidden(self, waveforms: Sequence[Waveform]) -> list[Tensor]:
        """The same as tensors on the model's device."""
        states = self._narrow.hidden(waveforms)
        if not states or torch.cat(states).isfinite().all():
            return states
        again = [i for i, states_TD in enumerate(states) if not states_TD.isfinite().all()]
        self._wide = self._wide or self._load_wide()
        for i, states_TD in zip(again, self._wide.hidden([waveforms[i] for i in again]), strict=True):
            states[i] = states_TD
        return states
