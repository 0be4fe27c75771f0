"""HuBERT units on a CPU beside the usual loop, on the same files in one run.

    python -m benchmarks.throughput [--limit 60] [--layers 6 11]

The loop: ``transformers``' ``HubertModel`` as it is, one recording at a time, all layers, all hidden states, then
scikit-learn's ``KMeans.predict``. Its input is padded to whole frames as ours is, so that the tokens can be compared.
Ours: ``plait``'s ``hubert`` backend. Both with one thread; then both with all cores, the loop by torch's threads, ours
by one process a core, as ``plait run`` works. A second loop pads recordings to batches without a mask, as scripts that
want to go faster do: its tokens are compared, its speed is not the point. Base architecture, random weights.

``in_bf16``: ours with ``precision: bf16``, for processors that multiply it (AVX-512 BF16, AMX); its tokens are compared
with those of the loop in fp32. ``auto`` stays fp32 on a processor.
"""

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from sklearn.cluster import KMeans
from torch.nn.utils.rnn import pad_sequence
from transformers import HubertModel

from benchmarks.batching import bundled_speech, equal_share
from benchmarks.record import save
from benchmarks.speech_models import fitted, random_hubert
from schemas.records import SAMPLE_RATE_HZ, TokenIds, Waveform
from transforms.encoder import SpeechEncoder
from transforms.kmeans import load_codebook
from transforms.units.hubert import HubertUnitsConfig

BATCH = 16
PADDED_BATCH = 8
LONGEST_S = 12.0  # the unmasked padding loop would take minutes over one long recording and its mates

_worker: SpeechEncoder


def peer_kmeans(config: HubertUnitsConfig) -> KMeans:
    """The same centroids in scikit-learn's hands."""
    centroids = load_codebook(config.codebook_path).centroids
    model = KMeans(len(centroids), n_init=1, max_iter=1).fit(centroids)
    model.cluster_centers_ = centroids
    return model


def loop(model: HubertModel, kmeans: KMeans, padded: Sequence[torch.Tensor], layer: int) -> list[TokenIds]:
    found = []
    with torch.inference_mode():
        for samples in padded:
            states = model(samples[None], output_hidden_states=True).hidden_states[layer][0]
            found.append(kmeans.predict(states.numpy()))
    return found


def padding_loop(model: HubertModel, kmeans: KMeans, padded: Sequence[torch.Tensor], layer: int) -> list[TokenIds]:
    """Batches in the order of the files, zeros behind the shorter ones, no mask."""
    found = []
    with torch.inference_mode():
        for at in range(0, len(padded), PADDED_BATCH):
            group = padded[at : at + PADDED_BATCH]
            states = model(pad_sequence(list(group), batch_first=True), output_hidden_states=True).hidden_states[layer]
            for samples, each in zip(group, states, strict=True):
                found.append(kmeans.predict(each[: (len(samples) - 80) // 320].numpy()))
    return found


def ours(encoder: SpeechEncoder, waveforms: Sequence[Waveform]) -> list[TokenIds]:
    return [ids for at in range(0, len(waveforms), BATCH) for ids in encoder.encode(waveforms[at : at + BATCH])]


def _open(config: HubertUnitsConfig) -> None:
    global _worker
    torch.set_num_threads(1)
    _worker = config.load()


def _work(waveforms: Sequence[Waveform]) -> list[TokenIds]:
    return _worker.encode(waveforms)


def timed(run, *arguments) -> tuple[float, list[TokenIds]]:
    started = time.perf_counter()
    found = run(*arguments)
    return time.perf_counter() - started, found


def compare(model: HubertModel, config: HubertUnitsConfig, waveforms: list[Waveform], cores: int) -> dict[str, object]:
    layer, kmeans, encoder = config.layer, peer_kmeans(config), config.load()
    padded = [encoder._extractor.extractor.padded(waveform) for waveform in waveforms]  # type: ignore[attr-defined]
    audio_s = sum(map(len, waveforms)) / SAMPLE_RATE_HZ
    torch.set_num_threads(1)
    loop(model, kmeans, padded[:2], layer)
    ours(encoder, waveforms[:2])
    loop_one, expected = timed(loop, model, kmeans, padded, layer)
    ours_one, found = timed(ours, encoder, waveforms)
    unmasked = padding_loop(model, kmeans, padded, layer)
    torch.set_num_threads(cores)
    loop_all, _ = timed(loop, model, kmeans, padded, layer)
    torch.set_num_threads(1)
    half = config.model_copy(update={"precision": "bf16"}).load()
    ours(half, waveforms[:2])
    half_one, found_in_half = timed(ours, half, waveforms)
    # the longest first, so that the processes end together
    order = sorted(waveforms, key=len, reverse=True)
    groups = [order[at : at + BATCH] for at in range(0, len(order), BATCH)]
    context = multiprocessing.get_context("spawn")
    with context.Pool(cores, initializer=_open, initargs=(config,)) as pool:
        pool.map(_work, [waveforms[:1]] * (4 * cores), chunksize=1)
        ours_all, _ = timed(lambda: pool.map(_work, groups, chunksize=1))
    return {
        "tokens": sum(map(len, expected)),
        "equal_share": round(equal_share(expected, found), 6),
        "equal_share_of_the_unmasked_padding_loop": round(equal_share(expected, unmasked), 6),
        "one_thread": speeds(audio_s, loop_one, ours_one),
        f"all_{cores}_cores": speeds(audio_s, loop_all, ours_all),
        "in_bf16": {
            "equal_share": round(equal_share(expected, found_in_half), 6),
            "one_thread": speeds(audio_s, loop_one, half_one),
        },
    }


def speeds(audio_s: float, loop_s: float, ours_s: float) -> dict[str, float]:
    return {
        "loop_x_real_time": round(audio_s / loop_s, 2),
        "ours_x_real_time": round(audio_s / ours_s, 2),
        "times_faster": round(loop_s / ours_s, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=int, default=60, help="recordings")
    parser.add_argument("--layers", type=int, nargs="+", default=[6, 11])
    args = parser.parse_args()

    cores = len(os.sched_getaffinity(0))
    waveforms = bundled_speech(args.limit, longest_s=LONGEST_S)
    figures: dict[str, object] = {
        "recordings": len(waveforms),
        "seconds": round(sum(map(len, waveforms)) / SAMPLE_RATE_HZ, 1),
        "shortest_and_longest_seconds": [round(f(map(len, waveforms)) / SAMPLE_RATE_HZ, 2) for f in (min, max)],
    }
    with tempfile.TemporaryDirectory() as folder:
        path = random_hubert(Path(folder) / "hubert")
        model = HubertModel.from_pretrained(path).eval()
        for layer in args.layers:
            config = fitted(path, layer, waveforms, device="cpu")
            figures[f"layer_{layer}"] = compare(model, config, waveforms, cores)
            print(f"layer {layer}: {figures[f'layer_{layer}']}", flush=True)
    print(save("throughput", figures))


if __name__ == "__main__":
    main()
