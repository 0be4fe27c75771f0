"""`plait fit pitch` learns contours and writes what the encoder reads."""

import json

import numpy as np
import pytest
import soundfile
import torch

from pipelines.fit.pitch import PitchFitConfig, fit_pitch, reconstruction_loss, train_vqvae
from schemas.errors import UserError
from schemas.records import SourceRow, Utterance
from tests.pipelines.fit.listed import Listed
from transforms.pitch.contour import F0Contour, normalised
from transforms.pitch.fcpe import FcpePitchConfig

SMALL = {"codes": 8, "width": 8, "embedding": 8, "depth": 1, "batch": 4, "crop_codes": 8, "device": "cpu"}


@Listed
def recordings():
    for name in ("activated", "agent-incorrect"):
        waveform = soundfile.read(f"examples/asterisk-en/audio/{name}.flac", dtype="float32")[0]
        yield Utterance(SourceRow(name, f"{name}.flac", ""), waveform, name)


def test_writes_a_model_that_the_encoder_takes(tmp_path):
    config = PitchFitConfig(**SMALL, steps=20)
    figures = fit_pitch(recordings, config, seed=0, output=tmp_path, say=lambda _: None)
    assert 0 < figures["f0_frame_error_on_fitting_data"] < 1
    wrong = figures["voicing_error_on_fitting_data"], figures["gross_f0_error_on_fitting_data"]
    assert figures["f0_frame_error_on_fitting_data"] == pytest.approx(sum(wrong))
    assert wrong[0] > 0
    backend = FcpePitchConfig(vqvae=str(tmp_path / "vqvae.safetensors"), device="cpu")
    assert backend.codebook_size == 8
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["fingerprint"] == backend.fingerprint
    assert card["fitted_on"]["utterances"] == 2
    assert card["figures"].keys() == figures.keys()
    waveform = next(recordings()).waveform
    ids = backend.load().encode([waveform])[0]
    assert len(ids) == -(-len(waveform) // 1280)


def test_the_number_of_threads_does_not_count(tmp_path):
    before, written = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            fit_pitch(recordings, PitchFitConfig(**SMALL, steps=5), seed=0, output=tmp_path, say=lambda _: None)
            written.append((tmp_path / "vqvae.safetensors").read_bytes())
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert written[0] == written[1]


def steps_up_and_down() -> list[F0Contour]:
    rng = np.random.default_rng(0)
    contours = []
    for _ in range(20):
        level = np.exp(rng.normal(0, 0.3, 12).repeat(16) + 5)
        voiced = rng.random(12).repeat(16) < 0.7
        contours.append(F0Contour(np.where(voiced, level, 0).astype(np.float32), voiced))
    return contours


def test_learns_and_is_deterministic():
    contours = steps_up_and_down()
    target = torch.from_numpy(np.stack([normalised(contour) for contour in contours]))
    losses = []
    for steps in (2, 60, 60):
        config = PitchFitConfig(**{**SMALL, "codes": 32, "width": 16}, steps=steps, learning_rate=5e-3)
        model = train_vqvae(contours, config, seed=1, say=lambda _: None)
        with torch.inference_mode():
            out = model.decode(model.encode(target))
        losses.append(reconstruction_loss(out, target, torch.ones(target.shape[0], target.shape[2])).item())
    assert losses[1] < 0.8 * losses[0]
    assert losses[1] == losses[2]


def test_frames_outside_do_not_count():
    out, target = torch.randn(2, 2, 32), torch.zeros(2, 2, 32)
    inside = torch.ones(2, 32)
    inside[:, 16:] = 0
    changed = out.clone()
    changed[:, :, 16:] += 5
    assert reconstruction_loss(out, target, inside) == reconstruction_loss(changed, target, inside)
    assert reconstruction_loss(out, target, torch.ones(2, 32)) != reconstruction_loss(
        changed, target, torch.ones(2, 32)
    )


def test_silence_alone_is_the_users_mistake(tmp_path):
    @Listed
    def silence():
        yield Utterance(SourceRow("a", "a.wav", ""), np.zeros(16_000, np.float32), "a")

    with pytest.raises(UserError, match="no recording has voiced speech"):
        fit_pitch(silence, PitchFitConfig(**SMALL, steps=2), seed=0, output=tmp_path, say=lambda _: None)
