"""Fits the aligner's phone net on speech with exact phone times (``benchmarks/aligner_voices.py`` makes some).

Each recording is used as it is, with a little noise, and in altered copies: speed and formants together, reverberation,
equalisation, noise. The target of a frame is the share of each phone in the 10 ms around it, so that the net's
probabilities say where within a frame a boundary lies.

Shapes: as in ``transforms.align.phone_net``.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from pipelines.fit.aligner_augment import altered, with_noise
from pipelines.fit.recordings import Recordings
from pipelines.fit.report import FitData, open_artefact, write_card
from pipelines.yaml_config import Section
from schemas.errors import UserError
from schemas.records import SAMPLE_RATE_HZ, Span, Utterance
from transforms.align.fused import FusedConfig
from transforms.align.phone_net import FRAME_SAMPLES, PhoneFeatures, PhoneNet, save_nets
from transforms.align.phone_path import SILENCE
from transforms.align.phones import PHONE_ID, PHONES
from transforms.units.whisper import WhisperUnitsConfig

_SYNONYMS = {"AX": "AH", "PAU": "SIL", "BRTH": "SIL", "H#": "SIL", "DX": "T", "EL": "L", "EM": "M", "EN": "N"}
_SYNONYMS |= {"AXR": "ER", "HV": "HH", "NX": "N", "IX": "IH"}


class AlignerFitConfig(Section):
    """Settings of ``plait fit aligner``.

    Args:
        model: ``tiny.en`` of the pinned package, or a CTranslate2 folder of the same model.
        nets: Number of nets, trained on the same data from different seeds; their log probabilities are averaged.
        channels: Of a net's convolutions.
        layers: Convolutional layers of a net.
        dropout: In training.
        copies: Altered copies of each recording, beside the recording itself.
        steps: Training steps of each net; one cycle of the learning rate.
        batch: Training examples a step.
        crop_frames: Length of a training example in frames of 10 ms; even.
        learning_rate: Of AdamW, at its peak.
    """

    model: str = "tiny.en"
    nets: int = Field(default=2, ge=1)
    channels: int = Field(default=128, ge=1)
    layers: int = Field(default=3, ge=1)
    dropout: float = Field(default=0.25, ge=0, lt=1)
    copies: int = Field(default=1, ge=0)
    steps: int = Field(default=350, ge=1)
    batch: int = Field(default=32, ge=1)
    crop_frames: int = Field(default=200, ge=2, multiple_of=2)
    learning_rate: float = Field(default=2e-3, gt=0)


@dataclass(frozen=True, slots=True)
class _Example:
    mel: Tensor  # (F, M)
    states: Tensor  # (T, D), half precision: an hour of both layers takes 0.5 GB
    target: Tensor  # (F, P)


def fit_aligner(
    recordings: Recordings, config: AlignerFitConfig, *, seed: int, output: Path, say: Callable[[str], None]
) -> dict[str, float]:
    """Write ``nets.safetensors``, ``card.md`` and ``card.json`` into ``output``.

    Beside each recording lies a file of the same stem with the suffix ``.phones``.

    Raises:
        UserError: Phone times are missing or wrong, or no recording is longer than a crop.
    """
    features = PhoneFeatures(WhisperUnitsConfig(model=config.model).model_path)
    rng = np.random.default_rng(seed)
    data = FitData()
    examples: list[_Example] = []
    for utterance in data.watch(recordings):
        phones = read_phones(Path(utterance.row.audio).with_suffix(".phones"))
        examples += _examples(utterance, phones, features, copies=config.copies, rng=rng)
        if data.utterances % 200 == 0:
            say(f"features of {data.utterances} utterances")
    examples = [example for example in examples if len(example.mel) > config.crop_frames]
    if not examples:
        raise UserError(f"fit.crop_frames: no recording is longer than {config.crop_frames} frames of 10 ms")
    nets, losses = [], []
    for number in range(config.nets):
        net, loss = train(examples, config, seed=seed + number, say=say)
        nets.append(net)
        losses.append(loss)
    path = output / "nets.safetensors"
    with open_artefact(path) as file:
        save_nets(nets, file)
    figures = {"cross_entropy_on_fitting_data": float(np.mean(losses))}
    write_card(
        output,
        title=f"Phone net, {config.nets} x {config.channels} channels",
        data=data,
        settings=config.model_dump(mode="json"),
        seed=seed,
        figures=figures,
        fingerprint=FusedConfig(nets=str(path), model=config.model).fingerprint,
    )
    return figures


def read_phones(path: Path) -> list[tuple[int, float]]:
    """Phone and end in seconds, of a file with one ``phone end_s`` a line.

    Raises:
        UserError: No such file, not UTF-8, an unknown phone, or times that are not finite or do not ascend.
    """
    if not path.is_file():
        raise UserError(f"{path}: phone times are missing; there must be a .phones file beside every recording")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text; convert it") from error
    phones: list[tuple[int, float]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        name, _, end = line.partition(" ")
        phone = PHONE_ID.get(_SYNONYMS.get(name.upper(), name.upper()))
        try:
            end_s = float(end)
        except ValueError:
            end_s = -1.0
        if phone is None or not math.isfinite(end_s) or end_s < (phones[-1][1] if phones else 0.0):
            raise UserError(f"{path}, line {number}: not a phone of CMUdict and its end in seconds, in order")
        phones.append((phone, end_s))
    if not phones:
        raise UserError(f"{path}: holds no phones")
    return phones


def spoken_spans(phones: list[tuple[int, float]]) -> list[Span]:
    """Where a phone other than silence is said."""
    edges = [0, *(round(end_s * SAMPLE_RATE_HZ) for _, end_s in phones)]
    spans = (Span(start, end) for start, end in pairwise(edges))
    return [span for span, (phone, _) in zip(spans, phones, strict=True) if phone != SILENCE]


def frame_targets(phones: list[tuple[int, float]], frames: int) -> npt.NDArray[np.float32]:
    """Share of each phone in the 10 ms around each frame's moment, ``(F, P)``; the last phone goes on to the end."""
    edges = np.array([0.0, *(end_s * SAMPLE_RATE_HZ / FRAME_SAMPLES for _, end_s in phones)])
    edges[0], edges[-1] = -1.0, max(frames + 1.0, edges[-1])
    target = np.zeros((frames, len(PHONES)), dtype=np.float32)
    for (phone, _), begin, end in zip(phones, edges[:-1], edges[1:], strict=True):
        first, last = max(0, int(np.floor(begin + 0.5))), min(frames, int(np.ceil(end + 0.5)))
        frame = np.arange(first, last)
        target[frame, phone] += np.clip(np.minimum(end, frame + 0.5) - np.maximum(begin, frame - 0.5), 0, 1)
    return target


def _examples(
    utterance: Utterance,
    phones: list[tuple[int, float]],
    features: PhoneFeatures,
    *,
    copies: int,
    rng: np.random.Generator,
) -> list[_Example]:
    versions = [(with_noise(utterance.waveform, rng), 1.0)]
    versions += [altered(utterance.waveform, rng) for _ in range(copies)]
    examples = []
    for waveform, speed in versions:
        timed = [(phone, end_s / speed) for phone, end_s in phones]
        mel_FM, states_TD = features(waveform, spoken_spans(timed))
        target = frame_targets(timed, len(mel_FM))
        examples.append(_Example(mel_FM, states_TD.half(), torch.from_numpy(target)))
    return examples


def train(
    examples: list[_Example], config: AlignerFitConfig, *, seed: int, say: Callable[[str], None]
) -> tuple[PhoneNet, float]:
    """A net and its mean loss over the last tenth of the steps."""
    rng = np.random.default_rng(seed)
    first = examples[0]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = PhoneNet(
            mel_bands=first.mel.shape[1],
            dim=first.states.shape[1],
            channels=config.channels,
            layers=config.layers,
            dropout=config.dropout,
        )
        optimiser = torch.optim.AdamW(net.parameters(), config.learning_rate)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, config.learning_rate, total_steps=config.steps, pct_start=0.1
        )
        losses = []
        for step in range(1, config.steps + 1):
            chosen = rng.integers(len(examples), size=config.batch)
            mel, states, target = _crops([examples[index] for index in chosen], config.crop_frames, rng)
            loss = functional.cross_entropy(net(mel, states).flatten(0, 1), target.flatten(0, 1))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
            if step % 50 == 0:
                say(f"phone net, step {step} of {config.steps}: loss {np.mean(losses[-50:]):.3f}")
    return net.eval(), float(np.mean(losses[-max(1, config.steps // 10) :]))


def _crops(examples: list[_Example], frames: int, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    mels, states, targets = [], [], []
    for example in examples:
        start = 2 * int(rng.integers((len(example.mel) - frames) // 2 + 1))
        mels.append(example.mel[start : start + frames])
        states.append(example.states[start // 2 : (start + frames) // 2].float())
        targets.append(example.target[start : start + frames])
    return torch.stack(mels), torch.stack(states), torch.stack(targets)
