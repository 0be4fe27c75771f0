"""The loaded vocoder: tokens to waveform, in chunks that overlap by more than the models' reach."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from schemas.errors import UserError
from schemas.records import Stream, StreamKind, TokenIds, Waveform
from transforms.devices import Device, pick_device
from transforms.vocoder._acoustic import (
    DURATION_CONTEXT_UNITS,
    AcousticModel,
    Acoustics,
    AcousticShape,
    DurationModel,
    repeat_to_units,
)
from transforms.vocoder._generator import Generator
from transforms.vocoder._mel import MEL_HOP_SAMPLES
from transforms.vocoder._source import pulse_train
from transforms.vocoder.description import Architecture, VocoderDescription

_CHUNK_FRAMES = 1000  # 10 s
_NOISE_SEED = 0


def acoustic_shape(description: VocoderDescription) -> AcousticShape:
    def codes(kind: StreamKind) -> int:
        return description.streams[kind].codebook_size if kind in description.streams else 0

    sizes: Architecture = description.architecture
    return AcousticShape(
        unit_codes=codes("units"),
        pitch_codes=codes("pitch"),
        style_codes=codes("style"),
        speakers=len(description.speakers),
        unit_hop_samples=description.streams["units"].hop_samples,
        width=sizes.width,
        fine_width=sizes.fine_width,
        blocks=sizes.blocks,
        fine_blocks=sizes.fine_blocks,
        code_width=sizes.code_width,
        dropout=sizes.dropout,
    )


def build_generator(sizes: Architecture) -> Generator:
    return Generator(sizes.channels, sizes.kernels, sizes.dilations)


def build_duration_model(description: VocoderDescription) -> DurationModel:
    sizes = description.architecture
    return DurationModel(description.streams["units"].codebook_size, sizes.duration_width, sizes.dropout)


class HifiganVocoder:
    """Implements ``transforms.vocoder.protocol.Vocoder``.

    The noise is drawn from a fixed seed, so the same streams give the same audio.
    """

    def __init__(self, description: VocoderDescription, weights: Path, *, device: Device) -> None:
        self._description = description
        self._device = pick_device(device)
        self._acoustic = AcousticModel(acoustic_shape(description))
        self._durations = build_duration_model(description)
        self._generator = build_generator(description.architecture)
        try:
            tensors = {name: value.float() for name, value in load_file(weights).items()}
        except SafetensorError as error:
            raise UserError(f"{weights}: damaged ({error}); fit or copy it again") from error
        models: dict[str, torch.nn.Module] = {
            "acoustic": self._acoustic,
            "durations": self._durations,
            "generator": self._generator,
        }
        for prefix, model in models.items():
            own = {n.removeprefix(prefix + "."): v for n, v in tensors.items() if n.startswith(prefix + ".")}
            try:
                model.load_state_dict(own)
            except RuntimeError as error:
                raise UserError(f"{weights}: the weights of the {prefix} don't fit vocoder.json beside them") from error
            model.to(self._device).eval()

    @property
    def stream_fingerprints(self) -> dict[str, str]:
        return {kind: stream.fingerprint for kind, stream in self._description.streams.items()}

    @property
    def speakers(self) -> tuple[str, ...]:
        """Voices that it knows, the default first."""
        return self._description.speakers

    @property
    def lookahead(self) -> tuple[int, int]:
        shape = self._acoustic.shape
        # One frame more: F0 and voicing are interpolated between frames.
        generator_units = -(-(self._generator.context_frames + 1) // shape.frames_per_unit)
        return DURATION_CONTEXT_UNITS, shape.context_units + generator_units

    @torch.inference_mode()
    def durations(self, units: TokenIds) -> TokenIds:
        """Frames that each deduplicated unit lasts, at least 1; shape ``(n,)``.

        Raises:
            UserError: A code is outside the codebook.
        """
        if len(units) == 0:
            return np.zeros(0, dtype=np.int32)
        self._check_codes("units", units)
        log_frames = self._durations(torch.from_numpy(units.astype(np.int64)).to(self._device)[None])[0]
        frames: TokenIds = (log_frames.exp() - 1.0).round().clamp(min=1).cpu().numpy().astype(np.int32)
        return frames

    def synthesise(self, streams: Sequence[Stream], *, speaker: str | None = None) -> Waveform:
        """Audio of ``len(units) * hop_samples`` samples; streams other than the units may be absent.

        Raises:
            UserError: No units, tokens of another encoder or codebook, or an unknown speaker.
        """
        return self._synthesise(streams, speaker=speaker, chunk_frames=_CHUNK_FRAMES)

    @torch.inference_mode()
    def _synthesise(self, streams: Sequence[Stream], *, speaker: str | None, chunk_frames: int) -> Waveform:
        given = self._check(streams)
        chosen = self.speakers[0] if speaker is None else speaker
        if chosen not in self.speakers:
            raise UserError(f"vocoder: no speaker {chosen!r} (there are: {', '.join(self.speakers)})")
        units = given["units"]
        if len(units.ids) == 0:
            return np.zeros(0, dtype=np.float32)
        acoustics = self._regress(given, self.speakers.index(chosen), chunk_frames)
        mel_1MT = acoustics.mel
        pulses_1N = pulse_train(acoustics.f0(), torch.zeros(1))
        noise = np.random.default_rng(_NOISE_SEED).standard_normal((1, pulses_1N.shape[1]), dtype=np.float32)
        noise_1N = torch.from_numpy(noise)

        def generate(start: int, end: int) -> torch.Tensor:
            samples = slice(start * MEL_HOP_SAMPLES, end * MEL_HOP_SAMPLES)
            parts = (mel_1MT[..., start:end], pulses_1N[:, samples], noise_1N[:, samples])
            waveform_1N: torch.Tensor = self._generator(*(part.to(self._device) for part in parts))
            return waveform_1N[0].cpu()

        chunks = _in_chunks(generate, mel_1MT.shape[2], chunk_frames, self._generator.context_frames, MEL_HOP_SAMPLES)
        waveform: Waveform = torch.cat(chunks).clamp(-1.0, 1.0).numpy()
        return waveform

    def _regress(self, given: dict[StreamKind, Stream], speaker: int, chunk_frames: int) -> Acoustics:
        shape = self._acoustic.shape
        units = given["units"]
        total = len(units.ids)
        aligned = [torch.from_numpy(units.ids.astype(np.int64))]
        for kind, missing in (("pitch", shape.pitch_codes), ("style", shape.style_codes)):
            stream = given.get(kind)  # type: ignore[call-overload]
            if stream is None or len(stream.ids) == 0:
                aligned.append(torch.full((total,), missing))
            else:
                aligned.append(repeat_to_units(stream.ids, total, unit_hop=units.hop_samples, hop=stream.hop_samples))
        codes_3U = torch.stack(aligned).to(self._device)
        speaker_1 = torch.tensor([speaker], device=self._device)

        def regress(start: int, end: int) -> torch.Tensor:
            out = self._acoustic(*(row[None, start:end] for row in codes_3U), speaker_1)
            stacked = torch.cat([out.mel[0], out.log_f0, out.voicing])
            return stacked.mT.cpu()

        step = max(chunk_frames // shape.frames_per_unit, 1)
        rows_TC = torch.cat(_in_chunks(regress, total, step, shape.context_units, shape.frames_per_unit))
        mel_TM, rest_T2 = rows_TC[:, :-2], rows_TC[:, -2:]
        return Acoustics(mel_TM.mT[None], rest_T2[None, :, 0], rest_T2[None, :, 1])

    def _check(self, streams: Sequence[Stream]) -> dict[StreamKind, Stream]:
        given = {stream.kind: stream for stream in streams}
        if "units" not in given:
            raise UserError("vocoder: there are no units to speak; pass a stream of kind 'units'")
        for kind, stream in given.items():
            spoken = self._description.streams.get(kind)
            if spoken is None:
                raise UserError(f"vocoder: it was fitted without {kind}; leave that stream out")
            if stream.fingerprint != spoken.fingerprint:
                raise UserError(
                    f"vocoder: the {kind} are of encoder {stream.fingerprint}, this voice speaks {spoken.fingerprint}; "
                    "use the vocoder fitted with that encoder, or run `plait fit vocoder`"
                )
            if stream.hop_samples != spoken.hop_samples:
                raise UserError(
                    f"vocoder: the {kind} have a hop of {stream.hop_samples} samples, this voice wants "
                    f"{spoken.hop_samples}; encode the recording again"
                )
            self._check_codes(kind, stream.ids)
        return given

    def _check_codes(self, kind: StreamKind, ids: TokenIds) -> None:
        size = self._description.streams[kind].codebook_size
        if np.any((ids < 0) | (ids >= size)):
            raise UserError(f"vocoder: {kind} codes must lie in 0 to {size - 1}; take out markers and padding")


def _in_chunks(
    run: Callable[[int, int], torch.Tensor], total: int, step: int, context: int, rate: int
) -> list[torch.Tensor]:
    """``run(start, end)`` over ``[0, total)`` in steps, each with context on both sides, which is then cut away.

    ``run`` returns ``rate`` rows an input frame.
    """
    parts = []
    for start in range(0, total, step):
        end = min(start + step, total)
        first, last = max(start - context, 0), min(end + context, total)
        parts.append(run(first, last)[(start - first) * rate : (end - first) * rate])
    return parts
