"""What a HuBERT is to predict: every frame's cluster, of MFCCs, of an encoder's features or of a model's own layer."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torchaudio

from pipelines.fit.arrays import save_arrays
from pipelines.fit.encoders import encoder_of
from pipelines.fit.frames import sample_frames
from pipelines.fit.kmeans import arithmetic_on, fit_codebook, standardisation, whitening
from pipelines.fit.recordings import IndexedRecordings
from pipelines.fit.report import in_batches
from schemas.errors import UserError
from schemas.records import SAMPLE_RATE_HZ, TokenIds, Utterance, Waveform
from transforms.devices import Device, pick_device
from transforms.kmeans import Codebook, Features
from transforms.units.protocol import FeatureConfig
from transforms.units.quantizer import NearestCentroid

_BATCH = 32
_MEL_HOP_SAMPLES = 160
_MEMORY_FRAMES = 200_000  # for the clusters' seeds; more are streamed from the disk


def mfcc_39(waveform: Waveform, *, hop_samples: int) -> Features:
    """13 MFCCs with two orders of deltas, averaged over the hop; shape ``(ceil(n / hop), 39)``.

    Args:
        hop_samples: A multiple of 160.
    """
    frames, each = -(-len(waveform) // hop_samples), hop_samples // _MEL_HOP_SAMPLES
    if not frames:
        return np.empty((0, 39), dtype=np.float32)
    padded = torch.from_numpy(np.pad(waveform, (0, frames * hop_samples - len(waveform))))
    spectrogram = {"n_fft": 400, "hop_length": _MEL_HOP_SAMPLES, "n_mels": 40}
    cepstra = torchaudio.transforms.MFCC(SAMPLE_RATE_HZ, 13, melkwargs=spectrogram)(padded)[:, : each * frames]
    deltas = torchaudio.functional.compute_deltas(cepstra)
    stacked = torch.cat([cepstra, deltas, torchaudio.functional.compute_deltas(deltas)])
    pooled: Features = stacked.view(39, frames, each).mean(2).T.contiguous().numpy()
    return pooled


def make_targets(
    recordings: IndexedRecordings,
    backend: dict[str, Any] | None,
    *,
    hop_samples: int,
    clusters: int,
    components: int | None,
    max_frames: int,
    seed: int,
    device: Device,
    path: Path,
    say: Callable[[str], None],
) -> None:
    """Cluster the features of all recordings; write every frame's cluster, and what was left out, to ``path``.

    Args:
        backend: A units section, or None for MFCCs.
        components: Clusters lie in the space of so many whitened principal components; in that of the standardised
            features when None.
        device: Where clusters are fitted and assigned; the backend's section has its own.
        hop_samples: Of the model that is to be trained.

    Raises:
        UserError: No audio, fewer frames than clusters, or an encoder whose frames don't hold the model's.
    """
    extract, hop = _extractor(backend, hop_samples)
    if hop % hop_samples:
        raise UserError(f"fit.iterations: targets every {hop} samples for a model with a frame every {hop_samples}")

    def features() -> Iterator[tuple[Utterance, Features]]:
        for batch in in_batches(recordings(), _BATCH):
            yield from zip(batch, extract([utterance.waveform for utterance in batch]), strict=True)

    path.parent.mkdir(parents=True, exist_ok=True)
    sample = sample_frames(
        ((f"{utterance.row.source}/{utterance.row.utterance_id}", frames) for utterance, frames in features()),
        max_frames=max_frames,
        seed=seed,
        memory_frames=_MEMORY_FRAMES,
        folder=path.parent,
    )
    codebook, _ = fit_codebook(
        sample,
        space=standardisation if components is None else partial(whitening, components=components),
        clusters=clusters,
        iterations=60,
        seed=seed,
        say=say,
        arithmetic=arithmetic_on(device),
    )
    assign = _assigner(codebook, device)
    places, samples, lengths, digests, ids = [], [], [], [], []
    index_of = {row: index for index, row in enumerate(recordings.rows)}
    for utterance, frames in features():
        codes = assign(frames).repeat(hop // hop_samples)[: -(-utterance.num_samples // hop_samples)]
        places.append(index_of[utterance.row])
        samples.append(utterance.num_samples)
        lengths.append(len(codes))
        digests.append(utterance.audio_sha256)
        ids.append(codes.astype(np.uint16))
    found = {"rows": np.array(places), "samples": np.array(samples), "lengths": np.array(lengths)}
    causes, counts = list(recordings.left_out), list(recordings.left_out.values())
    left_out = {"left_out": np.array(causes, dtype=np.str_), "left_out_counts": np.array(counts, dtype=np.int64)}
    save_arrays(path, {**found, "digests": np.array(digests), "ids": np.concatenate(ids), **left_out})


def _assigner(codebook: Codebook, device: Device) -> Callable[[Features], TokenIds]:
    on = pick_device(device)
    if on.type == "cpu":
        return codebook.assign
    nearest = NearestCentroid(codebook).to(on)
    return lambda features: nearest(torch.from_numpy(features).to(on)).to(torch.int32).cpu().numpy()


def _extractor(
    backend: dict[str, Any] | None, hop_samples: int
) -> tuple[Callable[[Sequence[Waveform]], list[Features]], int]:
    if backend is None:
        return lambda waveforms: [mfcc_39(waveform, hop_samples=hop_samples) for waveform in waveforms], hop_samples
    encoder = features_of(backend)
    return encoder.load_features().features, encoder.hop_samples


def features_of(backend: dict[str, Any]) -> FeatureConfig:
    """Raises: UserError: The section has a codebook, or a wrong key."""
    return cast(FeatureConfig, encoder_of(backend, where="fit hubert", key="fit.iterations.encoder"))
