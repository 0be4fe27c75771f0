"""A sample of a corpus's frames, drawn by hash, on the disk and in the memory only in part.

Every frame has a key, a function of the seed, its utterance's name and its place in it. The smallest keys are the
sample, the smallest of these what is held in memory, and all stand in the order of names. So neither the order of the
recordings nor the blocks they come in decide anything. Memory: the held frames, a block, and about 100 bytes for each
frame of the sample.
"""

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from schemas.errors import UserError
from transforms.kmeans import Features
from transforms.seeds import RekeyedGenerator

BLOCK_FRAMES = 16_384  # bounds the memory of what is made of a block

Places = npt.NDArray[np.int64]
_Kept = tuple[npt.NDArray[np.float64], Places, Places]  # of each frame its key, its utterance's number, its row on disk


@dataclass(frozen=True, slots=True)
class FrameSample:
    """``stored``: frames ``(rows, D)`` on the disk; ``rows``: the sample's, in the order of names.

    Args:
        first: Places in ``rows`` of those that are held in memory at once.
        seen: Frames that the sample was drawn from.
        folder: For what is made of it and must lie on the disk, too.
    """

    stored: Features
    rows: Places
    first: Places
    seen: int
    folder: Path | None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def is_larger(self) -> bool:
        """Than what is held in memory."""
        return len(self.first) < len(self.rows)

    def held(self) -> Features:
        """The frames of ``first``."""
        return np.asarray(self.stored[self.rows[self.first]])

    def blocks(self) -> Iterator[Features]:
        """All frames of the sample in order."""
        for start in range(0, len(self.rows), BLOCK_FRAMES):
            yield np.asarray(self.stored[self.rows[start : start + BLOCK_FRAMES]])


def sample_frames(
    features: Iterable[tuple[str, Features]],
    *,
    max_frames: int,
    seed: int,
    memory_frames: int | None = None,
    folder: Path | None = None,
) -> FrameSample:
    """A uniform sample without replacement of at most ``max_frames`` frames.

    Args:
        features: Names and frames of utterances; a name decides the draw.
        memory_frames: How many of them are held; None for all.
        folder: Where the frames lie meanwhile, in a file without a name; None for the system's temporary folder.

    Raises:
        UserError: There is no frame.
    """
    draws, names, seen, written = RekeyedGenerator(), list[str](), 0, 0
    kept: list[_Kept] = []
    waiting, bound = 0, np.inf
    with tempfile.TemporaryFile(dir=folder) as file:
        columns = 0
        for name, frames in features:
            keys = draws.rng_for(name, stage="frames", run_seed=seed).random(len(frames))
            seen += len(frames)
            chosen = np.flatnonzero(keys < bound)
            if not len(chosen):
                continue
            file.write(np.asarray(frames[chosen], dtype=np.float32).tobytes())
            columns = frames.shape[1]
            kept.append((keys[chosen], np.full(len(chosen), len(names)), written + np.arange(len(chosen))))
            names.append(name)
            written += len(chosen)
            waiting += len(chosen)
            if waiting > 2 * max_frames:
                kept = [_smallest(kept, max_frames)]
                waiting, bound = max_frames, float(kept[0][0].max())
        if not waiting:
            raise UserError("nothing to fit on: the recordings hold no audio")
        file.flush()
        stored = np.memmap(file, dtype=np.float32, mode="r", shape=(written, columns))
    keys, utterances, rows = _smallest(kept, max_frames)
    rank = np.empty(len(names), dtype=np.int64)
    rank[sorted(range(len(names)), key=names.__getitem__)] = np.arange(len(names))
    order = np.lexsort((rows, rank[utterances]))
    keys, rows = keys[order], rows[order]
    first = np.sort(np.argsort(keys, kind="stable")[:memory_frames])
    return FrameSample(stored, rows, first, seen, folder)


def _smallest(kept: list[_Kept], count: int) -> _Kept:
    """Those of the smallest keys, in the order they came in."""
    keys, utterances, rows = (np.concatenate(parts) for parts in zip(*kept, strict=True))
    chosen = np.sort(np.argsort(keys, kind="stable")[:count])
    return keys[chosen], utterances[chosen], rows[chosen]


def on_disk(blocks: Iterable[Features], *, columns: int, like: FrameSample) -> Features:
    """The blocks one after the other, ``(len(like), columns)``, in a file without a name where the sample has its."""
    with tempfile.TemporaryFile(dir=like.folder) as file:
        for block in blocks:
            file.write(np.asarray(block, dtype=np.float32).tobytes())
        file.flush()
        return np.memmap(file, dtype=np.float32, mode="r", shape=(len(like), columns))
