"""`plait train JOB.yaml`: a training job with its meter and its figures."""

from collections.abc import Sequence
from typing import Any

from pipelines.metrics import update_metrics
from pipelines.progress import meter, speaks
from pipelines.train.config import TrainConfig
from pipelines.train.loop import train
from pipelines.yaml_config import read_yaml, validate
from schemas.errors import EngineError


def load_training(path: str, *, overrides: Sequence[str] = ()) -> TrainConfig:
    """Raises: UserError: One line with the path of the wrong key."""
    return validate(TrainConfig, read_yaml(path, overrides=overrides), where=path)


def run_training(config: TrainConfig) -> dict[str, Any]:
    """Train with a meter; the figures lie in ``metrics.json`` of the output too.

    Raises:
        EngineError: The run was told to stop; its checkpoint stands.
    """
    if not speaks():
        return train(config)
    with meter("train", total=config.steps, unit="steps") as show:
        figures = train(config, say=lambda step, total, loss, rate: show(step, f"loss {loss:.3f}, {rate:.0f} tokens/s"))
    if not figures["finished"]:
        raise EngineError(f"training stopped at step {figures['steps']} and saved; run again to go on")
    update_metrics(config.output, "training", figures)
    return figures
