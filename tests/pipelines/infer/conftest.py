"""A model trained for seconds, and what stands for the encoders and the voice that its toy corpus has not."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pipelines.infer.model import SpeechTextModel
from pipelines.infer.parts import Text
from pipelines.train.config import TrainConfig
from pipelines.train.loop import train
from tests.toy_corpus import INFOS, write_toy_run
from transforms.streams import ceil_div
from transforms.vocoder._acoustic import AcousticModel
from transforms.vocoder._synthesis import HifiganVocoder, acoustic_shape, build_duration_model, build_generator
from transforms.vocoder.description import Architecture, SpokenStream, VocoderDescription
from transforms.vocoder.hifigan import HifiganConfig

FINGERPRINTS = {info.kind: info.fingerprint for info in INFOS}


class FakeVocoder:
    """Two frames a unit and a constant sound; the trained one's weights speak other codebooks."""

    stream_fingerprints = FINGERPRINTS
    lookahead = (0, 0)

    def durations(self, units):
        return np.full(len(units), 2, np.int32)

    def synthesise(self, streams, *, speaker=None):
        assert {stream.kind: stream.fingerprint for stream in streams}.items() <= FINGERPRINTS.items()
        return np.full(len(streams[0].ids) * streams[0].hop_samples, 0.1, np.float32)


class FakeEncoderConfig:
    """Every frame has one code; stands for an encoder of the toy corpus, which has no audio."""

    def __init__(self, info):
        self.stream_kind, self.hop_samples = info.kind, info.hop_samples
        self.codebook_size, self.fingerprint = info.codebook_size, info.fingerprint

    def load(self):
        return self

    def encode(self, waveforms):
        return [np.full(ceil_div(len(waveform), self.hop_samples), 1, np.int32) for waveform in waveforms]


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A model that was trained for seconds: it knows its eight utterances by heart."""
    run, output = tmp_path_factory.mktemp("run"), tmp_path_factory.mktemp("model")
    write_toy_run(run, utterances=8, shards=2)
    config = {
        "output": str(output),
        "corpus": str(run),
        "model": {"kind": "llama", "hidden_size": 48, "intermediate_size": 96, "layers": 2, "heads": 2, "kv_heads": 2},
        "data": {
            "context": 128,
            "sequences": 4,
            "mixture": {"text": 0.0, "speech": 0.0, "interleaved": 0.2, "pairs": 1.0},
            "interleave": {"text_words": [1, 2], "speech_words": [1, 2]},
            "streams": ["units"],
        },
        "optimizer": {"learning_rate": 0.01, "schedule": "cosine", "warmup_steps": 10, "weight_decay": 0.0},
        "steps": 130,
        "device": "cpu",
        "threads": 1,
    }
    train(TrainConfig.model_validate(config))
    return output


@pytest.fixture(scope="session")
def model(folder):
    return SpeechTextModel.load(folder, vocoder=FakeVocoder(), device="cpu")


def small_voice(folder) -> HifiganVocoder:
    """The real architecture, small and with random weights, for the toy corpus's streams."""
    torch.manual_seed(0)
    description = VocoderDescription(
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
        speakers=("ann",),
        streams={
            info.kind: SpokenStream(
                fingerprint=info.fingerprint, hop_samples=info.hop_samples, codebook_size=info.codebook_size
            )
            for info in INFOS
        },
    )
    models = {
        "acoustic": AcousticModel(acoustic_shape(description)),
        "durations": build_duration_model(description),
        "generator": build_generator(description.architecture),
    }
    # Units last between one and some frames, so that a duration that is not settled yet shows.
    torch.nn.init.normal_(models["durations"].exit.weight, std=0.5)
    tensors = {f"{prefix}.{name}": v for prefix, model in models.items() for name, v in model.state_dict().items()}
    save_file(tensors, folder / "vocoder.safetensors")
    (folder / "vocoder.json").write_text(description.model_dump_json())
    return HifiganConfig(path=str(folder), device="cpu").load()


@pytest.fixture(scope="session")
def voice(tmp_path_factory) -> HifiganVocoder:
    return small_voice(tmp_path_factory.mktemp("voice"))


def tokens_of(parts) -> list[object]:
    return [part.text if isinstance(part, Text) else part.tokens for part in parts]
