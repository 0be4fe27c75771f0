"""Fits a units codebook: k-means on the frames of a speech model's layer."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

from pydantic import Field

from pipelines.fit.encoders import encoder_of
from pipelines.fit.frames import sample_frames
from pipelines.fit.kmeans import arithmetic_on, check_clusters, fit_codebook, whitening
from pipelines.fit.recordings import Recordings
from pipelines.fit.report import FitData, in_batches, open_artefact, write_card
from pipelines.fit.units_quality import QualityConfig, known_recordings, units_quality
from pipelines.yaml_config import Section
from schemas.records import Utterance
from transforms.devices import Device
from transforms.encoder import SpeechEncoderConfig
from transforms.kmeans import Features
from transforms.units.protocol import FeatureConfig, FeatureExtractor

_BATCH = 32


class UnitsFitConfig(Section):
    """Settings of ``plait fit units``.

    Args:
        encoder: A ``units`` backend section without its codebook.
        clusters: Size of the codebook.
        components: Principal components kept, each scaled to unit variance.
        max_frames: Frames the clusters are fitted on, drawn by hash.
        memory_frames: As many of them are held in memory, for the space and the seeds; more are streamed from a file in
            the output folder at each iteration.
        iterations: At most; it stops when the error no longer falls.
        device: Where the clusters are fitted; ``auto`` takes a GPU if there is one. The encoder has its own.
        quality: Recordings with known phones, for the figures that say what the units are worth.
    """

    encoder: dict[str, Any] = Field(default_factory=lambda: {"kind": "whisper"})
    clusters: int = Field(default=500, ge=2)
    components: int = Field(default=128, ge=1)
    max_frames: int = Field(default=200_000, ge=2)
    memory_frames: int = Field(default=200_000, ge=2)
    iterations: int = Field(default=60, ge=1)
    device: Device = "auto"
    quality: QualityConfig | None = None


def fit_units(
    recordings: Recordings, config: UnitsFitConfig, *, seed: int, output: Path, say: Callable[[str], None]
) -> dict[str, float]:
    """Write ``codebook.npz``, ``card.md`` and ``card.json`` into ``output``.

    Raises:
        UserError: No audio, fewer frames than clusters, or a backend that cannot be loaded. What the settings alone can
            tell is said before anything is encoded.
    """
    path = output / "codebook.npz"
    backend = encoder_of(config.encoder, where="fit units", key="fit.encoder", codebook=path)
    check_clusters(config.clusters, max_frames=config.max_frames, memory_frames=config.memory_frames)
    known = None if config.quality is None else known_recordings(config.quality)
    extractor = cast(FeatureConfig, backend).load_features()
    arithmetic, data = arithmetic_on(config.device), FitData()
    output.mkdir(parents=True, exist_ok=True)
    sample = sample_frames(
        _features(extractor, data.watch(recordings), say),
        max_frames=config.max_frames,
        seed=seed,
        memory_frames=config.memory_frames,
        folder=output,
    )
    codebook, figures = fit_codebook(
        sample,
        space=partial(whitening, components=config.components),
        clusters=config.clusters,
        iterations=config.iterations,
        seed=seed,
        say=say,
        arithmetic=arithmetic,
    )
    with open_artefact(path) as file:
        codebook.save(file)
    if config.quality is not None and known is not None:
        hop_samples = cast(FeatureConfig, backend).hop_samples
        figures |= units_quality(
            extractor, codebook, known, config.quality, hop_samples=hop_samples, seed=seed, say=say
        )
    fingerprint = cast(SpeechEncoderConfig, backend).fingerprint
    without = {"device"} if sample.is_larger else {"device", "memory_frames"}  # what decides nothing
    title = f"Units codebook, {config.clusters} codes"
    write_card(
        output,
        title=title,
        data=data,
        settings=config.model_dump(mode="json", exclude=without, exclude_none=True),
        seed=seed,
        figures=figures,
        fingerprint=fingerprint,
    )
    return figures


def _features(
    extractor: FeatureExtractor, utterances: Iterable[Utterance], say: Callable[[str], None]
) -> Iterator[tuple[str, Features]]:
    done = 0
    for batch in in_batches(utterances, _BATCH):
        names = [f"{utterance.row.source}/{utterance.row.utterance_id}" for utterance in batch]
        yield from zip(names, extractor.features([utterance.waveform for utterance in batch]), strict=True)
        done += len(batch)
        if done % (10 * _BATCH) == 0:
            say(f"{done} utterances encoded")
