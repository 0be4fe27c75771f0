"""The small HuBERT of ``assets/``: ``units: {kind: hubert}``."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from pydantic import ValidationError
from transformers import HubertModel

from transforms.assets import assets_dir
from transforms.units.hubert import BUNDLED_HUBERT, HubertUnitsConfig

AUDIO = Path("examples/asterisk-en/audio")
PROMPTS = ("hello-world", "vm-review", "agent-incorrect", "queue-thankyou")


@pytest.fixture(scope="module")
def speech():
    return [soundfile.read(AUDIO / f"{name}.flac", dtype="float32")[0] for name in PROMPTS]


@pytest.fixture(scope="module")
def bundled():
    return HubertUnitsConfig(device="cpu")


def test_it_is_a_model_of_transformers(bundled, speech):
    model = HubertModel.from_pretrained(assets_dir() / BUNDLED_HUBERT, dtype=torch.float32).eval()
    extractor = bundled.load_features()
    for waveform, features in zip(speech, extractor.features(speech), strict=True):
        with torch.inference_mode():
            padded = extractor.extractor.padded(waveform)
            states = model(padded[None], output_hidden_states=True).hidden_states[bundled.layer][0].numpy()
        assert np.abs(features - states).max() < 1e-3


def test_units_come_every_40_ms_whatever_the_batch(bundled, speech):
    encoder = bundled.load()
    together = encoder.encode(speech)
    assert (bundled.hop_samples, bundled.codebook_size) == (640, 500)
    for waveform, ids in zip(speech, together, strict=True):
        assert len(ids) == -(-len(waveform) // 640)
        assert (encoder.encode([waveform])[0] == ids).mean() >= 0.99
    assert len(np.unique(np.concatenate(together))) > 60


def test_its_layer_and_codebook_are_no_defaults_of_another_model():
    with pytest.raises(ValidationError, match="mine needs layer and codebook"):
        HubertUnitsConfig(model="mine")
    with pytest.raises(ValidationError, match="goes with the bundled model's layer 3"):
        HubertUnitsConfig(layer=2)
    with pytest.raises(ValidationError, match="goes with the bundled model's layer 3"):
        HubertUnitsConfig(model="mine", layer=3, codebook="bundled")
    assert HubertUnitsConfig(layer=2, codebook="mine.npz").layer == 2
