"""How likely each phone is every 10 ms: small convolutional nets on Whisper's first two layers and the log-mel.

Whisper's features say which phone it is, at 50 Hz; the log-mel says when, at 100 Hz. Both lose their mean over the
recording, which takes away much of the speaker and the channel. In it silence counts as a fixed share of the time, so
that a second of it before the first word moves no word. Frame t stands for the moment t x 10 ms.

Shapes: B batch, F mel frames (100 Hz), T encoder frames (50 Hz, F = 2 T), M mel bands, D states of both
layers, C channels, P phones.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional

from schemas.errors import UserError
from schemas.records import Span, Waveform
from transforms.align.phones import PHONES, SILENCE_SHARE
from transforms.cpu_layers import pack_linears
from transforms.units.ctranslate2_format import read_variables
from transforms.units.log_mel import HOP_SAMPLES, log_mel, mel_filters
from transforms.units.whisper_encoder import WhisperEncoder
from transforms.windows import windows

FRAME_SAMPLES = HOP_SAMPLES
_MEL_PER_FRAME = 2
_OVERLAP_FRAMES = 200  # 4 s: each of two neighbouring windows has 2 s of context past the cut
_LAYERS = 2
_KERNEL = 5


class PhoneFeatures:
    """Log-mel and Whisper's hidden states of one recording."""

    def __init__(self, whisper: Path) -> None:
        self._encoder = WhisperEncoder(read_variables(whisper, prefix="encoder/"), layers=_LAYERS)
        self._filters = mel_filters(self._encoder.conv1.in_channels)
        pack_linears(self._encoder)
        self._max_frames = len(self._encoder.positions_TD)
        self._hidden_TD: list[Tensor] = []
        for block in self._encoder.blocks:
            block.register_forward_hook(lambda _block, _inputs, hidden_BTD: self._hidden_TD.append(hidden_BTD[0]))

    @torch.inference_mode()
    def __call__(self, waveform: Waveform, speech: Sequence[Span]) -> tuple[Tensor, Tensor]:
        """Log-mel ``(F, M)`` and both layers' states ``(T, D)``, less their means; ``T = ceil(num_samples / 320)``.

        Recordings longer than the encoder's 30 s are run in overlapping windows; there must be 320 samples at least.

        Args:
            speech: Where something is said, roughly.
        """
        samples = torch.from_numpy(waveform)
        mel_MF = log_mel(functional.pad(samples, (0, -len(waveform) % (_MEL_PER_FRAME * HOP_SAMPLES))), self._filters)
        parts = []
        for window in windows(mel_MF.shape[1] // _MEL_PER_FRAME, size=self._max_frames, overlap=_OVERLAP_FRAMES):
            cut_MF = mel_MF[:, _MEL_PER_FRAME * window.start : _MEL_PER_FRAME * window.end]
            self._hidden_TD.clear()
            self._encoder(cut_MF[None], torch.tensor([window.end - window.start]))
            states_TD = torch.cat(self._hidden_TD, dim=1)
            parts.append(states_TD[window.keep_start - window.start : window.keep_end - window.start])
        states_TD, mel_FM = torch.cat(parts), mel_MF.T
        speech_F = _in_spans(speech, frames=len(mel_FM))
        return _less_mean(mel_FM, speech_F), _less_mean(states_TD, speech_F[::_MEL_PER_FRAME])


def _in_spans(spans: Sequence[Span], *, frames: int) -> Tensor:
    inside_F = torch.zeros(frames, dtype=torch.bool)
    for span in spans:
        inside_F[-(-span.start // FRAME_SAMPLES) : -(-span.end // FRAME_SAMPLES)] = True
    return inside_F


def _less_mean(x_TD: Tensor, speech_T: Tensor) -> Tensor:
    """Less the mean in which silence counts ``SILENCE_SHARE``, if there is both silence and speech."""
    if speech_T.all() or not speech_T.any():
        return x_TD - x_TD.mean(0)
    return x_TD - torch.lerp(x_TD[speech_T].mean(0), x_TD[~speech_T].mean(0), SILENCE_SHARE)


class PhoneNet(nn.Module):
    """Logits of the phones in every mel frame."""

    def __init__(self, *, mel_bands: int, dim: int, channels: int, layers: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.mel_in = nn.Conv1d(mel_bands, channels, _KERNEL, padding=_KERNEL // 2)
        self.states_in = nn.Linear(dim, channels)
        self.in_norm = nn.LayerNorm(channels)
        self.convs = nn.ModuleList(nn.Conv1d(channels, channels, _KERNEL, padding=_KERNEL // 2) for _ in range(layers))
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(layers))
        self.out = nn.Linear(channels, len(PHONES))
        self.dropout = nn.Dropout(dropout)

    def forward(self, mel_BFM: Tensor, states_BTD: Tensor) -> Tensor:
        """Logits ``(B, F, P)``. A state between two encoder frames is their mean."""
        states_BTC = self.states_in(self.dropout(0.5 * states_BTD))
        following_BTC = torch.cat([states_BTC[:, 1:], states_BTC[:, -1:]], dim=1)
        states_BFC = torch.stack([states_BTC, (states_BTC + following_BTC) / 2], dim=2).flatten(1, 2)
        x_BFC = self.mel_in(2.5 * mel_BFM.transpose(1, 2)).transpose(1, 2) + states_BFC
        x_BFC = functional.gelu(self.in_norm(x_BFC))
        for conv, norm in zip(self.convs, self.norms, strict=True):
            mixed_BFC = conv(x_BFC.transpose(1, 2)).transpose(1, 2)
            x_BFC = x_BFC + self.dropout(functional.gelu(norm(mixed_BFC)))
        logits: Tensor = self.out(x_BFC)
        return logits


def save_nets(nets: list[PhoneNet], file: IO[bytes]) -> None:
    """Write nets of one shape in half precision."""
    first = nets[0]
    shape = {
        "mel_bands": first.mel_in.in_channels,
        "dim": first.states_in.in_features,
        "channels": first.states_in.out_features,
        "layers": len(first.convs),
    }
    tensors = {
        f"{index}.{name}": value.half().contiguous()
        for index, net in enumerate(nets)
        for name, value in net.state_dict().items()
    }
    # One entry: the file's format keeps no order among several, and a fit is to give the same bytes each time.
    description = {"shape": shape, "nets": len(nets), "phones": PHONES}
    file.write(save(tensors, {"phone_nets": json.dumps(description)}))


def load_nets(path: Path) -> list[PhoneNet]:
    """Raises: UserError: Not a file of ``save_nets``."""
    try:
        with safe_open(path, framework="pt") as file:
            description = json.loads((file.metadata() or {})["phone_nets"])
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
        if description["phones"] != list(PHONES):
            raise ValueError("its phones are others")
        nets = []
        for index in range(description["nets"]):
            net = PhoneNet(**description["shape"])
            prefix = f"{index}."
            net.load_state_dict({n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)})
            nets.append(net.eval())
    except (SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise UserError(f"{path}: not a phone net of `plait fit aligner` ({error})") from error
    return nets


class PhoneRecogniser:
    """Log posterior probabilities of phones, the mean over the nets."""

    def __init__(self, *, whisper: Path, nets: Path) -> None:
        self._features = PhoneFeatures(whisper)
        self._nets = load_nets(nets)
        for net in self._nets:
            pack_linears(net)

    @torch.inference_mode()
    def log_probs(self, waveform: Waveform, speech: Sequence[Span]) -> Tensor:
        """float32, shape ``(F, P)``, ``F = 2 * ceil(num_samples / 320)``; ``speech`` as of ``PhoneFeatures``."""
        mel_FM, states_TD = self._features(waveform, speech)
        logits = [net(mel_FM[None], states_TD[None])[0] for net in self._nets]
        return torch.stack([functional.log_softmax(part, dim=-1) for part in logits]).mean(0)
