import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch
from pydantic import ValidationError

from pipelines.fit import vocoder_reader, vocoder_sharpen
from pipelines.fit.training_state import TrainingState
from pipelines.fit.vocoder import fit_vocoder
from pipelines.fit.vocoder_acoustic import AcousticTrainer, deduplicate
from pipelines.fit.vocoder_config import VocoderFitConfig
from pipelines.fit.vocoder_crops import AcousticCrops, drop_streams
from pipelines.fit.vocoder_data import CropSampler, FittingRecording, read_recordings, shifted, to_100_hz
from pipelines.fit.vocoder_losses import Judges, MelJudge, ScaleJudge
from pipelines.fit.vocoder_reader import ReadingLoss, UnitReader, fit_reader
from pipelines.fit.vocoder_sharpen import Sharpener
from pipelines.fit.vocoder_wave import WaveTrainer, true_mel
from schemas.errors import UserError
from schemas.records import SourceRow, Stream, Utterance
from tests.pipelines.fit.listed import Listed
from transforms.pitch.contour import F0Contour
from transforms.units.whisper import WhisperUnitsConfig
from transforms.vocoder._acoustic import AcousticModel, AcousticShape
from transforms.vocoder._generator import Generator
from transforms.vocoder.hifigan import HifiganConfig

AUDIO = Path(__file__).parents[3] / "examples" / "asterisk-en" / "audio"
PROMPTS = ("activated", "added", "agent-alreadyon", "agent-incorrect", "agent-loggedoff")
SMALL = {
    "units": WhisperUnitsConfig(),
    "pitch": None,
    "style": None,
    "architecture": {
        "channels": [16, 12, 8],
        "kernels": [3],
        "dilations": [1, 3],
        "width": 16,
        "fine_width": 12,
        "blocks": 1,
        "fine_blocks": 1,
        "code_width": 8,
        "duration_width": 8,
    },
    "wave_steps": 2,
    "adversarial_from": 1,
    "wave_batch": 2,
    "wave_crop_frames": 32,
    "acoustic_steps": 2,
    "acoustic_batch": 2,
    "acoustic_crop_units": 16,
    "reader_steps": 2,
    "reader_width": 8,
    "sharpen_steps": 2,
    "mel_judge_channels": [4, 4],
    "duration_steps": 2,
    "refine_steps": 1,
    "period_judge_channels": [4, 4],
    "scale_judge_channels": [4, 4],
    "spectrogram_judge_channels": 2,
}


SHAPE = AcousticShape(20, 8, 5, 2, 640, 16, 12, 1, 1, 4, 0.1)


@Listed
def utterances() -> Iterator[Utterance]:
    for number, name in enumerate(PROMPTS):
        path = AUDIO / f"{name}.flac"
        waveform = sf.read(path, dtype="float32")[0]
        row = SourceRow(name, str(path), name, speaker="ann" if number % 2 else "bob", licence="CC-BY-SA-3.0")
        yield Utterance(row, waveform, hashlib.sha256(waveform.tobytes()).hexdigest())


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[FittingRecording]:
    return read_recordings(utterances, cache=tmp_path_factory.mktemp("f0") / "f0.npz", say=print)


def small_trainer() -> WaveTrainer:
    torch.manual_seed(0)
    generator = Generator((32, 24, 16), (3, 5), (1, 3))
    return WaveTrainer(
        generator,
        Judges((4, 8), 4, (4, 8)),
        learning_rate=2e-3,
        bf16=False,
        seed=0,
        phase=1,
        device=torch.device("cpu"),
    )


def train(trainer: WaveTrainer, recordings: list[FittingRecording], steps: int, *, adversarial: bool) -> list[float]:
    sampler = CropSampler(recordings, frames=48, weights={})
    return [
        trainer.train_step(sampler, true_mel, batch=2, adversarial=adversarial, rate=1.0)["mel"] for _ in range(steps)
    ]


def test_loss_falls_on_real_prompts(recordings: list[FittingRecording]) -> None:
    losses = train(small_trainer(), recordings, 16, adversarial=False)
    assert np.mean(losses[-4:]) < 0.8 * np.mean(losses[:2])


def test_a_restored_trainer_takes_the_same_steps(recordings: list[FittingRecording], tmp_path: Path) -> None:
    whole = small_trainer()
    train(whole, recordings, 4, adversarial=True)
    half = small_trainer()
    train(half, recordings, 2, adversarial=True)
    resumed = small_trainer()
    half.state.save(tmp_path / "half.pt")
    resumed.state.restore(tmp_path / "half.pt")
    train(resumed, recordings, 2, adversarial=True)
    for name, value in whole.generator.state_dict().items():
        torch.testing.assert_close(resumed.generator.state_dict()[name], value, rtol=1e-5, atol=1e-6)


def with_codes(recordings: list[FittingRecording]) -> list[FittingRecording]:
    rng = np.random.default_rng(0)
    return [
        replace(each, codes={"units": rng.integers(20, size=each.mel.shape[1] // 4).astype(np.int32)})
        for each in recordings
    ]


def crops_of(recordings: list[FittingRecording], shape: AcousticShape) -> AcousticCrops:
    return AcousticCrops(
        recordings,
        shape,
        hops={"units": 640},
        speakers=("ann", "bob"),
        units=20,
        weights={},
        device=torch.device("cpu"),
    )


def sharpener(recordings: list[FittingRecording]) -> tuple[AcousticModel, Sharpener]:
    torch.manual_seed(0)
    coded = with_codes(recordings)
    model = AcousticModel(SHAPE)
    device = torch.device("cpu")
    crops = crops_of(coded, model.shape)
    trainer = AcousticTrainer(
        model,
        crops,
        coded[:1],
        hops={"units": 640},
        speakers=("ann", "bob"),
        reading=None,
        learning_rate=1e-3,
        bf16=False,
        seed=0,
        device=device,
    )
    return model, Sharpener(trainer, MelJudge((4, 4, 4)), learning_rate=5e-3, bf16=False, seed=0, device=device)


def test_a_resumed_sharpening_takes_the_same_steps(recordings: list[FittingRecording], tmp_path: Path) -> None:
    whole, its = sharpener(recordings)
    start = {name: value.clone() for name, value in whole.state_dict().items()}
    its.run(steps=4, batch=2, checkpoint=tmp_path / "whole.pt", say=print)
    state = torch.load(tmp_path / "whole.pt", weights_only=True)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, state["mean"][name])  # the model is left at the running mean
        assert not torch.equal(value, start[name]) or not torch.any(start[name])

    _, first = sharpener(recordings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vocoder_sharpen, "_SAVE_EVERY", 2)
        patch.setattr(TrainingState, "save", stopping_after(TrainingState.save))
        with pytest.raises(KeyboardInterrupt):
            first.run(steps=4, batch=2, checkpoint=tmp_path / "half.pt", say=print)
    assert torch.load(tmp_path / "half.pt", weights_only=True)["step"] == 2
    resumed, second = sharpener(recordings)
    second.run(steps=4, batch=2, checkpoint=tmp_path / "half.pt", say=print)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, rtol=1e-5, atol=1e-6)


def test_a_resumed_reader_takes_the_same_steps_and_its_loss_is_of_the_log_mel_alone(
    recordings: list[FittingRecording], tmp_path: Path
) -> None:
    crops = crops_of(with_codes(recordings), SHAPE)

    def fitted(checkpoint: Path | None) -> UnitReader:
        torch.manual_seed(0)
        reader = UnitReader(unit_codes=20, frames_per_unit=4, width=8)
        options = {"learning_rate": 5e-3, "bf16": False, "seed": 0, "device": torch.device("cpu"), "say": print}
        fit_reader(reader, crops, steps=4, batch=2, checkpoint=checkpoint, **options)
        return reader

    whole = fitted(None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vocoder_reader, "_SAVE_EVERY", 2)
        patch.setattr(TrainingState, "save", stopping_after(TrainingState.save))
        with pytest.raises(KeyboardInterrupt):
            fitted(tmp_path / "half.pt")
    resumed = fitted(tmp_path / "half.pt")
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, rtol=1e-5, atol=1e-6)
    batch = crops.draw(np.random.default_rng(0), 2)
    reading = ReadingLoss(whole, weight=1.5)
    assert reading(batch.mel, batch.mel, batch.inside) == 0
    other = (batch.mel + 1).requires_grad_()
    reading(other, batch.mel, batch.inside).backward()
    assert bool(other.grad[batch.inside[:, None].expand_as(other) > 0].any())
    assert not bool(other.grad[batch.inside[:, None].expand_as(other) == 0].any())
    assert not any(value.requires_grad for value in whole.parameters())


def test_a_reader_learns_to_read(recordings: list[FittingRecording]) -> None:
    loud = [
        replace(each, codes={"units": (each.mel.astype(np.float32).mean(0)[::4] > -7).astype(np.int32)})
        for each in recordings
    ]
    torch.manual_seed(0)
    reader = UnitReader(unit_codes=20, frames_per_unit=4, width=8)
    crops = crops_of(loud, SHAPE)
    options = {"learning_rate": 5e-3, "bf16": False, "seed": 0, "device": torch.device("cpu")}
    right = fit_reader(reader, crops, steps=150, batch=4, checkpoint=None, say=print, **options)
    assert right > 0.9


def stopping_after(save: Callable[[TrainingState, Path | None], None]) -> Callable[..., None]:
    def save_and_stop(self: TrainingState, path: Path | None) -> None:
        save(self, path)
        raise KeyboardInterrupt

    return save_and_stop


def test_a_fitted_folder_is_loaded_and_speaks_its_tokens_only(tmp_path: Path) -> None:
    config = VocoderFitConfig.model_validate({**SMALL, "default_speaker": "ann"})
    said: list[str] = []
    figures = fit_vocoder(
        utterances, config, seed=1, output=tmp_path / "voice", say=said.append, work=tmp_path / "work"
    )
    assert all(np.isfinite(value) for value in figures.values())
    vocoder = HifiganConfig(path=str(tmp_path / "voice")).load()
    assert vocoder.speakers == ("ann", "bob")
    encoder = WhisperUnitsConfig()
    assert vocoder.stream_fingerprints == {"units": encoder.fingerprint}
    stream = Stream("units", 640, encoder.codebook_size, np.arange(50, dtype=np.int32), encoder.fingerprint)
    assert len(vocoder.synthesise([stream], speaker="bob")) == 50 * 640
    with pytest.raises(UserError, match=f"other.*{encoder.fingerprint}"):
        vocoder.synthesise([Stream("units", 640, 500, stream.ids, "other")])
    card = (tmp_path / "voice" / "card.md").read_text()
    for said_of_it in ("CC-BY-SA-3.0", HifiganConfig(path=str(tmp_path / "voice")).fingerprint, "seed: 1"):
        assert said_of_it in card
    without = Listed(utterances.make, left_out={"decode/too_long": 2})
    again = fit_vocoder(without, config, seed=1, output=tmp_path / "again", say=print, work=tmp_path / "work")
    assert again == figures
    assert "Left out: decode/too_long (2)." in (tmp_path / "again" / "card.md").read_text()
    assert (tmp_path / "again" / "vocoder.safetensors").read_bytes() == (
        tmp_path / "voice" / "vocoder.safetensors"
    ).read_bytes()


def test_a_judge_of_a_coarse_scale_hears_no_high_tone() -> None:
    torch.manual_seed(0)
    time = torch.arange(4000) / 16_000
    quiet = 0.1 * torch.randn(1, 4000)
    high = quiet + torch.sin(2 * torch.pi * 7000 * time)
    low = quiet + torch.sin(2 * torch.pi * 300 * time)
    fine, coarse = ScaleJudge(0, (4, 8)), ScaleJudge(2, (4, 8))

    def change(judge: ScaleJudge, waves: torch.Tensor) -> float:
        return float((judge(waves)[1][0] - judge(quiet)[1][0]).abs().mean().detach())

    assert change(coarse, high) < 0.25 * change(coarse, low)
    assert change(fine, high) > 0.5 * change(fine, low)
    assert coarse(quiet)[0].shape[-1] < 0.3 * fine(quiet)[0].shape[-1]


def test_what_cannot_be_fitted_is_refused(tmp_path: Path) -> None:
    config = VocoderFitConfig.model_validate({**SMALL, "default_speaker": "carl"})
    with pytest.raises(UserError, match=r"carl.*ann, bob"):
        fit_vocoder(utterances, config, seed=1, output=tmp_path, say=print)
    config = VocoderFitConfig.model_validate({**SMALL, "speaker_weights": {"anne": 50.0}})
    with pytest.raises(UserError, match=r"speaker_weights: 'anne'.*ann, bob"):
        fit_vocoder(utterances, config, seed=1, output=tmp_path, say=print)
    with pytest.raises(ValidationError):
        VocoderFitConfig.model_validate({**SMALL, "speaker_weights": {"ann": -1.0}})
    with pytest.raises(UserError, match="two recordings"):
        fit_vocoder(Listed(lambda: iter(list(utterances())[:1])), config, seed=1, output=tmp_path, say=print)


def test_corrected_speakers_start_anew(tmp_path: Path) -> None:
    @Listed
    def swapped() -> Iterator[Utterance]:
        other = {"ann": "bob", "bob": "ann"}
        for each in utterances():
            yield replace(each, row=replace(each.row, speaker=other[each.row.speaker]))

    config = VocoderFitConfig.model_validate({**SMALL, "default_speaker": "ann"})

    def fitted(recordings: Listed, name: str, work: str) -> bytes:
        fit_vocoder(recordings, config, seed=1, output=tmp_path / name, say=print, work=tmp_path / work)
        return (tmp_path / name / "vocoder.safetensors").read_bytes()

    fitted(utterances, "before", "work")
    assert fitted(swapped, "after", "work") == fitted(swapped, "fresh", "other")


def test_a_prediction_runs_where_the_model_is(recordings: list[FittingRecording]) -> None:
    _, sharpening = sharpener(recordings)
    trainer = sharpening._trainer
    trainer.model.to("meta")
    trainer._device = torch.device("meta")  # an accelerator's place, which no test machine has
    seen: list[str] = []
    trainer.model.register_forward_pre_hook(lambda _, inputs: seen.extend(each.device.type for each in inputs))
    with pytest.raises(NotImplementedError, match="meta"):  # it has no numbers to give back
        trainer.predict(with_codes(recordings)[0], with_prosody=False)
    assert set(seen) == {"meta"}


def test_streams_are_dropped_together_and_alone() -> None:
    shape = AcousticShape(20, 8, 5, 1, 640, 8, 8, 1, 1, 4, 0.0)
    codes = np.ones((4000, 3, 10), np.int64)
    dropped = drop_streams(codes, shape, np.random.default_rng(0))
    pitch, style = (dropped[:, 1] == 8).all(1), (dropped[:, 2] == 5).all(1)
    assert abs((pitch & style).mean() - 0.3) < 0.03
    assert abs((pitch & ~style).mean() - 0.1) < 0.03
    assert abs((style & ~pitch).mean() - 0.1) < 0.03
    assert abs((dropped[:, 0] == 20).mean() - 0.05) < 0.01
    assert (codes == 1).all()


def test_embeddings_start_where_their_codes_lie() -> None:
    shape = AcousticShape(500, 8, 5, 1, 640, 64, 8, 1, 1, 4, 0.0)
    model = AcousticModel(shape)
    dropped = model.units.weight[-1].clone()
    vectors = WhisperUnitsConfig().code_vectors()
    model.place_units(vectors)
    assert torch.equal(model.units.weight[-1], dropped)  # the entry of a dropped unit is no code's
    apart = torch.pdist(torch.from_numpy(vectors))
    assert np.corrcoef(apart, torch.pdist(model.units.weight[:-1].detach()))[0, 1] > 0.8
    assert 0.5 < model.units.weight[:-1].std() < 2.0


def test_runs_and_their_lengths() -> None:
    ids, frames = deduplicate(np.array([3, 3, 3, 1, 3, 3]))
    assert ids.tolist() == [3, 1, 3]
    assert frames.tolist() == [3, 1, 2]


def test_f0_halves_are_averaged_where_both_are_voiced() -> None:
    f0_hz = np.array([0, 0, 100, 0, 0, 90, 100, 110], np.float32)
    np.testing.assert_array_equal(to_100_hz(F0Contour(f0_hz, f0_hz > 0)), [0, 100, 90, 105])


@pytest.mark.parametrize("samples", [160, 320, 640])
def test_a_shifted_recording_is_the_rest_of_it(recordings: list[FittingRecording], samples: int) -> None:
    whole, rest = recordings[2], shifted(recordings[2], samples)
    length, frames = whole.num_samples - samples, samples // 160
    assert rest.num_samples == length
    assert len(rest.waveform) == 160 * len(rest.f0_hz) == 160 * rest.mel.shape[1]
    assert len(rest.waveform) % 640 == 0
    np.testing.assert_array_equal(rest.waveform[:length], whole.waveform[samples : samples + length])
    kept = len(whole.f0_hz) - frames
    np.testing.assert_array_equal(rest.f0_hz[:kept], whole.f0_hz[frames:])
    np.testing.assert_array_equal(rest.mel[:, :kept], whole.mel[:, frames:])
