"""F0 by FCPE with the weights that ``torchfcpe`` carries; of that package only the file is used."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from schemas.errors import UserError
from schemas.records import Waveform
from transforms.cpu_layers import pack_linears
from transforms.devices import exact_inference
from transforms.pitch.contour import F0Contour, to_200_hz
from transforms.pitch.fcpe import fcpe_path
from transforms.pitch.fcpe_mel import log_mel
from transforms.pitch.fcpe_net import CONTEXT_FRAMES, FcpeNet
from transforms.units.batching import MAX_PADDED_FRAMES, length_buckets
from transforms.units.transfer import integers_on, to_device
from transforms.windows import Window, windows

CODE_SAMPLES = 1280
_WINDOW_FRAMES = 6000  # 60 s: bounds the memory of a long recording
_OVERLAP_FRAMES = 2 * CONTEXT_FRAMES
_GPU_FRAMES = 120_000  # of a padded batch


class FcpeF0:
    """Contours of batches of recordings.

    A recording's contour depends neither on its batch mates nor, beyond float rounding, on the windows that a long
    one is cut into.
    """

    def __init__(self, *, device: torch.device, threshold: float) -> None:
        path = fcpe_path()
        try:
            stored = torch.load(path, map_location="cpu", weights_only=True)
            net = FcpeNet(stored["model"])
        except (KeyError, RuntimeError, ValueError) as error:
            raise UserError(f"pitch.kind: {path} is not FCPE's file ({error}); reinstall torchfcpe==0.0.4") from error
        self._net = net.to(device)
        pack_linears(self._net)
        self._device = device
        self._threshold = threshold
        self._max_frames = MAX_PADDED_FRAMES if device.type == "cpu" else _GPU_FRAMES

    def contour(self, waveform: Waveform) -> F0Contour:
        """F0 at 200 Hz, ``16 * ceil(num_samples / 1280)`` frames."""
        return self.contours([waveform])[0]

    @exact_inference()
    def contours(self, waveforms: Sequence[Waveform]) -> list[F0Contour]:
        """F0 at 200 Hz of each recording, ``16 * ceil(num_samples / 1280)`` frames."""
        mels_FM = [self._log_mel(samples) for samples in to_device(waveforms, self._device)]
        pieces = [
            (owner, window)
            for owner, mel_FM in enumerate(mels_FM)
            for window in windows(len(mel_FM), size=_WINDOW_FRAMES, overlap=_OVERLAP_FRAMES)
        ]
        lengths = [window.end - window.start for _, window in pieces]
        batches = list(length_buckets(lengths, max_frames=self._max_frames))
        moments_NG2 = self._moments(mels_FM, pieces, batches)
        parts: list[Tensor] = [torch.empty(0)] * len(pieces)
        for batch in batches:
            mel_BFM, inside_BF = self._padded(mels_FM, [pieces[i] for i in batch])
            owners = [pieces[i][0] for i in batch]
            f0_BF = self._net(mel_BFM, inside_BF, moments_NG2[owners], threshold=self._threshold)
            for i, f0_F in zip(batch, f0_BF, strict=True):
                window = pieces[i][1]
                parts[i] = f0_F[window.keep_start - window.start : window.keep_end - window.start]
        whole: list[list[Tensor]] = [[] for _ in waveforms]
        on_host = torch.split(torch.cat(parts).cpu(), [len(part) for part in parts]) if parts else ()
        for (owner, _), part in zip(pieces, on_host, strict=True):
            whole[owner].append(part)
        return [to_200_hz(torch.cat(part or [torch.zeros(1)]).numpy()) for part in whole]

    def _log_mel(self, samples: Tensor) -> Tensor:
        if not len(samples):
            return torch.empty(0, 0)
        return log_mel(functional.pad(samples.clamp(-1, 1), (0, -len(samples) % CODE_SAMPLES)))

    def _padded(self, mels_FM: Sequence[Tensor], pieces: Sequence[tuple[int, Window]]) -> tuple[Tensor, Tensor]:
        cuts = [mels_FM[owner][window.start : window.end] for owner, window in pieces]
        mel_BFM = pad_sequence(cuts, batch_first=True)
        at_F = torch.arange(mel_BFM.shape[1], device=self._device)
        return mel_BFM, at_F < integers_on([len(cut) for cut in cuts], self._device)[:, None]

    def _moments(
        self, mels_FM: Sequence[Tensor], pieces: Sequence[tuple[int, Window]], batches: Sequence[Sequence[int]]
    ) -> Tensor:
        """Mean and mean square of each recording's groups, ``(recordings, G, 2)``: every frame counts once."""
        totals: Tensor | None = None
        for batch in batches:
            chosen = [pieces[i] for i in batch]
            mel_BFM, inside_BF = self._padded(mels_FM, chosen)
            at_F = torch.arange(mel_BFM.shape[1], device=self._device)
            kept = torch.tensor(
                [[w.keep_start - w.start, w.keep_end - w.start] for _, w in chosen], device=self._device
            )
            counted_BF = inside_BF & (at_F >= kept[:, :1]) & (at_F < kept[:, 1:])
            sums_BG2 = self._net.moments(mel_BFM, counted_BF)
            if totals is None:
                totals = sums_BG2.new_zeros(len(mels_FM), *sums_BG2.shape[1:])
            totals.index_add_(0, integers_on([owner for owner, _ in chosen], self._device), sums_BG2)
        if totals is None:
            return torch.empty(0)
        frames = integers_on([max(len(mel_FM), 1) for mel_FM in mels_FM], self._device)
        return totals / (frames * self._net.group_channels)[:, None, None]
