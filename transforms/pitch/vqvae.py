"""VQ-VAE of F0 contours (Polyak et al. 2021, arXiv 2104.00355; van den Oord et al. 2017 for the EMA codebook).

Shapes: B batch, F frames (200 Hz), T codes (12.5 Hz, ``F = 16 T``), W width, E embedding, K codes.
The input is ``(B, 2, F)``: ln F0 minus its mean, interpolated over unvoiced frames, and the voicing flag.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from transforms.pitch.shape import FRAMES_PER_CODE, STAGES, VqVaeShape


class Residual(nn.Module):
    """A dilated convolution and a pointwise one, added to their input."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.dilated = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.pointwise = nn.Conv1d(width, width, 1)

    def forward(self, x_BWF: Tensor) -> Tensor:
        inner: Tensor = self.pointwise(functional.relu(self.dilated(functional.relu(x_BWF))))
        return x_BWF + inner


def _residuals(shape: VqVaeShape) -> list[nn.Module]:
    return [Residual(shape.width, shape.dilation_growth**index) for index in range(shape.depth)]


class PitchVqVae(nn.Module):
    """Encoder, codebook and decoder. The codebook is a buffer: it follows the latents, not a gradient."""

    def __init__(self, shape: VqVaeShape) -> None:
        super().__init__()
        self.shape = shape
        down: list[nn.Module] = [nn.Conv1d(2, shape.width, 3, padding=1)]
        up: list[nn.Module] = [nn.Conv1d(shape.embedding, shape.width, 3, padding=1)]
        for _ in range(STAGES):
            down += [nn.Conv1d(shape.width, shape.width, 4, stride=2, padding=1), *_residuals(shape)]
            up += [*_residuals(shape), nn.ConvTranspose1d(shape.width, shape.width, 4, stride=2, padding=1)]
        self.encoder = nn.Sequential(*down, nn.Conv1d(shape.width, shape.embedding, 3, padding=1))
        self.decoder = nn.Sequential(*up, nn.ReLU(), nn.Conv1d(shape.width, 2, 3, padding=1))
        self.codebook_KE: Tensor
        self.register_buffer("codebook_KE", torch.zeros(shape.codes, shape.embedding))

    def encode(self, contour_B2F: Tensor, codes_B: Tensor | None = None) -> Tensor:
        """Codes, int64, shape ``(B, T)``.

        Args:
            codes_B: Codes of each contour of a padded batch; what lies behind them is masked before every convolution,
                and the codes there mean nothing. All T if None.
        """
        if codes_B is None:
            return self.nearest(self.encoder(contour_B2F).transpose(1, 2))
        codes = contour_B2F.shape[2] // FRAMES_PER_CODE
        inside_B1T = (torch.arange(codes, device=contour_B2F.device) < codes_B[:, None])[:, None]
        x_BWF = contour_B2F * inside_B1T.repeat_interleave(FRAMES_PER_CODE, 2)
        for module in self.encoder:
            x_BWF = module(x_BWF)
            x_BWF = x_BWF * inside_B1T.repeat_interleave(x_BWF.shape[2] // codes, 2)
        return self.nearest(x_BWF.transpose(1, 2))

    def nearest(self, latent_BTE: Tensor) -> Tensor:
        half_norm_K = (self.codebook_KE**2).sum(1) / 2
        return (latent_BTE @ self.codebook_KE.T - half_norm_K).argmax(-1)

    def decode(self, codes_BT: Tensor) -> Tensor:
        """Normalised ln F0 and the logit of voicing, shape ``(B, 2, 16 T)``."""
        out: Tensor = self.decoder(functional.embedding(codes_BT, self.codebook_KE).transpose(1, 2))
        return out
