"""Whisper units: the model is Whisper's, the frames are counted right, batch mates don't matter."""

import ctranslate2
import numpy as np
import pytest
import soundfile
import torch
from faster_whisper.feature_extractor import FeatureExtractor as ReferenceFrontEnd
from pydantic import ValidationError

from schemas.errors import UserError
from transforms.units import whisper_weights
from transforms.units.ctranslate2_format import read_variables
from transforms.units.log_mel import log_mel, mel_filters
from transforms.units.whisper import WhisperUnitsConfig
from transforms.units.whisper_encoder import WhisperEncoder
from transforms.units.whisper_weights import tiny_en_folder

PROMPTS = "examples/asterisk-en/audio"
NAMES = ("activated", "added", "agent-alreadyon", "agent-incorrect", "all-circuits-busy-now", "auth-incorrect")
CONFIG = WhisperUnitsConfig(device="cpu")


@pytest.fixture(scope="module")
def prompts():
    return [soundfile.read(f"{PROMPTS}/{name}.flac", dtype="float32")[0] for name in NAMES]


@pytest.fixture(scope="module")
def extractor():
    return CONFIG.load_features().extractor


@pytest.fixture(scope="module")
def thirty_seconds(prompts):
    speech = np.concatenate(prompts)[:400_000]
    return np.pad(speech, (0, 480_000 - len(speech)))


def test_log_mel_is_that_of_whisper(thirty_seconds):
    ours = log_mel(torch.from_numpy(thirty_seconds), mel_filters(80)).numpy()
    theirs = ReferenceFrontEnd()(thirty_seconds, padding=0)[:, :3000]
    assert np.abs(ours - theirs).max() < 1e-3


def test_all_four_layers_give_what_ctranslate2_gives(thirty_seconds):
    mel = log_mel(torch.from_numpy(thirty_seconds), mel_filters(80))[None]
    encoder = WhisperEncoder(read_variables(CONFIG.model_path, prefix="encoder/"), layers=4)
    ours = encoder(mel, torch.tensor([1500])).numpy()
    reference = ctranslate2.models.Whisper(str(tiny_en_folder()), compute_type="float32", intra_threads=1)
    theirs = np.array(reference.encode(ctranslate2.StorageView.from_array(mel.numpy())))
    assert np.abs(ours - theirs).max() < 1e-3 * np.abs(theirs).max()
    assert np.abs(ours - theirs).mean() < 1e-4 * np.abs(theirs).mean()


@pytest.mark.parametrize("num_samples", [0, 1, 639, 640, 641, 1280, 16_000, 480_000, 480_001, 1_000_003])
def test_a_frame_every_640_samples_begun(extractor, num_samples):
    (features,) = extractor.features([np.full(num_samples, 0.01, dtype=np.float32)])
    assert features.shape == (-(-num_samples // 640), 384)


def test_batch_mates_do_not_matter(prompts):
    encoder = CONFIG.load()
    long = np.concatenate(prompts * 3)  # more than one window
    batch = [*prompts, long, prompts[0][:1], np.zeros(0, np.float32)]
    together = encoder.encode(batch)
    alone = [encoder.encode([waveform])[0] for waveform in batch]
    assert [len(ids) for ids in together] == [len(ids) for ids in alone]
    agreement = np.mean(np.concatenate(together) == np.concatenate(alone))
    assert agreement >= 0.999


def test_padding_would_matter_without_the_mask(extractor, prompts):
    short, mel = prompts[0], extractor._log_mel(torch.from_numpy(prompts[0]))
    frames = mel.shape[1] // 2
    padded = torch.nn.functional.pad(mel, (0, 200))[None]
    masked = extractor._encoder(padded, torch.tensor([frames]))[0, :frames]
    unmasked = extractor._encoder(padded, torch.tensor([frames + 100]))[0, :frames]
    (expected,) = extractor.features([short])
    assert np.abs(extractor._pool([masked]) - expected).max() < 1e-4
    assert np.abs(extractor._pool([unmasked]) - expected).max() > 1e-2


def test_a_long_recording_is_coded_like_its_windows(prompts):
    encoder = CONFIG.load()
    long = np.concatenate(prompts * 4)[: 640 * 900]
    whole, first = encoder.encode([long, long[: 640 * 750]])
    cut = 200  # the last 30 s start at frame 150, and are kept from 2 s on
    assert np.array_equal(whole[:cut], first[:cut])
    assert np.mean(whole[cut:740] == first[cut:740]) >= 0.85  # other context, same speech


def test_gain_does_not_matter(prompts):
    encoder = CONFIG.load()
    loud, soft = encoder.encode([prompts[2], prompts[2] * np.float32(0.25)])
    assert np.mean(loud == soft) > 0.9


def test_codes_are_in_range_and_follow_the_fingerprint(prompts):
    ids = CONFIG.load().encode(prompts)[2]
    assert ids.dtype == np.int32
    assert ids.min() >= 0
    assert ids.max() < CONFIG.codebook_size == 500
    assert len(np.unique(ids)) > 20
    assert CONFIG.fingerprint == WhisperUnitsConfig(device="auto").fingerprint
    assert CONFIG.features_fingerprint != WhisperUnitsConfig(layer=3).features_fingerprint


def test_fingerprint_follows_the_codebook(tmp_path):
    np.savez(tmp_path / "other.npz", centroids=np.eye(384, dtype=np.float32)[:7])
    other = WhisperUnitsConfig(codebook=str(tmp_path / "other.npz"))
    assert other.fingerprint != CONFIG.fingerprint
    assert other.codebook_size == 7
    assert other.features_fingerprint == CONFIG.features_fingerprint


def test_a_missing_or_wrong_codebook_is_the_users_mistake(tmp_path):
    with pytest.raises(UserError, match="not found"):
        _ = WhisperUnitsConfig(codebook=str(tmp_path / "none.npz")).fingerprint
    (tmp_path / "text.npz").write_text("no npz")
    with pytest.raises(UserError, match="not a codebook"):
        WhisperUnitsConfig(codebook=str(tmp_path / "text.npz")).load()
    np.savez(tmp_path / "pickled.npz", centroids=np.array([{}], dtype=object))
    with pytest.raises(UserError, match="not a codebook"):
        WhisperUnitsConfig(codebook=str(tmp_path / "pickled.npz")).load()
    np.savez(tmp_path / "narrow.npz", centroids=np.zeros((4, 8), np.float32))
    with pytest.raises(UserError, match="8 features a frame"):
        WhisperUnitsConfig(codebook=str(tmp_path / "narrow.npz")).load()
    with pytest.raises(UserError, match="layer 9"):
        WhisperUnitsConfig(layer=9).load()


def test_another_file_in_the_package_is_refused(monkeypatch):
    monkeypatch.setattr(whisper_weights, "MODEL_SHA256", "0" * 64)
    with pytest.raises(UserError, match="not the recorded"):
        tiny_en_folder()
    monkeypatch.setattr(whisper_weights, "PACKAGE", "no-such-package-of-plait")
    with pytest.raises(UserError, match="is missing"):
        tiny_en_folder()


def test_a_file_that_is_no_model_is_refused(tmp_path):
    (tmp_path / "model.bin").write_bytes(b"\x06\x00\x00\x00\xff\xff")
    with pytest.raises(UserError, match="not a CTranslate2 model"):
        read_variables(tmp_path / "model.bin", prefix="encoder/")
    whole = CONFIG.model_path.read_bytes()
    (tmp_path / "model.bin").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="not a CTranslate2 model"):
        read_variables(tmp_path / "model.bin", prefix="encoder/")


def test_unknown_keys_are_refused():
    with pytest.raises(ValidationError):
        WhisperUnitsConfig(layers=2)
