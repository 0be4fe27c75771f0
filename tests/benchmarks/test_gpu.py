import pytest

from benchmarks import gpu
from benchmarks.batching import bundled_speech
from benchmarks.gpu import Beside
from transforms.style.prosody import ProsodyStyleConfig


@pytest.mark.parametrize("config", [ProsodyStyleConfig(), None])
def test_what_runs_beside_the_gpu_encodes_all_it_was_given(config, monkeypatch):
    monkeypatch.setattr(gpu, "BESIDE", 1)
    speech = bundled_speech(6, longest_s=3.0)
    beside = Beside(config)
    beside.give(speech[:4])
    beside.give(speech[4:])
    assert beside.tokens() == (sum(map(len, config.load().encode(speech))) if config else 0)
    assert beside.tokens() == 0
    beside.close()
