"""Pitch codes: FCPE gives F0 at 200 Hz, a VQ-VAE turns it into 12.5 codes a second."""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from schemas.errors import UserError
from schemas.records import StreamKind
from transforms.assets import resolve_asset
from transforms.backend import BackendConfig, digest_json
from transforms.devices import Device
from transforms.digests import cached_digest
from transforms.pitch.shape import read_shape

if TYPE_CHECKING:
    from transforms.pitch.encoder import FcpePitchEncoder

HOP_SAMPLES = 1280
VQVAE_NAME = "pitch-vqvae-64/vqvae.safetensors"


class FcpePitchConfig(BackendConfig):
    """F0 by FCPE, made codes by a VQ-VAE.

    Args:
        vqvae: safetensors file of ``plait fit pitch``, or ``bundled``.
        threshold: Confidence of FCPE below which a frame counts as unvoiced.
        device: Where the models run; ``auto`` takes a GPU if there is one.
    """

    kind: Literal["fcpe"] = "fcpe"
    vqvae: str = "bundled"
    threshold: float = Field(default=0.05, gt=0, lt=1)
    device: Device = "auto"

    @property
    def stream_kind(self) -> StreamKind:
        return "pitch"

    @property
    def hop_samples(self) -> int:
        return HOP_SAMPLES

    @property
    def vqvae_path(self) -> Path:
        return resolve_asset(self.vqvae, bundled_name=VQVAE_NAME, key="pitch.vqvae")

    @property
    def codebook_size(self) -> int:
        return read_shape(self.vqvae_path).codes

    @property
    def fingerprint(self) -> str:
        return digest_json(
            {
                "kind": self.kind,
                "fcpe": fcpe_digest(),
                "threshold": self.threshold,
                "vqvae": cached_digest(self.vqvae_path),
            }
        )

    def load(self) -> "FcpePitchEncoder":
        """The encoder; it decodes too.

        Raises:
            UserError: The VQ-VAE's file is not one.
        """
        from transforms.pitch.encoder import FcpePitchEncoder

        return FcpePitchEncoder(self.vqvae_path, threshold=self.threshold, device=self.device)


def fcpe_digest() -> str:
    """SHA-256 of the weights that ``torchfcpe`` carries."""
    return cached_digest(fcpe_path())


def fcpe_path() -> Path:
    """The file of weights that ``torchfcpe`` carries; the package is not imported.

    Raises:
        UserError: The package is missing.
    """
    try:
        path = Path(str(distribution("torchfcpe").locate_file("torchfcpe/assets/fcpe_c_v001.pt")))
    except PackageNotFoundError:
        raise UserError("pitch.kind: fcpe needs `pip install torchfcpe==0.0.4`") from None
    if not path.is_file():
        raise UserError(f"pitch.kind: FCPE's weights are missing: {path}; reinstall torchfcpe==0.0.4")
    return path
