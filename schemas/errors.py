"""The three kinds of trouble, told apart by who can mend them."""

from typing import Literal

Outcome = Literal["filtered", "failed"]


class UserError(Exception):
    """A mistake in a command, a config or an environment.

    The message is one line: what is wrong, where, what to do. The command line prints it and exits with 2.
    """


class RecordError(Exception):
    """One record cannot go on; it becomes a dead letter and the run continues.

    Args:
        code: Stable snake_case name of the cause, e.g. ``unreadable_audio``.
        detail: One sentence for a person. Deterministic: no temporary path, no address, no clock.
        outcome: ``filtered`` where the record is unfit by a rule, ``failed`` where it could not be processed.
    """

    def __init__(self, code: str, detail: str, *, outcome: Outcome = "failed") -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.outcome: Outcome = outcome

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_record_error, (self.code, self.detail, self.outcome)


def _rebuild_record_error(code: str, detail: str, outcome: Outcome) -> RecordError:
    return RecordError(code, detail, outcome=outcome)


class TransientError(Exception):
    """A fault of the surroundings (network, a busy store); the engine may try the same work again."""


class EngineError(Exception):
    """A run cannot go on: a worker died, or too many records failed. The command line exits with 1."""


def on_one_line(error: Exception) -> str:
    """Type and message of an error of another library, for a message that is one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())
