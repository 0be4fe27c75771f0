"""Models of real size with weights drawn at random, for benchmarks of speed and of arithmetic."""

from pathlib import Path

import numpy as np
import torch
from transformers import HubertConfig, HubertModel

from pipelines.fit.frames import sample_frames
from pipelines.fit.kmeans import fit_codebook, standardisation
from schemas.records import Waveform
from transforms.units.hubert import HubertUnitsConfig

CLUSTERS = 500
AT_25_HZ = {
    "conv_dim": [512] * 8,
    "conv_kernel": [10, 3, 3, 3, 3, 2, 2, 2],
    "conv_stride": [5, 2, 2, 2, 2, 2, 2, 2],
    "num_feat_extract_layers": 8,
}


def random_hubert(folder: Path, *, at_25_hz: bool = False) -> Path:
    """A HuBERT of the base architecture, 50 Hz or 25 Hz."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        HubertModel(HubertConfig(**(AT_25_HZ if at_25_hz else {}))).save_pretrained(folder)
    return folder


def fitted(model: Path, layer: int, waveforms: list[Waveform], **settings: str) -> HubertUnitsConfig:
    """Its units, by k-means on its own features of some speech: centroids as near to each other as real ones."""
    path = model / f"codebook-{layer}.npz"
    config = HubertUnitsConfig(model=str(model), layer=layer, codebook=str(path), **settings)
    if not path.exists():
        features = config.load_features().features(waveforms)
        named = ((f"{place:06d}", frames) for place, frames in enumerate(features))
        sample = sample_frames(named, max_frames=20_000, seed=0)
        clusters = min(CLUSTERS, len(sample) // 4)
        codebook, _ = fit_codebook(
            sample, space=standardisation, clusters=clusters, iterations=10, seed=0, say=lambda _: None
        )
        # in the features' own space, as others' codebooks are
        scale = np.diag(codebook.projection)
        np.savez(path, centroids=(codebook.centroids / scale + codebook.mean).astype(np.float32))
    return config
