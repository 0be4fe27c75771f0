"""A training state on the disk, replaced as a whole, read back without running any code in it."""

from pathlib import Path

import torch


class Checkpoint:
    """``path`` None keeps nothing."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def load(self) -> dict[str, object] | None:
        if self._path is None or not self._path.exists():
            return None
        state: dict[str, object] = torch.load(self._path, weights_only=True, map_location="cpu")
        return state

    def save(self, state: dict[str, object]) -> None:
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(self._path)
