"""Fits the pitch VQ-VAE on the F0 contours of a corpus (settings: Polyak et al. 2021, and RECIPE of Spirit LM)."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from pipelines.fit.recordings import Recordings
from pipelines.fit.report import FitData, in_batches, open_artefact, write_card
from pipelines.threads import torch_threads
from pipelines.yaml_config import Section
from schemas.errors import UserError
from transforms.devices import Device, pick_device
from transforms.pitch.contour import F0Contour, Floats, f0_frame_error, joined, normalised, voicing_error
from transforms.pitch.encoder import FcpePitchEncoder
from transforms.pitch.fcpe import FcpePitchConfig
from transforms.pitch.fcpe_f0 import FcpeF0
from transforms.pitch.shape import FRAMES_PER_CODE, VqVaeShape
from transforms.pitch.vqvae import PitchVqVae
from transforms.pitch.weights import write_vqvae

_BATCH = 64
_LOG_F0_WEIGHT = 10.0  # puts a 0.1 error of ln F0 on a par with an unsure voicing decision
_UNVOICED_SHARE = 0.1  # weight of the interpolated stretches
_LEVEL_JITTER = 0.05  # of the mean of ln F0: short utterances have unsure means
_RANGE_JITTER = 0.3  # of the logarithm of the pitch range: speakers differ


class PitchFitConfig(Section):
    """Settings of ``plait fit pitch``.

    Args:
        codes: Size of the codebook.
        embedding: Dimension of a code's vector.
        width: Channels of the encoder's and the decoder's convolutions.
        depth: Residual blocks at each of the four rates.
        dilation_growth: Factor of the dilation from one block to the next.
        steps: Training steps; the learning rate falls to 0 over them (cosine).
        batch: Training examples a step.
        crop_codes: Length of a training example in codes of 80 ms.
        learning_rate: Of AdamW, at the start.
        commitment: Weight of the loss that keeps the encoder near its codes.
        ema: Decay of the moving means that the codes are.
        threshold: FCPE's, as the encoder will have it.
        device: ``auto`` takes a GPU if there is one.
    """

    codes: int = Field(default=64, ge=2)
    embedding: int = Field(default=128, ge=1)
    width: int = Field(default=32, ge=1)
    depth: int = Field(default=4, ge=1)
    dilation_growth: int = Field(default=3, ge=1)
    steps: int = Field(default=1500, ge=1)
    batch: int = Field(default=16, ge=1)
    crop_codes: int = Field(default=16, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    commitment: float = Field(default=0.02, ge=0)
    ema: float = Field(default=0.99, gt=0, lt=1)
    threshold: float = Field(default=0.05, gt=0, lt=1)
    device: Device = "auto"


def fit_pitch(
    recordings: Recordings, config: PitchFitConfig, *, seed: int, output: Path, say: Callable[[str], None]
) -> dict[str, float]:
    """Write ``vqvae.safetensors``, ``card.md`` and ``card.json`` into ``output``.

    Raises:
        UserError: No voiced speech, or no such device.
    """
    device = pick_device(config.device)
    # on a processor torch's sums depend on how many threads make them, and so would the weights
    with torch_threads(1 if device.type == "cpu" else None):
        return _fit(recordings, config, device, seed=seed, output=output, say=say)


def _fit(
    recordings: Recordings,
    config: PitchFitConfig,
    device: torch.device,
    *,
    seed: int,
    output: Path,
    say: Callable[[str], None],
) -> dict[str, float]:
    f0 = FcpeF0(device=device, threshold=config.threshold)
    data = FitData()
    contours: list[F0Contour] = []
    for batch in in_batches(data.watch(recordings), _BATCH):
        found = f0.contours([utterance.waveform for utterance in batch])
        contours += [contour for contour in found if contour.voiced.any()]
        say(f"F0 of {data.utterances} utterances")
    model = train_vqvae(contours, config, seed=seed, say=say)
    path = output / "vqvae.safetensors"
    with open_artefact(path) as file:
        write_vqvae(model.cpu(), file)
    backend = FcpePitchConfig(vqvae=str(path), threshold=config.threshold, device=config.device)
    figures = _figures(contours, backend.load())
    write_card(
        output,
        title=f"Pitch VQ-VAE, {config.codes} codes",
        data=data,
        settings=config.model_dump(mode="json", exclude={"device"}),
        seed=seed,
        figures=figures,
        fingerprint=backend.fingerprint,
    )
    return figures


def train_vqvae(
    contours: list[F0Contour], config: PitchFitConfig, *, seed: int, say: Callable[[str], None]
) -> PitchVqVae:
    """Train on random crops, with jitter of level and range.

    Raises:
        UserError: No contour.
    """
    if not contours:
        raise UserError("nothing to fit on: no recording has voiced speech")
    rng = np.random.default_rng(seed)
    device = pick_device(config.device)
    names = VqVaeShape.__slots__
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = PitchVqVae(VqVaeShape(**{name: getattr(config, name) for name in names})).to(device)
    optimiser = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, betas=(0.8, 0.99))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, config.steps)
    examples = [normalised(contour) for contour in contours]
    weights = np.array([example.shape[1] for example in examples], dtype=np.float64)
    codebook = _MovingCodebook(model, decay=config.ema, rng=rng)
    model.train()
    for step in range(1, config.steps + 1):
        chosen = rng.choice(len(examples), size=config.batch, p=weights / weights.sum())
        crops = [_crop(examples[index], config.crop_codes * FRAMES_PER_CODE, rng) for index in chosen]
        target, inside = (torch.from_numpy(np.stack(part)).to(device) for part in zip(*crops, strict=True))
        latent_BTE = model.encoder(target).transpose(1, 2)
        inside_BT = inside[:, ::FRAMES_PER_CODE]
        codes_BT = codebook.update(latent_BTE.detach(), inside_BT > 0)
        quantised = functional.embedding(codes_BT, model.codebook_KE)
        commitment = (((latent_BTE - quantised) ** 2).mean(-1) * inside_BT).sum() / inside_BT.sum()
        straight = latent_BTE + (quantised - latent_BTE).detach()
        loss = reconstruction_loss(model.decoder(straight.transpose(1, 2)), target, inside)
        optimiser.zero_grad(set_to_none=True)
        (loss + config.commitment * commitment).backward()
        optimiser.step()
        schedule.step()
        if step % 500 == 0:
            say(f"VQ-VAE step {step} of {config.steps}: loss {loss.item():.4f}")
    return model.eval()


def reconstruction_loss(out_B2F: Tensor, target_B2F: Tensor, inside_BF: Tensor) -> Tensor:
    """Squared error of ln F0, mostly where voiced, and cross-entropy of voicing, over the frames inside."""
    voiced = target_B2F[:, 1]
    weight = inside_BF * (_UNVOICED_SHARE + (1 - _UNVOICED_SHARE) * voiced)
    log_f0 = ((out_B2F[:, 0] - target_B2F[:, 0]) ** 2 * weight).sum() / weight.sum()
    voicing = functional.binary_cross_entropy_with_logits(out_B2F[:, 1], voiced, weight=inside_BF, reduction="sum")
    return _LOG_F0_WEIGHT * log_f0 + voicing / inside_BF.sum()


class _MovingCodebook:
    """The codebook as a moving average of the latents that chose each code; unused codes are moved onto latents."""

    def __init__(self, model: PitchVqVae, *, decay: float, rng: np.random.Generator) -> None:
        self._model = model
        self._decay = decay
        self._rng = rng
        self._usage = torch.zeros(model.shape.codes, device=model.codebook_KE.device)
        self._sums = torch.zeros_like(model.codebook_KE)

    def update(self, latent_BTE: Tensor, inside_BT: Tensor) -> Tensor:
        """Codes of the batch under the codebook before it moved, shape ``(B, T)``."""
        latent_NE = latent_BTE[inside_BT]
        if not self._usage.any():
            self._restart(torch.ones_like(self._usage, dtype=torch.bool), latent_NE)
        codes_BT = self._model.nearest(latent_BTE)
        chosen_NK = functional.one_hot(codes_BT[inside_BT], self._model.shape.codes).to(latent_NE.dtype)
        self._usage.mul_(self._decay).add_(chosen_NK.sum(0), alpha=1 - self._decay)
        self._sums.mul_(self._decay).add_(chosen_NK.T @ latent_NE, alpha=1 - self._decay)
        self._model.codebook_KE.copy_(self._sums / self._usage[:, None].clamp(min=1e-6))
        dead = self._usage < 0.05 * self._usage.mean()
        if dead.any():
            self._restart(dead, latent_NE)
        return codes_BT

    def _restart(self, dead_K: Tensor, latent_NE: Tensor) -> None:
        count = int(dead_K.sum())
        picked = torch.from_numpy(self._rng.choice(len(latent_NE), size=count)).to(latent_NE.device)
        usage = self._usage.mean().clamp(min=1.0)
        self._usage[dead_K] = usage
        self._sums[dead_K] = latent_NE[picked] * usage
        self._model.codebook_KE[dead_K] = latent_NE[picked]


def _crop(example: Floats, frames: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """A jittered piece ``(2, frames)`` that starts on a code's frame, and 1 where it lies inside the example."""
    spare = max(example.shape[1] - frames, 0) // FRAMES_PER_CODE
    start = FRAMES_PER_CODE * int(rng.integers(spare + 1))
    piece = example[:, start : start + frames]
    out, inside = np.zeros((2, frames), dtype=np.float32), np.zeros(frames, dtype=np.float32)
    out[0, : piece.shape[1]] = piece[0] * np.exp(rng.normal(0, _RANGE_JITTER)) + rng.normal(0, _LEVEL_JITTER)
    out[1, : piece.shape[1]] = piece[1]
    inside[: piece.shape[1]] = 1
    return out, inside


def _figures(contours: list[F0Contour], encoder: FcpePitchEncoder) -> dict[str, float]:
    """Errors of the fitting data over all frames: FFE, its two parts, and how evenly the codes are used."""
    codes = encoder.encode_contours(contours)
    decoded = [
        encoder.decode(ids, mean_log_f0=contour.mean_log_f0) for ids, contour in zip(codes, contours, strict=True)
    ]
    true, back = joined(contours), joined(decoded)
    frame_error, wrong_voicing = f0_frame_error(true, back), voicing_error(true, back)
    share = np.bincount(np.concatenate(codes)) / (len(true.voiced) / FRAMES_PER_CODE)
    entropy = -float((share[share > 0] * np.log2(share[share > 0])).sum())
    return {
        "f0_frame_error_on_fitting_data": frame_error,
        "voicing_error_on_fitting_data": wrong_voicing,
        "gross_f0_error_on_fitting_data": frame_error - wrong_voicing,
        "code_perplexity": 2.0**entropy,
    }
