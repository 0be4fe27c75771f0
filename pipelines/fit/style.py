"""Fits a style codebook: k-means on the z-scored statistics of seconds."""

from collections.abc import Callable
from pathlib import Path

from pydantic import Field

from pipelines.fit.frames import sample_frames
from pipelines.fit.kmeans import arithmetic_on, check_clusters, fit_codebook, standardisation
from pipelines.fit.recordings import Recordings
from pipelines.fit.report import FitData, open_artefact, write_card
from pipelines.yaml_config import Section
from transforms.devices import Device
from transforms.style.features import style_features
from transforms.style.prosody import ProsodyStyleConfig


class StyleFitConfig(Section):
    """Settings of ``plait fit style``.

    Args:
        clusters: Size of the codebook.
        max_frames: Seconds the clusters are fitted on, drawn by hash.
        iterations: At most; it stops when the error no longer falls.
        device: Where the clusters are fitted; ``auto`` takes a GPU if there is one.
    """

    clusters: int = Field(default=100, ge=2)
    max_frames: int = Field(default=200_000, ge=2)
    iterations: int = Field(default=60, ge=1)
    device: Device = "auto"


def fit_style(
    recordings: Recordings, config: StyleFitConfig, *, seed: int, output: Path, say: Callable[[str], None]
) -> dict[str, float]:
    """Write ``style.npz``, ``card.md`` and ``card.json`` into ``output``.

    Raises:
        UserError: No audio, fewer seconds than clusters, or no such device.
    """
    check_clusters(config.clusters, max_frames=config.max_frames)
    arithmetic, data = arithmetic_on(config.device), FitData()
    seconds = sample_frames(
        (
            (f"{utterance.row.source}/{utterance.row.utterance_id}", style_features(utterance.waveform))
            for utterance in data.watch(recordings)
        ),
        max_frames=config.max_frames,
        seed=seed,
    )
    codebook, figures = fit_codebook(
        seconds,
        space=standardisation,
        clusters=config.clusters,
        iterations=config.iterations,
        seed=seed,
        say=say,
        arithmetic=arithmetic,
    )
    path = output / "style.npz"
    with open_artefact(path) as file:
        codebook.save(file)
    write_card(
        output,
        title=f"Style codebook, {config.clusters} codes",
        data=data,
        settings=config.model_dump(mode="json", exclude={"device"}),
        seed=seed,
        figures=figures,
        fingerprint=ProsodyStyleConfig(codebook=str(path)).fingerprint,
    )
    return figures
