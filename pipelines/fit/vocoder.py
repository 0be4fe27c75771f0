"""Fits a vocoder on recordings: tokens to log-mel by regression, log-mel to waveform by a HiFi-GAN.

Seven phases, each resumed from its own checkpoint; only those marked * depend on the tokens:

    wave        log-mel and F0 -> waveform, spectral distance, from ``adversarial_from`` on also discriminators
    reader *    log-mel -> units, to look at what the next two make
    acoustic *  units, pitch, style, speaker -> log-mel, F0, voicing
    sharpen *   the same against a discriminator of log-mels
    durations * deduplicated units -> frames
    refine *    wave again, on the log-mels that the acoustic half predicts
    save        ``vocoder.safetensors`` (half precision), ``vocoder.json``, ``card.md``
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import torch

from pipelines.fit.recordings import Recordings
from pipelines.fit.vocoder_acoustic import AcousticTrainer, fit_durations
from pipelines.fit.vocoder_card import vocoder_card
from pipelines.fit.vocoder_config import VocoderFitConfig
from pipelines.fit.vocoder_crops import AcousticCrops, Hops
from pipelines.fit.vocoder_data import FittingRecording, add_codes, read_recordings, shifted
from pipelines.fit.vocoder_losses import Judges, MelJudge
from pipelines.fit.vocoder_reader import ReadingLoss, UnitReader, fit_reader
from pipelines.fit.vocoder_save import save_vocoder
from pipelines.fit.vocoder_sharpen import Sharpener
from pipelines.fit.vocoder_wave import WaveTrainer, copy_synthesis_error, train_wave, true_mel
from pipelines.threads import torch_threads
from schemas.errors import UserError
from transforms.backend import digest_json
from transforms.devices import pick_device
from transforms.units.protocol import UnitsConfig
from transforms.vocoder._acoustic import AcousticModel, AcousticShape
from transforms.vocoder._generator import Generator
from transforms.vocoder._synthesis import acoustic_shape, build_duration_model, build_generator
from transforms.vocoder.description import SpokenStream, VocoderDescription

_REFINE_RATE = 0.3  # of the wave phase's first learning rate
_REFINE_BASE = 0.3  # share of crops predicted from units alone
_KEPT_APART_EVERY = 40  # one recording in so many validates
_UNIT_HOPS_SAMPLES = (160, 320, 640)
_WAVE_OPTIONS = ("wave_", "adversarial_", "period_judge_", "spectrogram_judge_", "scale_judge_")


def fit_vocoder(
    recordings: Recordings,
    config: VocoderFitConfig,
    *,
    seed: int,
    output: Path,
    say: Callable[[str], None],
    work: Path | None = None,
) -> dict[str, float]:
    """Fit and save a vocoder; returns its errors on recordings kept apart (one in forty).

    Args:
        recordings: The corpus, the same each time it is asked for.
        output: Folder of the result, loaded by ``HifiganConfig(path=...)``.
        work: Folder for F0 and checkpoints; a phase found there under the same settings and audio goes on from where
            it stopped. Nothing is kept if None.

    Raises:
        UserError: Fewer than two recordings, a speaker that is named is not among them, or units come more seldom than
            the voice takes them.
    """
    with torch_threads(config.threads):
        return _Fit(recordings, config, seed=seed, say=say, work=work).run(output)


class _Fit:
    def __init__(
        self,
        recordings: Recordings,
        config: VocoderFitConfig,
        *,
        seed: int,
        say: Callable[[str], None],
        work: Path | None,
    ) -> None:
        self._config, self._seed, self._say, self._work = config, seed, say, work
        self._device = pick_device(config.device)
        encoders = config.encoders()
        _check_units_hop(encoders["units"].hop_samples)
        read = read_recordings(recordings, cache=None if work is None else work / "f0.npz", say=say)
        if len(read) < 2:
            raise UserError("fit vocoder: at least two recordings are needed, one of them to validate")
        self._left_out = dict(recordings.left_out)
        self._audio = [(recording.audio_sha256, recording.speaker) for recording in read]
        speakers = _speakers(read, config.default_speaker)
        for name in sorted(set(config.speaker_weights) - set(speakers)):
            raise _no_such_speaker("speaker_weights", name, speakers)
        self._recordings = add_codes(read, encoders, work=work, say=say)
        self._validation = self._recordings[::_KEPT_APART_EVERY]
        kept_apart = {recording.index for recording in self._validation}
        self._training = [recording for recording in self._recordings if recording.index not in kept_apart]
        self._shifted = add_codes(
            [
                shifted(recording, samples)
                for samples in config.acoustic_shifts_samples
                for recording in self._training
                if recording.num_samples > samples
            ],
            encoders,
            work=work,
            say=say,
        )
        # a waveform of theirs is read for its codes alone
        self._shifted = [replace(recording, waveform=recording.waveform[:0].copy()) for recording in self._shifted]
        self._description = VocoderDescription(
            architecture=config.architecture,
            speakers=speakers,
            streams={
                kind: SpokenStream(
                    fingerprint=encoder.fingerprint,
                    hop_samples=encoder.hop_samples,
                    codebook_size=encoder.codebook_size,
                )
                for kind, encoder in encoders.items()
            },
        )

    def run(self, output: Path) -> dict[str, float]:
        wave, true_error = self._fit_wave()
        acoustic, figures = self._fit_acoustic()
        torch.manual_seed(self._seed)
        durations = build_duration_model(self._description)
        figures["duration_error_frames"] = fit_durations(
            durations, self._training, self._validation, steps=self._config.duration_steps,
            learning_rate=self._config.acoustic_learning_rate, seed=self._seed, device=self._device,
        )  # fmt: skip
        generator, refined_error = self._refine(wave, acoustic)
        figures |= {"copy_synthesis_mel_l1": true_error, "predicted_mel_true_f0_mel_l1": refined_error}
        models = {"acoustic": acoustic.model, "durations": durations, "generator": generator}
        settings = {**self._config.model_dump(mode="json"), "seed": self._seed}

        def card(fingerprint: str) -> str:
            about, read = self._description, self._recordings
            return vocoder_card(about, read, settings, figures, left_out=self._left_out, fingerprint=fingerprint)

        save_vocoder(output, self._description, models, card=card)
        return figures

    def _checkpoint(self, phase: str, settings: object) -> Path | None:
        if self._work is None:
            return None
        return self._work / f"{phase}-{digest_json([settings, self._seed, self._audio])}.pt"

    def _settings(self, *prefixes: str) -> dict[str, object]:
        """The options that a phase depends on: another value starts it anew."""
        names = (*prefixes, "architecture", "speaker_weights", "default_speaker", "bf16")
        return {name: value for name, value in self._config.model_dump(mode="json").items() if name.startswith(names)}

    def _trainer(self, *, phase: int) -> WaveTrainer:
        config = self._config
        torch.manual_seed(self._seed)
        return WaveTrainer(
            build_generator(config.architecture),
            Judges(config.period_judge_channels, config.spectrogram_judge_channels, config.scale_judge_channels),
            learning_rate=config.wave_learning_rate,
            bf16=config.bf16,
            seed=self._seed,
            phase=phase,
            device=self._device,
        )

    def _fit_wave(self) -> tuple[WaveTrainer, float]:
        config = self._config
        trainer = self._trainer(phase=1)
        train_wave(
            trainer,
            self._training,
            true_mel,
            steps=config.wave_steps,
            adversarial_from=config.adversarial_from,
            first_rate=1.0,
            decay_steps=config.wave_decay_steps,
            batch=config.wave_batch,
            crop_frames=config.wave_crop_frames,
            weights=config.speaker_weights,
            checkpoint=self._checkpoint("wave", self._settings(*_WAVE_OPTIONS)),
            say=self._say,
        )
        error = copy_synthesis_error(
            trainer.mean_generator(build_generator(config.architecture)),
            self._validation,
            true_mel,
            device=self._device,
        )
        self._say(f"wave: mel L1 of copy synthesis {error:.3f}")
        return trainer, error

    def _fit_acoustic(self) -> tuple[AcousticTrainer, dict[str, float]]:
        config = self._config
        torch.manual_seed(self._seed)
        model = AcousticModel(acoustic_shape(self._description))
        vectors_KP = cast(UnitsConfig, config.units).code_vectors()
        if vectors_KP is not None:
            model.place_units(vectors_KP)
        hops: Hops = {kind: stream.hop_samples for kind, stream in self._description.streams.items()}
        crops = AcousticCrops(
            [*self._training, *self._shifted],
            model.shape,
            hops=hops,
            speakers=self._description.speakers,
            units=config.acoustic_crop_units,
            weights=config.speaker_weights,
            device=self._device,
        )
        reading, figures = self._fit_reader(crops, model.shape)
        trainer = AcousticTrainer(
            model,
            crops,
            self._validation,
            hops=hops,
            speakers=self._description.speakers,
            reading=reading,
            learning_rate=config.acoustic_learning_rate,
            bf16=config.bf16,
            seed=self._seed,
            device=self._device,
        )
        trainer.run(
            steps=config.acoustic_steps,
            batch=config.acoustic_batch,
            validate_every=min(200, config.acoustic_steps),
            checkpoint=self._checkpoint(
                "acoustic", [self._settings("acoustic_", "read"), self._description.model_dump(mode="json")]
            ),
            say=self._say,
        )
        figures |= self._acoustic_errors(trainer, "acoustic")
        self._sharpen(trainer)
        if config.sharpen_steps:
            figures |= self._acoustic_errors(trainer, "sharpened")
        return trainer, figures

    def _fit_reader(self, crops: AcousticCrops, shape: AcousticShape) -> tuple[ReadingLoss | None, dict[str, float]]:
        config = self._config
        if not config.reader_steps:
            return None, {}
        torch.manual_seed(self._seed)
        reader = UnitReader(
            unit_codes=shape.unit_codes, frames_per_unit=shape.frames_per_unit, width=config.reader_width
        )
        right = fit_reader(
            reader,
            crops,
            steps=config.reader_steps,
            batch=config.acoustic_batch,
            learning_rate=config.reader_learning_rate,
            bf16=config.bf16,
            seed=self._seed,
            device=self._device,
            checkpoint=self._checkpoint(
                "reader",
                [
                    self._settings("acoustic_batch", "acoustic_crop", "acoustic_shifts", "reader_"),
                    self._description.model_dump(mode="json"),
                ],
            ),
            say=self._say,
        )
        return ReadingLoss(reader, weight=config.reading_weight), {"reader_units_right": right}

    def _acoustic_errors(self, trainer: AcousticTrainer, name: str) -> dict[str, float]:
        return {
            f"{name}_mel_l1_{kind}": trainer.validate(with_prosody=with_prosody)
            for kind, with_prosody in (("expressive", True), ("base", False))
        }

    def _sharpen(self, trainer: AcousticTrainer) -> None:
        config = self._config
        if not config.sharpen_steps:
            return
        torch.manual_seed(self._seed)
        sharpener = Sharpener(
            trainer,
            MelJudge(config.mel_judge_channels),
            learning_rate=config.sharpen_learning_rate,
            bf16=config.bf16,
            seed=self._seed,
            device=self._device,
        )
        settings = self._settings("acoustic_", "read", "sharpen_", "mel_judge_")
        sharpener.run(
            steps=config.sharpen_steps,
            batch=config.acoustic_batch,
            checkpoint=self._checkpoint("sharpen", [settings, self._description.model_dump(mode="json")]),
            say=self._say,
        )

    def _refine(self, wave: WaveTrainer, acoustic: AcousticTrainer) -> tuple[Generator, float]:
        by_index = {recording.index: recording for recording in self._recordings}

        @cache
        def predict(index: int, with_prosody: bool) -> npt.NDArray[np.float16]:
            return acoustic.predict(by_index[index], with_prosody=with_prosody).astype(np.float16)

        def predicted_mel(recording: FittingRecording, draw: float) -> np.ndarray:
            return predict(recording.index, draw >= _REFINE_BASE)

        config = self._config
        trainer = self._trainer(phase=4)
        trainer.state.follow(wave.state)
        train_wave(
            trainer,
            self._training,
            predicted_mel,
            steps=config.refine_steps,
            adversarial_from=0,
            first_rate=_REFINE_RATE,
            decay_steps=config.wave_decay_steps,
            batch=config.wave_batch,
            crop_frames=config.wave_crop_frames,
            weights=config.speaker_weights,
            checkpoint=self._checkpoint(
                "refine", [config.model_dump(mode="json"), self._description.model_dump(mode="json")]
            ),
            say=self._say,
        )
        generator = trainer.mean_generator(build_generator(config.architecture))
        return generator, copy_synthesis_error(generator, self._validation, predicted_mel, device=self._device)


def _speakers(recordings: list[FittingRecording], default: str | None) -> tuple[str, ...]:
    """The default first, the others by name."""
    samples: dict[str, int] = {}
    for recording in recordings:
        samples[recording.speaker] = samples.get(recording.speaker, 0) + recording.num_samples
    first = max(sorted(samples), key=lambda name: samples[name]) if default is None else default
    if first not in samples:
        raise _no_such_speaker("default_speaker", first, samples)
    return (first, *sorted(set(samples) - {first}))


def _no_such_speaker(option: str, name: str, speakers: Iterable[str]) -> UserError:
    return UserError(f"fit: {option}: {name!r} speaks no recording (there are: {', '.join(sorted(speakers))})")


def _check_units_hop(hop_samples: int) -> None:
    """Crops begin at every fourth frame of the log-mel, so a unit must begin there too."""
    if hop_samples not in _UNIT_HOPS_SAMPLES:
        raise UserError(
            f"fit.units: a unit every {hop_samples} samples; the voice takes one every "
            f"{', '.join(map(str, _UNIT_HOPS_SAMPLES))}"
        )
