"""The files of a fitted vocoder."""

from collections.abc import Callable, Mapping
from pathlib import Path

from safetensors.torch import save
from torch import nn

from pipelines.files import write_bytes, write_text
from pipelines.fit.report import CARD, remove_card
from transforms.vocoder.description import VocoderDescription
from transforms.vocoder.hifigan import DESCRIPTION_NAME, WEIGHTS_NAME, HifiganConfig


def save_vocoder(
    output: Path, description: VocoderDescription, models: Mapping[str, nn.Module], *, card: Callable[[str], str]
) -> None:
    """Write weights (half precision), description and card. Without a description weights open as none: an old one
    goes before its weights, the new one comes after them.

    Args:
        card: Its text, of the vocoder's fingerprint.
    """
    tensors = {
        f"{prefix}.{name}": value.detach().half().cpu().contiguous()
        for prefix, model in models.items()
        for name, value in model.state_dict().items()
    }
    remove_card(output)
    (output / DESCRIPTION_NAME).unlink(missing_ok=True)
    write_bytes(str(output / WEIGHTS_NAME), save(tensors))
    write_text(str(output / DESCRIPTION_NAME), description.model_dump_json(indent=2) + "\n")
    write_text(str(output / CARD), card(HifiganConfig(path=str(output)).fingerprint))
