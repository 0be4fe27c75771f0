import json
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from schemas.errors import UserError
from schemas.records import Stream
from transforms.vocoder._acoustic import AcousticModel
from transforms.vocoder._generator import Generator
from transforms.vocoder._synthesis import HifiganVocoder, acoustic_shape, build_duration_model, build_generator
from transforms.vocoder.description import Architecture, SpokenStream, VocoderDescription
from transforms.vocoder.hifigan import HifiganConfig

HOPS = {"units": 640, "pitch": 1280, "style": 16000}
CODES = {"units": 20, "pitch": 8, "style": 5}


def small_description() -> VocoderDescription:
    return VocoderDescription(
        architecture=Architecture(
            channels=(16, 12, 8),
            kernels=(3, 5),
            dilations=(1, 3),
            width=16,
            fine_width=12,
            blocks=2,
            fine_blocks=2,
            code_width=8,
            duration_width=8,
        ),
        speakers=("ann", "bob"),
        streams={
            kind: SpokenStream(fingerprint=f"{kind}-here", hop_samples=HOPS[kind], codebook_size=CODES[kind])
            for kind in CODES
        },
    )


def write_vocoder(folder: Path, *, seed: int = 0) -> HifiganConfig:
    """A small vocoder of the real architecture; its weights are random."""
    torch.manual_seed(seed)
    description = small_description()
    models = {
        "acoustic": AcousticModel(acoustic_shape(description)),
        "durations": build_duration_model(description),
        "generator": build_generator(description.architecture),
    }
    tensors = {f"{prefix}.{name}": v for prefix, model in models.items() for name, v in model.state_dict().items()}
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "vocoder.safetensors")
    (folder / "vocoder.json").write_text(description.model_dump_json())
    return HifiganConfig(path=str(folder))


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> HifiganConfig:
    return write_vocoder(tmp_path_factory.mktemp("vocoder"))


@pytest.fixture(scope="module")
def vocoder(config: HifiganConfig) -> HifiganVocoder:
    return config.load()


def random_streams(units: int, seed: int) -> list[Stream]:
    rng = np.random.default_rng(seed)
    return [
        Stream(
            kind,
            HOPS[kind],
            CODES[kind],
            rng.integers(CODES[kind], size=-(-units * 640 // HOPS[kind])).astype(np.int32),
            f"{kind}-here",
        )
        for kind in CODES
    ]


@settings(max_examples=10)
@given(units=st.integers(0, 120), seed=st.integers(0, 99), chunk_frames=st.integers(1, 400))
def test_chunks_make_the_same_audio_as_the_whole(
    vocoder: HifiganVocoder, units: int, seed: int, chunk_frames: int
) -> None:
    streams = random_streams(units, seed)
    whole = vocoder._synthesise(streams, speaker=None, chunk_frames=10**6)
    chunked = vocoder._synthesise(streams, speaker=None, chunk_frames=max(chunk_frames, units))
    assert len(whole) == 640 * units
    np.testing.assert_allclose(chunked, whole, atol=2e-4)


def test_the_context_of_a_chunk_is_all_that_a_sample_depends_on(vocoder: HifiganVocoder) -> None:
    streams = random_streams(100, 1)
    far = replace(streams[0], ids=np.where(np.arange(100) < 60, streams[0].ids, 0).astype(np.int32))
    first, second = (vocoder.synthesise([s, *streams[1:]]) for s in (streams[0], far))
    reach = vocoder._acoustic.shape.context_units * 640 + 56 * 160
    np.testing.assert_allclose(first[: 60 * 640 - reach], second[: 60 * 640 - reach], atol=2e-4)
    assert np.abs(first - second).max() > 1e-2


@settings(max_examples=12, deadline=None)
@given(
    kernels=st.lists(st.sampled_from([3, 5, 7, 11, 15]), min_size=1, max_size=3),
    dilations=st.lists(st.integers(1, 7), min_size=1, max_size=4),
)
def test_no_generator_hears_beyond_its_context(kernels: list[int], dilations: list[int]) -> None:
    torch.manual_seed(0)
    generator = Generator((8, 6, 4), kernels, dilations)
    middle = generator.context_frames + 1
    frames = 2 * middle + 1
    mel = torch.zeros(1, 80, frames, requires_grad=True)
    waveform = generator(mel, torch.randn(1, 160 * frames), torch.randn(1, 160 * frames))
    waveform[0, 160 * middle : 160 * (middle + 1)].square().sum().backward()
    heard = torch.nonzero(mel.grad[0].abs().sum(0))[:, 0]
    assert middle - generator.context_frames <= heard.min()
    assert heard.max() <= middle + generator.context_frames
    assert middle - heard.min() >= generator.context_frames - 11  # and the context is no idle guess


def test_the_bundled_voice_keeps_its_context() -> None:
    assert build_generator(Architecture()).context_frames == 56


def test_the_same_streams_give_the_same_audio(config: HifiganConfig, vocoder: HifiganVocoder) -> None:
    streams = random_streams(30, 2)
    np.testing.assert_array_equal(vocoder.synthesise(streams), config.load().synthesise(streams))


def test_every_stream_and_the_speaker_are_heard(vocoder: HifiganVocoder) -> None:
    streams = random_streams(50, 3)
    full = vocoder.synthesise(streams)
    for lacking in ("pitch", "style"):
        rest = [stream for stream in streams if stream.kind != lacking]
        assert np.abs(vocoder.synthesise(rest) - full).max() > 1e-4
    assert np.abs(vocoder.synthesise(streams, speaker="bob") - full).max() > 1e-4
    np.testing.assert_array_equal(vocoder.synthesise(streams, speaker="ann"), full)


@pytest.mark.parametrize("kind", ["units", "pitch", "style"])
def test_tokens_of_another_encoder_are_refused_by_name(vocoder: HifiganVocoder, kind: str) -> None:
    streams = [replace(s, fingerprint="elsewhere") if s.kind == kind else s for s in random_streams(10, 4)]
    with pytest.raises(UserError, match=rf"{kind}.*elsewhere.*{kind}-here"):
        vocoder.synthesise(streams)


def test_what_cannot_be_spoken_is_refused(vocoder: HifiganVocoder) -> None:
    units, pitch, style = random_streams(10, 5)
    with pytest.raises(UserError, match="no units"):
        vocoder.synthesise([pitch, style])
    with pytest.raises(UserError, match=r"carl.*ann, bob"):
        vocoder.synthesise([units], speaker="carl")
    with pytest.raises(UserError, match="0 to 19"):
        vocoder.synthesise([replace(units, ids=np.array([3, 20], np.int32))])
    with pytest.raises(UserError, match="0 to 19"):
        vocoder.durations(np.array([-1], np.int32))
    with pytest.raises(UserError, match="hop"):
        vocoder.synthesise([replace(units, hop_samples=320)])


@settings(max_examples=20)
@given(ids=st.lists(st.integers(0, 19), max_size=40))
def test_every_unit_lasts_at_least_one_frame(vocoder: HifiganVocoder, ids: list[int]) -> None:
    frames = vocoder.durations(np.array(ids, np.int32))
    assert frames.dtype == np.int32
    assert frames.shape == (len(ids),)
    assert (frames >= 1).all()


def test_the_fingerprint_follows_the_weights(config: HifiganConfig, tmp_path: Path) -> None:
    same = write_vocoder(tmp_path / "same")
    other = write_vocoder(tmp_path / "other", seed=1)
    assert same.fingerprint == config.fingerprint
    assert other.fingerprint != config.fingerprint
    assert pickle.loads(pickle.dumps(config)).fingerprint == config.fingerprint


def test_broken_folders_are_a_user_error(config: HifiganConfig, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not found"):
        HifiganConfig(path=str(tmp_path / "nowhere")).load()
    description = small_description().model_copy(update={"speakers": ("ann",)})
    (tmp_path / "vocoder.json").write_text(description.model_dump_json())
    (tmp_path / "vocoder.safetensors").write_bytes((Path(config.path) / "vocoder.safetensors").read_bytes())
    with pytest.raises(UserError, match="acoustic don't fit"):
        HifiganConfig(path=str(tmp_path)).load()
    (tmp_path / "vocoder.json").write_text("{}")
    with pytest.raises(UserError, match="not a vocoder description"):
        HifiganConfig(path=str(tmp_path)).load()


def test_a_cut_file_and_a_voice_without_units_are_a_user_error(config: HifiganConfig, tmp_path: Path) -> None:
    whole = config.folder / "vocoder.safetensors"
    (tmp_path / "vocoder.json").write_bytes((config.folder / "vocoder.json").read_bytes())
    (tmp_path / "vocoder.safetensors").write_bytes(whole.read_bytes()[:1000])
    with pytest.raises(UserError, match=r"safetensors: damaged"):
        HifiganConfig(path=str(tmp_path)).load()
    unspoken = config.description.model_dump(mode="json") | {"streams": {}}
    (tmp_path / "vocoder.json").write_text(json.dumps(unspoken))
    with pytest.raises(UserError, match="not a vocoder description"):
        _ = HifiganConfig(path=str(tmp_path)).fingerprint


def test_the_config_alone_brings_no_torch() -> None:
    code = "import sys, transforms.vocoder.hifigan; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3], check=False).returncode == 0
