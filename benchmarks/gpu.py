"""What tokens cost on a GPU: hours of audio in an hour of the machine, decoding included.

    python -m benchmarks.gpu [--hours 1] [--compile]

HuBERT base at layers 6 and 11, a 25 Hz model of the same width at layer 11 (all three with random weights), Whisper
units, F0 with pitch codes, and all streams: units and pitch one after the other on each batch, style beside them in
processes of its own, as the CPU pool of ``plait run`` on Ray has them. Files are decoded by a pool of threads while the
GPU works; a batch is of 600 s. The bundled recordings are read again and again from the disk.

- ``mfu``: FLOPs of the model's matrix products and convolutions, without padding, over time and the GPU's peak.
- ``gpu_waits``: one less the share of the time in which kernels ran; theirs a second of audio comes from a profiled
  pass over two batches of the same speech.

Without a GPU it says so and measures nothing: figures of a CPU are ``benchmarks.throughput``'s.
"""

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.batching import JOB, bundled_speech
from benchmarks.record import save
from benchmarks.speech_models import fitted, random_hubert
from pipelines.config import load_run
from pipelines.ingest.usable import usable_rows
from schemas.records import SAMPLE_RATE_HZ, SourceRow, Waveform
from transforms.audio_reader import decode
from transforms.encoder import SpeechEncoder, SpeechEncoderConfig
from transforms.pitch.fcpe import FcpePitchConfig
from transforms.style.prosody import ProsodyStyleConfig
from transforms.units.hubert_source import find_source
from transforms.units.whisper import WhisperUnitsConfig

BATCH_S = 600.0
DECODERS = 16
BESIDE = 10
WARM = 12  # batches; a compiled model meets its last new shapes late
#: Dense peak without sparsity, FLOP/s in half precision, by a part of the device's name (vendor's data sheets).
PEAKS = {
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L40": 181e12,
    "L4": 121e12,
}


@dataclass(frozen=True, slots=True)
class Case:
    """What is timed together.

    Args:
        encoders: Of the GPU, in turn.
        flops_per_s: Of their models, a second of audio; None where they are not counted.
        beside: What CPU processes encode meanwhile.
    """

    name: str
    encoders: tuple[SpeechEncoder, ...]
    flops_per_s: float | None
    beside: SpeechEncoderConfig | None = None


def hubert_flops(model: Path, layers: int) -> float:
    """FLOPs a second of audio, of the convolutions and of ``layers`` blocks, attention over 10 s."""
    shape = find_source(str(model), weights=None, allow_download=False).shape
    rate, channels, total = float(SAMPLE_RATE_HZ), 1, 0.0
    for kernel, stride in zip(shape.kernels, shape.strides, strict=True):
        rate /= stride
        total += 2 * rate * kernel * channels * 512
        channels = 512
    dim, hidden, attended = 768, 3072, 10 * rate
    positions = 2 * rate * dim * (dim // 16) * 128
    block = 2 * rate * (4 * dim * dim + 2 * dim * hidden + 2 * attended * dim)
    return total + positions + 2 * rate * 512 * dim + layers * block


FCPE_FLOPS = 2 * 100 * (3 * 512 * (2 * 128 + 512) + 6 * (512 * 2048 + 31 * 1024 + 1024 * 512) + 512 * 360)


def batches(rows: Sequence[SourceRow], audio_s: float) -> Iterator[list[Waveform]]:
    """Decoded ahead by threads until there is enough of it."""
    done, waiting, held = 0.0, [], 0.0
    with ThreadPoolExecutor(DECODERS) as pool:
        ahead = [pool.submit(decode, row) for row in islice(cycle(rows), 4 * DECODERS)]
        for row in cycle(rows):
            waveform, _ = ahead.pop(0).result()
            ahead.append(pool.submit(decode, row))
            waiting.append(waveform)
            held += len(waveform) / SAMPLE_RATE_HZ
            if held >= BATCH_S:
                yield waiting
                done, waiting, held = done + held, [], 0.0
                if done >= audio_s:
                    break
        for each in ahead:
            each.cancel()


class Beside:
    """Encodes on CPU processes while the caller does something else; one that has nothing to encode gives nothing."""

    def __init__(self, config: SpeechEncoderConfig | None) -> None:
        context = multiprocessing.get_context("spawn")
        self._pool = config and ProcessPoolExecutor(BESIDE, context, initializer=_load, initargs=(config,))
        self._pending: list[Future[int]] = []

    def give(self, waveforms: Sequence[Waveform]) -> None:
        if self._pool:
            size = -(-len(waveforms) // BESIDE)
            for at in range(0, len(waveforms), size):
                self._pending.append(self._pool.submit(_encode, waveforms[at : at + size]))

    def tokens(self) -> int:
        """All that were made since the last call, waited for."""
        found, self._pending = sum(each.result() for each in self._pending), []
        return found

    def close(self) -> None:
        if self._pool:
            self._pool.shutdown()


_loaded: list[SpeechEncoder] = []


def _load(config: SpeechEncoderConfig) -> None:
    torch.set_num_threads(1)
    _loaded.append(config.load())


def _encode(waveforms: Sequence[Waveform]) -> int:
    return sum(map(len, _loaded[0].encode(waveforms)))


def measure(case: Case, rows: Sequence[SourceRow], audio_s: float, peak: float | None) -> dict[str, object]:
    beside = Beside(case.beside)
    for waveforms in islice(batches(rows, (WARM + 1) * BATCH_S), WARM):  # kernels chosen, memory taken
        beside.give(waveforms)
        for encoder in case.encoders:
            encoder.encode(waveforms)
    beside.tokens()
    torch.cuda.synchronize()
    kernels_s = kernel_time(case, rows)
    seconds, tokens = 0.0, 0
    started = time.perf_counter()
    for waveforms in batches(rows, audio_s):
        beside.give(waveforms)
        for encoder in case.encoders:
            tokens += sum(map(len, encoder.encode(waveforms)))
        seconds += sum(map(len, waveforms)) / SAMPLE_RATE_HZ
    tokens += beside.tokens()
    torch.cuda.synchronize()
    elapsed = time.perf_counter() - started
    beside.close()
    return {
        "audio_hours_per_gpu_hour": round(seconds / elapsed, 1),
        "audio_seconds": round(seconds),
        "tokens": tokens,
        "gpu_waits": round(1 - kernels_s * seconds / elapsed, 4),
        "mfu": round(case.flops_per_s * seconds / elapsed / peak, 4) if case.flops_per_s and peak else None,
        "peak_memory_gib": round(torch.cuda.max_memory_allocated() / 2**30, 2),
    }


def kernel_time(case: Case, rows: Sequence[SourceRow]) -> float:
    """Seconds that kernels run for a second of audio."""
    chosen = list(islice(batches(rows, 3 * BATCH_S), 2))
    with profile(activities=[ProfilerActivity.CUDA]) as profiled:
        for waveforms in chosen:
            for encoder in case.encoders:
                encoder.encode(waveforms)
        torch.cuda.synchronize()
    kernels_us = sum(event.self_device_time_total for event in profiled.key_averages())
    return kernels_us / 1e6 / (sum(len(waveform) for group in chosen for waveform in group) / SAMPLE_RATE_HZ)


def cases(folder: Path, *, compiled: bool) -> Iterator[Callable[[], Case]]:
    speech = bundled_speech(20, longest_s=12.0)
    models = {"50hz": random_hubert(folder / "50hz"), "25hz": random_hubert(folder / "25hz", at_25_hz=True)}
    for rate, layer in (("50hz", 6), ("50hz", 11), ("25hz", 11)):

        def hubert(rate: str = rate, layer: int = layer) -> Case:
            config = fitted(models[rate], layer, speech, device="cuda").model_copy(update={"compile": compiled})
            flops = hubert_flops(models[rate], layer)
            return Case(f"hubert_base_{rate}_layer_{layer}", (config.load(),), flops)

        yield hubert
    yield lambda: Case("units_whisper", (WhisperUnitsConfig(device="cuda", compile=compiled).load(),), None)
    yield lambda: Case("pitch_fcpe", (FcpePitchConfig(device="cuda").load(),), FCPE_FLOPS)

    def everything() -> Case:
        units = fitted(models["25hz"], 11, speech, device="cuda").model_copy(update={"compile": compiled})
        encoders = (units.load(), FcpePitchConfig(device="cuda").load())
        flops = hubert_flops(models["25hz"], 11) + FCPE_FLOPS
        return Case("all_streams_25hz", encoders, flops, beside=ProsodyStyleConfig())

    yield everything


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=1.0, help="of audio a case")
    parser.add_argument("--compile", action="store_true", help="compile HuBERT and Whisper")
    args = parser.parse_args()

    if not torch.cuda.is_available():
        print(save("gpu", {"measured": False, "why": "there is no GPU on this machine; no figure of one is claimed"}))
        return
    name = torch.cuda.get_device_name()
    peak = next((value for part, value in PEAKS.items() if part in name), None)
    rows = [row for source in load_run(JOB).sources for row in usable_rows(source, print)]
    figures: dict[str, object] = {"measured": True, "gpu": name, "peak_flops": peak, "compiled": args.compile}
    with tempfile.TemporaryDirectory() as folder:
        for build in cases(Path(folder), compiled=args.compile):
            case = build()
            torch.cuda.reset_peak_memory_stats()
            figures[case.name] = measure(case, rows, args.hours * 3600, peak)
            print(case.name, figures[case.name], flush=True)
    print(save("gpu", figures))


if __name__ == "__main__":
    main()
