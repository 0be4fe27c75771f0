"""`plait fit style` writes a codebook that the encoder takes."""

import json

import numpy as np
import pytest
import soundfile
import torch

from pipelines.fit.style import StyleFitConfig, fit_style
from schemas.errors import UserError
from schemas.records import SourceRow, Utterance
from tests.pipelines.fit.listed import Listed
from transforms.style.prosody import ProsodyStyleConfig


@Listed
def recordings():
    for name in ("agent-incorrect", "agent-alreadyon"):
        waveform = soundfile.read(f"examples/asterisk-en/audio/{name}.flac", dtype="float32")[0]
        yield Utterance(SourceRow(name, f"{name}.flac", ""), waveform, name)


def test_writes_the_same_codebook_twice_and_the_encoder_takes_it(tmp_path):
    for name in ("a", "b"):
        fit_style(recordings, StyleFitConfig(clusters=4), seed=0, output=tmp_path / name, say=lambda _: None)
    assert (tmp_path / "a" / "style.npz").read_bytes() == (tmp_path / "b" / "style.npz").read_bytes()
    config = ProsodyStyleConfig(codebook=str(tmp_path / "a" / "style.npz"))
    assert config.codebook_size == 4
    assert json.loads((tmp_path / "a" / "card.json").read_text())["fingerprint"] == config.fingerprint
    ids = np.concatenate(config.load().encode([utterance.waveform for utterance in recordings()]))
    assert set(ids.tolist()) == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("changes", "message"), [({"max_frames": 3}, "fit.max_frames allows 3"), ({}, "no usable GPU")]
)
def test_wrong_settings_are_said_before_a_recording_is_read(changes, message, tmp_path, monkeypatch):
    @Listed
    def unread():
        raise AssertionError("the corpus was read before the settings were checked")
        yield

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    config = StyleFitConfig(clusters=4, device="cuda", **changes)
    with pytest.raises(UserError, match=message):
        fit_style(unread, config, seed=0, output=tmp_path, say=lambda _: None)
