"""What a training goes on from after it was stopped, in one file that is replaced as a whole."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch

from pipelines.files import open_write
from schemas.errors import UserError, on_one_line

_STEP = "step"


class Part(Protocol):
    """A model, an optimiser, or what else can be put down and taken up again."""

    def state_dict(self) -> Mapping[str, Any]: ...

    def load_state_dict(self, state_dict: Any, /) -> Any: ...


class TrainingState:
    """The named parts of a training, the figures that it carries along, and ``step``, how many steps it has taken.

    The file's name should say all that the training depends on (``digest_json``): what is in it is not asked.

    Args:
        figures: Numbers by name; they are read and written in ``self.figures``.
    """

    def __init__(self, figures: Mapping[str, float] | None = None, /, **parts: Part) -> None:
        self._parts, self.figures, self.step = parts, dict(figures or {}), 0

    def save(self, path: Path | None) -> None:
        """``path`` None keeps nothing.

        Raises:
            EngineError: No space, or no right to write.
        """
        if path is not None:
            with open_write(str(path)) as file:
                torch.save({**self._states(), **self.figures, _STEP: self.step}, file)

    def restore(self, path: Path | None) -> None:
        """Load all from ``path`` in place, running no code in it; nothing happens where there is no such file.

        Raises:
            UserError: It is damaged, or the state of something else.
        """
        if path is None or not path.exists():
            return
        try:
            state = torch.load(path, weights_only=True, map_location="cpu")
            named = {*self._parts, *self.figures, _STEP}
            if not isinstance(state, dict) or state.keys() != named:
                raise ValueError(f"it does not hold {', '.join(sorted(named))}")
            self._load(state)
            self.figures = {name: float(state[name]) for name in self.figures}
            self.step = int(state[_STEP])
        except (OSError, EOFError, ValueError, TypeError, LookupError, AttributeError, RuntimeError,
                pickle.UnpicklingError) as error:  # fmt: skip
            raise UserError(
                f"cannot go on from {path} ({on_one_line(error)[:200]}); remove it to train anew"
            ) from error

    def follow(self, earlier: "TrainingState") -> None:
        """Start at step 0 from all parts of another training of this kind."""
        self._load(earlier._states())

    def _states(self) -> dict[str, Mapping[str, Any]]:
        return {name: part.state_dict() for name, part in self._parts.items()}

    def _load(self, states: Mapping[str, Any]) -> None:
        for name, part in self._parts.items():
            part.load_state_dict(states[name])
