"""Recordings with a cluster for every frame, and batches of masked crops of them.

A batch is a function of the seed and the step: resuming needs nothing but the step, and processes take their shares of
the same batch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from pipelines.fit.arrays import load_arrays
from pipelines.fit.hubert_network import Geometry
from pipelines.fit.recordings import IndexedRecordings
from pipelines.fit.report import FitData
from schemas.errors import RecordError, UserError
from schemas.records import SAMPLE_RATE_HZ, Waveform

_WINDOW = 32  # batches whose recordings are sorted together


@dataclass(frozen=True, slots=True)
class TargetedRecordings:
    """Recordings by their place in the corpus, each with its clusters."""

    recordings: IndexedRecordings
    places: npt.NDArray[np.int64]
    samples: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]  # one more than recordings
    digests: npt.NDArray[np.str_]  # of the audio that the clusters were made of
    ids: npt.NDArray[np.uint16]
    left_out: Mapping[str, int]  # of the corpus, by cause

    @classmethod
    def load(cls, path: Path, recordings: IndexedRecordings) -> "TargetedRecordings":
        names = ("rows", "samples", "lengths", "digests", "ids", "left_out", "left_out_counts")
        rows, samples, lengths, digests, ids, causes, counts = map(load_arrays(path, *names).__getitem__, names)
        starts = np.concatenate([[0], np.cumsum(lengths)])
        left_out = dict(zip(causes.tolist(), counts.tolist(), strict=True))
        return cls(recordings, rows, samples, starts, digests, ids, left_out)

    def __len__(self) -> int:
        return len(self.places)

    def split(self, *, every: int, corpus: int) -> tuple["TargetedRecordings", "TargetedRecordings"]:
        """All but one in ``every``, and those.

        Args:
            corpus: Recordings of the corpus. Places beyond are the same ones at other speeds, and stay together.

        Raises:
            UserError: Fewer than two recordings.
        """
        own, rank = np.unique(self.places % corpus, return_inverse=True)
        if len(own) < 2:
            raise UserError(f"fit hubert: at least two recordings are needed, the corpus has {len(own)}")
        apart = rank % every == 0
        return self._chosen(~apart), self._chosen(apart)

    def _chosen(self, which: npt.NDArray[np.bool_]) -> "TargetedRecordings":
        spans = [self.ids[self.starts[i] : self.starts[i + 1]] for i in np.flatnonzero(which)]
        starts = np.concatenate([[0], np.cumsum([len(span) for span in spans])])
        return replace(
            self,
            places=self.places[which],
            samples=self.samples[which],
            starts=starts,
            digests=self.digests[which],
            ids=np.concatenate(spans),
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

    def count(self, data: FitData, *, corpus: int) -> None:
        """The recordings of the corpus once, at their first speed, and what was left out of it."""
        data.left_out.update(self.left_out)
        for place, num_samples in zip(self.places, self.samples, strict=True):
            if place < corpus:
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
