"""What a config's path to a model stands for."""

import pytest

from schemas.errors import UserError
from transforms.align.fused import FusedConfig
from transforms.assets import assets_dir, resolve_asset
from transforms.pitch.fcpe import FcpePitchConfig
from transforms.style.prosody import ProsodyStyleConfig
from transforms.units.hubert import HubertUnitsConfig
from transforms.units.whisper import WhisperUnitsConfig

OPTIONS = [
    (WhisperUnitsConfig, "codebook", "units-whisper-500", "units.codebook: "),
    (HubertUnitsConfig, "codebook", "hubert-small-25hz", "units.codebook: "),
    (FcpePitchConfig, "vqvae", "pitch-vqvae-64", "pitch.vqvae: "),
    (ProsodyStyleConfig, "codebook", "style-prosody-100", "style.codebook: "),
    (FusedConfig, "nets", "phone-net-whisper", "align.nets: "),
]


@pytest.mark.parametrize(("config", "option", "name", "key"), OPTIONS)
def test_a_folder_stands_for_the_model_in_it(config, option, name, key, tmp_path):
    assert config(**{option: str(assets_dir() / name)}).fingerprint == config().fingerprint
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(UserError, match=rf"^{key}model file not found: {path}"):
            _ = config(**{option: str(path)}).fingerprint


def test_where_a_folder_is_wanted_it_is_itself(tmp_path):
    assert resolve_asset(str(tmp_path), bundled_name="vocoder-hifigan") == tmp_path
