"""Transcribes recordings that have no transcript, with faster-whisper, offline.

Beam 5 at temperature 0 with no fallback to sampling and nothing carried from one window to the next: the same audio
gives the same text on the same kind of machine. Silence is cut out first (the Silero model in faster-whisper's own
wheel), since Whisper invents sentences in it.
"""

from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from schemas.errors import RecordError, UserError
from schemas.records import SAMPLE_RATE_HZ, Waveform
from transforms.assets import BUNDLED
from transforms.backend import BackendConfig, digest_json
from transforms.devices import Device
from transforms.digests import cached_digest
from transforms.text.language_codes import base_language

_MIN_SAMPLES = SAMPLE_RATE_HZ // 2
_BEAM = 5


class Transcriber(Protocol):
    def transcribe(self, waveform: Waveform, language: str) -> str:
        """The text of a recording, with its punctuation.

        Raises:
            RecordError: ``no_speech``, ``unsupported_language``.
        """
        ...


class WhisperTranscriberConfig(BackendConfig):
    """A faster-whisper (CTranslate2) folder; ``bundled`` is Whisper tiny.en, English only."""

    kind: Literal["whisper"] = "whisper"
    model: str = BUNDLED
    device: Device = "auto"

    @property
    def folder(self) -> Path:
        """Raises: UserError: There is no such model."""
        if self.model == BUNDLED:
            from transforms.units.whisper_weights import tiny_en_folder

            return tiny_en_folder()
        folder = Path(self.model)
        if not (folder / "model.bin").is_file():
            raise UserError(
                f"align.asr: no model.bin in {folder}; "
                f"`hf download Systran/faster-whisper-small --local-dir {folder}` gets one"
            )
        return folder

    @property
    def fingerprint(self) -> str:
        return digest_json({"kind": self.kind, "beam": _BEAM, "model": cached_digest(self.folder / "model.bin")})

    def load(self) -> "WhisperTranscriber":
        from faster_whisper import WhisperModel

        from transforms.devices import pick_device

        device = pick_device(self.device).type
        precision = "int8" if device == "cpu" else "float16"
        model = WhisperModel(
            str(self.folder), device=device, compute_type=precision, cpu_threads=1, local_files_only=True
        )
        return WhisperTranscriber(model)


class WhisperTranscriber:
    def __init__(self, model: Any) -> None:
        self._model = model

    def transcribe(self, waveform: Waveform, language: str) -> str:
        code = base_language(language)
        if code not in self._model.supported_languages:
            raise RecordError("unsupported_language", f"the recogniser does not know the language {language!r}")
        padded = np.pad(waveform, (0, max(_MIN_SAMPLES - len(waveform), 0)))
        segments, _ = self._model.transcribe(
            padded,
            language=code,
            beam_size=_BEAM,
            temperature=0.0,
            condition_on_previous_text=False,
            vad_filter=True,
            without_timestamps=True,
        )
        text = " ".join(segment.text.strip() for segment in segments).strip()
        if not any(char.isalnum() for char in text):
            raise RecordError("no_speech", "the recogniser hears no words", outcome="filtered")
        return text
