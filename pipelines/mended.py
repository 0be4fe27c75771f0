"""One rule for a run and for segmenting: what failed is taken up again when its audio is new."""

import math
from collections.abc import Sequence

from pipelines.files import changed_at
from pipelines.ingest.location import AUDIO_EXTENSIONS, extension_of


def has_mended_audio(failed: Sequence[tuple[str, str]], commit: str) -> bool:
    """Whether audio that could not be decoded is there now, or was changed since.

    That costs one look at each such file; audio behind HTTP is not looked at.

    Args:
        failed: Code and audio of each record that failed to decode.
        commit: URL of the commit that tells so.
    """
    asked = [(code, audio) for code, audio in failed if audio and not audio.startswith(("http://", "https://"))]
    made = (changed_at(commit) if asked else None) or math.inf
    for code, audio in asked:
        changed = changed_at(audio)
        appeared = code == "missing_file" and extension_of(audio) in AUDIO_EXTENSIONS
        if changed is not None and (appeared or changed > made):
            return True
    return False
