"""HiFi-GAN on speech tokens: units, and pitch and style where they are given, to 16 kHz audio.

Two halves: an acoustic model regresses log-mel and F0 from the tokens, a HiFi-GAN generator with a source-filter
iSTFT head makes the waveform. ``plait fit vocoder`` fits one; the bundled one's card says on what.
"""

import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError

from schemas.errors import UserError
from transforms.assets import BUNDLED, resolve_asset
from transforms.backend import BackendConfig, digest_json
from transforms.devices import Device
from transforms.digests import cached_digest
from transforms.vocoder.description import VocoderDescription

if TYPE_CHECKING:
    from transforms.vocoder._synthesis import HifiganVocoder

BUNDLED_NAME = "vocoder-hifigan"
WEIGHTS_NAME = "vocoder.safetensors"
DESCRIPTION_NAME = "vocoder.json"


class HifiganConfig(BackendConfig):
    """A vocoder of ``plait fit vocoder``, or the bundled one.

    Args:
        path: Folder with ``vocoder.safetensors`` and ``vocoder.json``, or ``bundled``.
        device: Where the models run; ``auto`` takes a GPU if there is one.
    """

    kind: Literal["hifigan"] = "hifigan"
    path: str = BUNDLED
    device: Device = "auto"

    @property
    def folder(self) -> Path:
        return resolve_asset(self.path, bundled_name=BUNDLED_NAME)

    @cached_property
    def description(self) -> VocoderDescription:
        """What the folder says of itself.

        Raises:
            UserError: The file is missing or is not such a description.
        """
        file = resolve_asset(str(self.folder / DESCRIPTION_NAME), bundled_name=BUNDLED_NAME)
        try:
            return VocoderDescription.model_validate(json.loads(file.read_text(encoding="utf-8")))
        except (ValidationError, json.JSONDecodeError) as error:
            raise UserError(f"{file}: not a vocoder description; make one with `plait fit vocoder`") from error

    @property
    def stream_fingerprints(self) -> dict[str, str]:
        """Fingerprint of the encoder whose codes it speaks, by stream kind; no model is loaded for it."""
        return {kind: stream.fingerprint for kind, stream in self.description.streams.items()}

    @cached_property
    def fingerprint(self) -> str:
        weights = resolve_asset(str(self.folder / WEIGHTS_NAME), bundled_name=BUNDLED_NAME)
        return digest_json(["hifigan", self.description.model_dump(mode="json"), cached_digest(weights)])

    def load(self) -> "HifiganVocoder":
        """Reads the weights. Imports torch.

        Raises:
            UserError: The folder is missing or its weights don't fit its description.
        """
        from transforms.vocoder._synthesis import HifiganVocoder

        weights = resolve_asset(str(self.folder / WEIGHTS_NAME), bundled_name=BUNDLED_NAME)
        return HifiganVocoder(self.description, weights, device=self.device)
