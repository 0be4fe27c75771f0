"""WhisperX's alignment (Bain et al. 2023, 2303.00747) from model folders on the disk, and Whisper for what has no text.

One wav2vec2 CTC folder a language. Nothing is fetched: a missing folder or file is named with the command that gets
it. WhisperX gives times in milliseconds and one character a state, so it is here as a peer to compare with and for
users who have settled on it; ``ctc`` does the same work in batches.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from schemas.errors import RecordError, UserError
from schemas.records import SourceRow, Waveform
from transforms.align.protocol import Aligner, Alignment
from transforms.align.readings import align_text
from transforms.align.whisperx_asr import WhisperTranscriberConfig
from transforms.assets import BUNDLED
from transforms.backend import BackendConfig, digest_json
from transforms.devices import Device
from transforms.digests import cached_digest
from transforms.text.language_codes import base_language

_NEEDED = ("config.json", "preprocessor_config.json", "tokenizer_config.json", "vocab.json")
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_SUGGESTED = {
    "en": "facebook/wav2vec2-base-960h",
    "es": "jonatasgrosman/wav2vec2-large-xlsr-53-spanish",
    "fr": "jonatasgrosman/wav2vec2-large-xlsr-53-french",
    "de": "jonatasgrosman/wav2vec2-large-xlsr-53-german",
    "it": "jonatasgrosman/wav2vec2-large-xlsr-53-italian",
    "ru": "jonatasgrosman/wav2vec2-large-xlsr-53-russian",
}


class WhisperxConfig(BackendConfig):
    """WhisperX's aligner; it also transcribes what has no transcript.

    Args:
        models: Language to the folder of a ``Wav2Vec2ForCTC`` with its processor.
        transcribe: Recordings without a transcript are transcribed first.
        asr: A faster-whisper (CTranslate2) folder for that; ``bundled`` is Whisper tiny.en, English only.
        device: Where the models run; ``auto`` takes a GPU if there is one.
    """

    kind: Literal["whisperx"] = "whisperx"
    models: dict[str, str] = Field(min_length=1)
    transcribe: bool = False
    asr: str = BUNDLED
    device: Device = "auto"

    @field_validator("models")
    @classmethod
    def _by_base_language(cls, models: dict[str, str]) -> dict[str, str]:
        return {base_language(code): folder for code, folder in models.items()}

    @property
    def transcriber(self) -> WhisperTranscriberConfig | None:
        """What fills in missing transcripts, if anything does."""
        return WhisperTranscriberConfig(model=self.asr, device=self.device) if self.transcribe else None

    @property
    def fingerprint(self) -> str:
        """Raises: UserError: A folder is missing or incomplete."""
        from importlib.metadata import version

        files = {code: _files(code, Path(folder)) for code, folder in sorted(self.models.items())}
        digests = {code: [[path.name, cached_digest(path)] for path in paths] for code, paths in files.items()}
        return digest_json({"kind": self.kind, "models": digests, "whisperx": version("whisperx")})

    def load(self) -> "WhisperxAligner":
        """Raises: UserError: A folder is missing or incomplete."""
        for code, folder in self.models.items():
            _files(code, Path(folder))
        return WhisperxAligner(self)


class WhisperxAligner:
    """Aligns each utterance with its language's model, which is loaded when the first one comes."""

    def __init__(self, config: WhisperxConfig) -> None:
        self._config = config
        self._loaded: dict[str, Aligner] = {}

    def align_row(self, row: SourceRow, waveform: Waveform) -> Alignment:
        """Align one utterance, in the likeliest reading of its text.

        Raises:
            RecordError: ``unsupported_language`` (no model named for it), ``alignment_failed``, ``no_words``,
                ``unknown_language``.
        """
        return align_text(self._model(row.language), waveform, row.text, row.language)

    def _model(self, language: str) -> Aligner:
        code = base_language(language)
        if code not in self._config.models:
            known = ", ".join(sorted(self._config.models))
            raise RecordError("unsupported_language", f"align.models names no model for {language!r} (has: {known})")
        if code not in self._loaded:
            from transforms.align.whisperx_model import WhisperxModel

            self._loaded[code] = WhisperxModel(Path(self._config.models[code]), device=self._config.device)
        return self._loaded[code]


def _files(code: str, folder: Path) -> Sequence[Path]:
    """The files that decide the alignment.

    Raises:
        UserError: Some are missing.
    """
    hint = f"`hf download {_SUGGESTED.get(code, 'A_WAV2VEC2_CTC_MODEL')} --local-dir {folder}` gets one"
    if not folder.is_dir():
        raise UserError(f"align.models.{code}: no folder {folder}; {hint}")
    missing = [name for name in _NEEDED if not (folder / name).is_file()]
    weights = [folder / name for name in _WEIGHTS if (folder / name).is_file()]
    if not weights:
        missing.append(_WEIGHTS[0])
    if missing:
        raise UserError(f"align.models.{code}: {folder} lacks {', '.join(missing)}; {hint}")
    return [weights[0], *(folder / name for name in _NEEDED)]
