"""Finite states: recordings that overflow in fp16 are run again in fp32; what is not finite even then is refused."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from schemas.errors import UserError
from schemas.records import Waveform
from transforms.devices import Device, pick_device
from transforms.kmeans import Features
from transforms.units.precision import Precision, pick_dtype
from transforms.units.protocol import FeatureExtractor


def load_guarded(
    load: Callable[[Precision], FeatureExtractor], precision: Precision, device: Device
) -> FeatureExtractor:
    """``load(precision)``; in fp16 with ``load("fp32")`` for what overflows, loaded when it is first needed."""
    fp16 = pick_dtype(precision, pick_device(device)) == torch.float16
    return GuardedFeatures(load(precision), (lambda: load("fp32")) if fp16 else None)


class GuardedFeatures:
    """An extractor, and its twin in fp32 where it is in fp16. Which of them runs depends on the recording alone.

    Raises:
        UserError: States are not finite; when they are asked for.
    """

    def __init__(self, narrow: FeatureExtractor, load_wide: Callable[[], FeatureExtractor] | None) -> None:
        self.extractor, self._load_wide = narrow, load_wide
        self._wide: FeatureExtractor | None = None
        self.feature_dim = narrow.feature_dim

    def features(self, waveforms: Sequence[Waveform]) -> list[Features]:
        """float32, shape ``(ceil(num_samples / hop_samples), feature_dim)`` each."""
        return [states_TD.cpu().numpy() for states_TD in self.hidden(waveforms)]

    @torch.inference_mode()
    def hidden(self, waveforms: Sequence[Waveform]) -> list[Tensor]:
        """The same as tensors on the model's device."""
        states = self.extractor.hidden(waveforms)
        if _are_finite(states):
            return states
        if self._load_wide is not None:
            again = [i for i, states_TD in enumerate(states) if not states_TD.isfinite().all()]
            self._wide = self._wide or self._load_wide()
            wide = self._wide.hidden([waveforms[i] for i in again])
            for i, states_TD in zip(again, wide, strict=True):
                states[i] = states_TD
            if _are_finite(wide):
                return states
        raise UserError("model: its states are not finite: damaged weights, or none for this config")


def _are_finite(states: Sequence[Tensor]) -> bool:
    return not states or bool(torch.cat(list(states)).isfinite().all())  # one question to the device
