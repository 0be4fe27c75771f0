"""Recordings with a cluster for every frame, and batches of masked crops of them.

A batch is a function of the seed and the step: resuming needs nothing but the step, and processes take their shares of
the same batch.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
import torchaudio

from pipelines.fit.encoders import encoder_of
from pipelines.fit.frames import sample_frames
from pipelines.fit.hubert_network import Geometry
from pipelines.fit.kmeans import arithmetic_on, fit_codebook, standardisation
from pipelines.fit.report import FitData, IndexedRecordings, in_batches
from schemas.errors import RecordError, UserError
from schemas.records import SAMPLE_RATE_HZ, TokenIds, Utterance, Waveform
from transforms.devices import Device, pick_device
from transforms.kmeans import Codebook, Features
from transforms.units.protocol import FeatureConfig
from transforms.units.quantizer import NearestCentroid

_BATCH = 32
_MEL_HOP_SAMPLES = 160
_MEMORY_FRAMES = 200_000  # for the clusters' seeds; more are streamed from the disk
_WINDOW = 32  # batches whose recordings are sorted together


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
    max_frames: int,
    seed: int,
    device: Device,
    path: Path,
    say: Callable[[str], None],
) -> None:
    """Cluster the features of all recordings and write every frame's cluster to ``path``.

    Args:
        backend: A units section, or None for MFCCs.
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
        space=standardisation,
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
    partial = path.with_suffix(".partial.npz")
    np.savez(
        partial,
        rows=np.array(places),
        samples=np.array(samples),
        lengths=np.array(lengths),
        digests=np.array(digests),
        ids=np.concatenate(ids),
    )
    partial.replace(path)


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


@dataclass(frozen=True, slots=True)
class TargetedRecordings:
    """Recordings by their place in the corpus, each with its clusters."""

    recordings: IndexedRecordings
    places: npt.NDArray[np.int64]
    samples: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]  # one more than recordings
    digests: npt.NDArray[np.str_]  # of the audio that the clusters were made of
    ids: npt.NDArray[np.uint16]

    @classmethod
    def load(cls, path: Path, recordings: IndexedRecordings) -> "TargetedRecordings":
        with np.load(path, allow_pickle=False) as file:
            starts = np.concatenate([[0], np.cumsum(file["lengths"])])
            return cls(recordings, file["rows"], file["samples"], starts, file["digests"], file["ids"])

    def __len__(self) -> int:
        return len(self.places)

    def split(self, *, every: int) -> tuple["TargetedRecordings", "TargetedRecordings"]:
        """All but one in ``every``, and those.

        Raises:
            UserError: Fewer than two recordings.
        """
        if len(self) < 2:
            raise UserError(f"fit hubert: at least two recordings are needed, the corpus has {len(self)}")
        apart = np.arange(len(self)) % every == 0
        return self._chosen(~apart), self._chosen(apart)

    def _chosen(self, which: npt.NDArray[np.bool_]) -> "TargetedRecordings":
        spans = [self.ids[self.starts[i] : self.starts[i + 1]] for i in np.flatnonzero(which)]
        starts = np.concatenate([[0], np.cumsum([len(span) for span in spans])])
        return TargetedRecordings(
            self.recordings,
            self.places[which],
            self.samples[which],
            starts,
            self.digests[which],
            np.concatenate(spans),
        )

    def targets(self, index: int) -> npt.NDArray[np.uint16]:
        return self.ids[self.starts[index] : self.starts[index + 1]]

    def waveform(self, index: int) -> Waveform:
        """Zero mean, unit variance over the recording, as the model will see it.

        Raises:
            UserError: The audio is gone, or is another one than the clusters were made of.
        """
        try:
            utterance = self.recordings.read(int(self.places[index]))
        except RecordError as error:
            row = self.recordings.rows[int(self.places[index])]
            raise UserError(f"fit hubert: {row.utterance_id} could be read before: {error.detail}") from error
        if utterance.audio_sha256 != self.digests[index]:
            raise UserError(
                f"fit hubert: {utterance.row.utterance_id}: {utterance.row.audio} is not the audio that its targets "
                "were made of; remove the folder work/ in the output to make them again"
            )
        waveform = utterance.waveform.astype(np.float64)
        return np.asarray((waveform - waveform.mean()) / np.sqrt(waveform.var() + 1e-7), dtype=np.float32)

    def count(self, data: FitData) -> None:
        for place, num_samples in zip(self.places, self.samples, strict=True):
            data.add(self.recordings.rows[int(place)], int(num_samples))


@dataclass(frozen=True, slots=True)
class MaskedBatch:
    """Samples ``(B, S)``; of each frame ``(B, T)`` whether it is inside its crop, whether masked, and its cluster."""

    samples: torch.Tensor
    inside: torch.Tensor
    masked: torch.Tensor
    clusters: torch.Tensor

    @property
    def heard(self) -> torch.Tensor:
        return self.inside & ~self.masked

    @property
    def targets(self) -> torch.Tensor:
        """Clusters of the masked frames in order."""
        return self.clusters[self.masked]


@dataclass(frozen=True, slots=True)
class Crops:
    """What batches are made of; the fields are ``HubertFitConfig``'s."""

    batch_s: float
    crop_s: float
    mask_share: float
    mask_frames: int


class Batches:
    """Batch ``step`` of a seeded order: every recording once an epoch, longer ones as a crop.

    Recordings of like length go together: of speech of 1 to 8 s, batches drawn without regard to it are more than half
    padding.
    """

    def __init__(
        self,
        data: TargetedRecordings,
        geometry: Geometry,
        *,
        crops: Crops,
        seed: int,
    ) -> None:
        self._data, self._geometry, self._seed = data, geometry, seed
        self._crop = max(crops.mask_frames + 1, round(crops.crop_s * SAMPLE_RATE_HZ / geometry.hop_samples))
        self._mask_share, self._mask_frames = crops.mask_share, crops.mask_frames
        self._drawn: tuple[int, npt.NDArray[np.int64]] = (-1, np.empty(0, np.int64))  # the last epoch's order
        self._lengths = np.minimum(np.diff(data.starts), self._crop)
        frames = max(self._lengths.mean(), 1)
        self.size = max(1, round(crops.batch_s * SAMPLE_RATE_HZ / geometry.hop_samples / frames))

    def chosen(self, step: int) -> list[int]:
        """Recordings of the whole batch."""
        found = []
        for position in range(step * self.size, (step + 1) * self.size):
            epoch, place = divmod(position, len(self._data))
            if self._drawn[0] != epoch:
                self._drawn = epoch, self._order(epoch)
            found.append(int(self._drawn[1][place]))
        return found

    def batch(self, step: int, *, rank: int, world: int) -> MaskedBatch:
        """The share of process ``rank`` of ``world``; never empty."""
        hop, lookahead = self._geometry.hop_samples, self._geometry.lookahead_samples
        samples, targets, masks = [], [], []
        chosen = self.chosen(step)
        share = [(place, chosen[place]) for place in range(rank, len(chosen), world)] or [(0, chosen[0])]
        for place, index in share:
            rng = np.random.default_rng([self._seed, step, place])
            codes = self._data.targets(index)
            frames = min(len(codes), self._crop)
            start = int(rng.integers(len(codes) - frames + 1))
            cut = self._data.waveform(index)[start * hop : (start + frames) * hop + lookahead]
            samples.append(np.pad(cut, (0, frames * hop + lookahead - len(cut))))
            targets.append(codes[start : start + frames])
            masks.append(self._mask(frames, rng))
        most = max(len(each) for each in targets)
        inside = np.array([np.arange(most) < len(each) for each in targets])
        masked = np.array([np.pad(each, (0, most - len(each))) for each in masks])
        padded = np.array([np.pad(each, (0, most * hop + lookahead - len(each))) for each in samples])
        clusters = np.array([np.pad(each.astype(np.int64), (0, most - len(each))) for each in targets])
        return MaskedBatch(*(torch.from_numpy(array) for array in (padded, inside, masked, clusters)))

    def _mask(self, frames: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
        """Spans of ``mask_frames`` that may overlap; at least one."""
        count = max(1, int(self._mask_share * frames + rng.random()))
        starts = rng.choice(max(frames - self._mask_frames, 0) + 1, size=count)
        at = np.arange(frames)
        return np.asarray(((at >= starts[:, None]) & (at < starts[:, None] + self._mask_frames)).any(0))

    def _order(self, epoch: int) -> npt.NDArray[np.int64]:
        """A permutation whose windows are sorted by length, and their batches permuted."""
        rng = np.random.default_rng([self._seed, epoch, len(self._data)])
        drawn = rng.permutation(len(self._data))
        windows = [drawn[at : at + _WINDOW * self.size] for at in range(0, len(drawn), _WINDOW * self.size)]
        order = np.concatenate([window[np.argsort(self._lengths[window], kind="stable")] for window in windows])
        batches = [order[at : at + self.size] for at in range(0, len(order), self.size)]
        return np.concatenate([batches[place] for place in rng.permutation(len(batches))])
