"""Recordings on a device are the recordings."""

import numpy as np
import pytest
import torch

from transforms.units.transfer import integers_on, to_device

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"))]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("lengths", [(), (0,), (5, 0, 1, 70_000)])
def test_samples_arrive_as_they_were(device, lengths):
    waveforms = [np.random.default_rng(n).normal(size=n).astype(np.float32) for n in lengths]
    found = to_device(waveforms, torch.device(device))
    assert len(found) == len(waveforms)
    for samples, waveform in zip(found, waveforms, strict=True):
        assert samples.device.type == device
        assert np.array_equal(samples.cpu().numpy(), waveform)
    assert integers_on(lengths, torch.device(device)).tolist() == list(lengths)
