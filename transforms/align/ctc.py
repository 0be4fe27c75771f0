"""Forced alignment with the emissions of a CTC model: any ``Wav2Vec2ForCTC``, or a bundle of torchaudio.

Made for a GPU: recordings run in padded, masked batches of like length, and one Viterbi places the words of the whole
batch (``transforms.align.viterbi``). Emissions of long recordings come from overlapping windows.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from schemas.errors import UserError
from transforms.backend import BackendConfig, digest_json
from transforms.devices import Device
from transforms.digests import cached_digest

if TYPE_CHECKING:
    from transforms.align.ctc_aligner import CtcAligner

TORCHAUDIO = "torchaudio:"
_PATH_VERSION = 3  # since 2, the separator is said between words: other times; since 3, scores are nats: other verdicts
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_SMALL = (
    "config.json",
    "preprocessor_config.json",
    "vocab.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)


class CtcConfig(BackendConfig):
    """Any CTC model of characters, such as wav2vec2 or MMS, batched on a GPU.

    Args:
        model: A folder of a ``transformers`` ``Wav2Vec2ForCTC`` or its hub id (read from the local cache), or a
            torchaudio bundle: ``torchaudio:MMS_FA``, ``torchaudio:WAV2VEC2_ASR_BASE_960H``.
        weights: For a bundle: its weights' file, or the folder that holds it under its own name.
        allow_download: Fetch a hub id that is not in the cache. A bundle's weights are never fetched.
        device: Where the model runs; ``auto`` takes a GPU if there is one.
        precision: What the model computes in; the Viterbi always has float32.
        batch_s: Seconds of padded audio in a batch.
        window_s: Longer recordings are cut into windows of this length.
        overlap_s: By which these windows overlap.
        onset_shift_samples: Added to word starts, beyond the correction for the middle of a frame's receptive field;
            measured on data for a given model.
        offset_shift_samples: The same of word ends.
    """

    kind: Literal["ctc"] = "ctc"
    model: str
    weights: str = ""
    allow_download: bool = False
    device: Device = "auto"
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    batch_s: float = Field(default=240.0, gt=0)
    window_s: float = Field(default=30.0, ge=2)
    overlap_s: float = Field(default=4.0, ge=0.5)
    onset_shift_samples: int = 0
    offset_shift_samples: int = 0

    @property
    def bundle(self) -> str:
        """Name of the torchaudio bundle, or an empty string."""
        return self.model.removeprefix(TORCHAUDIO) if self.model.startswith(TORCHAUDIO) else ""

    @property
    def fingerprint(self) -> str:
        """Of all that decides the alignment.

        Raises:
            UserError: See ``files``.
        """
        decisive = self.model_dump(exclude={"model", "weights", "allow_download", "device", "batch_s"})
        files = {path.name: cached_digest(path) for path in self.files()}
        return digest_json({"config": decisive, "bundle": self.bundle, "files": files, "path": _PATH_VERSION})

    def load(self) -> "CtcAligner":
        """Raises: UserError: The model is missing, or is no CTC model."""
        if self.overlap_s >= self.window_s:
            raise UserError("align.overlap_s: must be below align.window_s")
        from transforms.align.ctc_aligner import CtcAligner
        from transforms.align.ctc_emissions import Emitter
        from transforms.align.ctc_model import load_folder
        from transforms.align.ctc_torchaudio import load_bundle

        model = load_bundle(self.bundle, self.files()[0]) if self.bundle else load_folder(self.files()[0].parent)
        return CtcAligner(self, Emitter(self, model))

    def files(self) -> list[Path]:
        """The files to load: a bundle's weights; or ``config.json``, then the folder's others.

        Raises:
            UserError: They are not here; the message has the command that fetches them.
        """
        return [self._bundle_file()] if self.bundle else _folder_files(self._folder())

    def _bundle_file(self) -> Path:
        from transforms.align.ctc_torchaudio import bundle_url

        url = bundle_url(self.bundle)
        name = url.rsplit("/", 1)[-1]
        path = Path(self.weights or ".")
        path = path / name if path.is_dir() else path
        if not self.weights or not path.is_file():
            where = self.weights or "(not set)"
            raise UserError(
                f"align.weights: {where} holds no weights of {self.model}; fetch them with "
                f"`curl -LO {url}` and set align.weights to {name}"
            )
        return path

    def _folder(self) -> Path:
        folder = Path(self.model)
        if folder.is_dir():
            return folder
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

        try:
            return Path(
                snapshot_download(
                    self.model, local_files_only=not self.allow_download, allow_patterns=[*_SMALL, *_WEIGHTS]
                )
            )
        except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError) as error:
            hint = "" if self.allow_download else f"; fetch it with `hf download {self.model}`"
            raise UserError(f"align.model: {self.model!r} is neither a folder nor in the hub's cache{hint}") from error


def _folder_files(folder: Path) -> list[Path]:
    weights: Sequence[Path] = [folder / name for name in _WEIGHTS if (folder / name).is_file()][:1]
    if not (folder / "config.json").is_file() or not (folder / "vocab.json").is_file() or not weights:
        raise UserError(
            f"align.model: {folder} must hold config.json, vocab.json and {' or '.join(_WEIGHTS)}, "
            "as `save_pretrained` of a Wav2Vec2ForCTC and its processor writes them"
        )
    try:
        json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"align.model: {folder / 'config.json'} is no JSON: {error}") from error
    return [*(folder / name for name in _SMALL if (folder / name).is_file()), *weights]
