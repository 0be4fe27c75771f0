"""Pitch codes on real speech and on tones of known F0."""

import contextlib
import hashlib
import io
import subprocess
import sys

import numpy as np
import pytest
import safetensors.torch
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import UserError
from transforms.pitch import fcpe_f0
from transforms.pitch.contour import f0_frame_error, to_200_hz
from transforms.pitch.fcpe import FcpePitchConfig
from transforms.pitch.shape import VqVaeShape, read_shape
from transforms.pitch.vqvae import PitchVqVae
from transforms.pitch.weights import read_vqvae, write_vqvae

CONFIG = FcpePitchConfig(device="cpu")


@pytest.fixture(scope="module")
def encoder():
    return CONFIG.load()


def prompt(name: str):
    return soundfile.read(f"examples/asterisk-en/audio/{name}.flac", dtype="float32")[0]


def tone(f0_hz, seconds: float):
    at = np.arange(int(16_000 * seconds)) / 16_000
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(f0_hz(at), at.shape)) / 16_000
    return (sum(np.sin(k * phase) / k for k in range(1, 12)) / 5).astype(np.float32)


def test_f0_of_a_glide_lies_at_its_time(encoder):
    def glide(at):
        return 150 * 2 ** (0.5 * np.sin(2 * np.pi * 1.5 * at))

    found = encoder.contour(tone(glide, 2.0))
    middle = slice(40, 360)
    true = glide((np.arange(400)[middle] * 80 + 40) / 16_000)
    assert found.voiced[middle].all()
    assert np.abs(1200 * np.log2(found.f0_hz[middle] / true)).mean() < 10  # cents; 5 ms late would be about 25


def test_noise_is_unvoiced(encoder):
    noise = np.random.default_rng(0).normal(0, 0.05, 16_000).astype(np.float32)
    assert encoder.contour(noise).voiced.mean() < 0.05


@pytest.mark.parametrize("num_samples", [0, 1, 80, 1279, 1280, 1281, 20_000])
def test_a_code_every_1280_samples_begun(encoder, num_samples):
    (ids,) = encoder.encode([np.zeros(num_samples, dtype=np.float32)])
    assert ids.dtype == np.int32
    assert len(ids) == -(-num_samples // 1280)
    assert len(encoder.contour(np.zeros(num_samples, np.float32)).f0_hz) == 16 * len(ids)


def test_batch_mates_do_not_matter(encoder):
    names = ("activated", "agent-incorrect", "added", "conf-nonextended")
    batch = [*map(prompt, names), np.zeros(0, np.float32), np.zeros(700, np.float32)]
    together, contours = encoder.encode(batch), encoder._f0.contours(batch)
    for waveform, ids, contour in zip(batch, together, contours, strict=True):
        alone = encoder.contour(waveform)
        assert np.array_equal(contour.voiced, alone.voiced)
        assert np.allclose(contour.f0_hz, alone.f0_hz, rtol=1e-4)
        assert np.array_equal(ids, encoder.encode_contour(alone))


def test_f0_is_what_the_package_gives():
    with contextlib.redirect_stdout(io.StringIO()):
        from torchfcpe import spawn_bundled_infer_model

        package = spawn_bundled_infer_model(device="cpu")
    waveform = prompt("conf-nonextended")
    padded = np.pad(waveform, (0, -len(waveform) % 1280))
    expected = package(torch.from_numpy(padded)[None, :, None], 16_000, "local_argmax", 0.05)[0, :, 0].numpy()
    found = CONFIG.load().contour(waveform)
    theirs = to_200_hz(expected)
    assert np.array_equal(found.voiced, theirs.voiced)
    assert np.allclose(found.f0_hz, theirs.f0_hz, rtol=1e-4)


def test_windows_of_a_long_recording_give_what_the_whole_gives(encoder, monkeypatch):
    waveform = np.concatenate([prompt(name) for name in ("conf-nonextended", "agent-incorrect")])
    whole = encoder.contour(waveform)
    monkeypatch.setattr(fcpe_f0, "_WINDOW_FRAMES", 300)
    windowed = encoder.contour(waveform)
    assert np.array_equal(windowed.voiced, whole.voiced)
    assert np.allclose(windowed.f0_hz, whole.f0_hz, rtol=1e-4)
    assert np.array_equal(encoder.encode_contour(windowed), encoder.encode_contour(whole))


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(0, 80_000), max_size=4))
def test_frames_follow_from_the_samples(encoder, lengths):
    ids = encoder.encode([np.zeros(length, dtype=np.float32) for length in lengths])
    assert [len(each) for each in ids] == [-(-length // CONFIG.hop_samples) for length in lengths]


def test_codes_keep_the_contour_of_speech_that_was_not_fitted(encoder):
    errors = []
    for name in ("conf-adminmenu-162", "conf-nonextended"):
        contour = encoder.contour(prompt(name))
        back = encoder.decode(encoder.encode_contour(contour), mean_log_f0=contour.mean_log_f0)
        assert back.f0_hz.shape == contour.f0_hz.shape
        errors.append(f0_frame_error(contour, back))
    assert np.mean(errors) <= 0.16


def test_the_mean_moves_the_decoded_contour(encoder):
    ids = encoder.encode([prompt("agent-incorrect")])[0]
    low, high = (encoder.decode(ids, mean_log_f0=np.log(hz)) for hz in (100, 200))
    assert np.array_equal(low.voiced, high.voiced)
    assert low.voiced.any()
    assert np.allclose(high.f0_hz, 2 * low.f0_hz, rtol=1e-4)
    assert len(encoder.decode(ids[:0], mean_log_f0=5.0).f0_hz) == 0


def test_codebook_size_and_fingerprint_need_no_model(tmp_path):
    assert CONFIG.codebook_size == 64
    assert CONFIG.fingerprint != FcpePitchConfig(threshold=0.1).fingerprint
    with pytest.raises(UserError, match="not found"):
        _ = FcpePitchConfig(vqvae=str(tmp_path / "none")).fingerprint
    (tmp_path / "wrong.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(UserError, match="not a pitch VQ-VAE"):
        _ = FcpePitchConfig(vqvae=str(tmp_path / "wrong.safetensors")).codebook_size


def test_a_device_that_fails_is_not_the_files_fault(monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(fcpe_f0.FcpeNet, "to", full)
    with pytest.raises(torch.OutOfMemoryError):
        fcpe_f0.FcpeF0(device=torch.device("cpu"), threshold=0.05)


def test_a_model_has_one_file(tmp_path):
    shape = VqVaeShape(codes=8, embedding=4, width=4, depth=1, dilation_growth=2)
    model, digests = PitchVqVae(shape), set()
    for _ in range(8):
        with (tmp_path / "vqvae.safetensors").open("wb") as file:
            write_vqvae(model, file)
        digests.add(hashlib.sha256((tmp_path / "vqvae.safetensors").read_bytes()).hexdigest())
    assert len(digests) == 1
    assert read_shape(tmp_path / "vqvae.safetensors") == shape
    assert torch.equal(read_vqvae(tmp_path / "vqvae.safetensors").codebook_KE, model.codebook_KE)


def test_files_with_a_key_a_size_are_still_read(tmp_path):
    assert read_shape(CONFIG.vqvae_path) == VqVaeShape()
    sizes = {name: str(getattr(VqVaeShape(codes=8), name)) for name in VqVaeShape.__slots__}
    assert VqVaeShape.from_metadata(sizes) == VqVaeShape(codes=8)
    for stated in ("no json", "[1]", '{"codes": null}'):
        safetensors.torch.save_file({}, tmp_path / "wrong.safetensors", metadata={"shape": stated})
        with pytest.raises(UserError, match="not a pitch VQ-VAE"):
            read_shape(tmp_path / "wrong.safetensors")


def test_nothing_is_printed_and_configs_import_no_torch():
    quiet = (
        "import sys, numpy as np\n"
        "from transforms.pitch.fcpe import FcpePitchConfig\n"
        "from transforms.units.whisper import WhisperUnitsConfig\n"
        "from transforms.units.hubert import HubertUnitsConfig\n"
        "from transforms.style.prosody import ProsodyStyleConfig\n"
        "for config in (FcpePitchConfig(), WhisperUnitsConfig(), ProsodyStyleConfig()):\n"
        "    assert config.fingerprint and config.codebook_size\n"
        "assert 'torch' not in sys.modules\n"
        "FcpePitchConfig(device='cpu').load().encode([np.full(16000, 1.5, np.float32)])\n"
    )
    done = subprocess.run([sys.executable, "-c", quiet], capture_output=True, text=True, check=True)
    assert done.stdout == ""
