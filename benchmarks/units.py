"""How well units tell phones apart: PNMI against hand labels and ABX, beside other features clustered on other speech.

    python -m benchmarks.units FOLDER_WITH_TIMIT_DEV [--hubert out/fit/hubert/model --layers 2 3] [--limit 8]

Rows: the bundled codebooks, of Whisper and of the small HuBERT; 500 clusters of the same Whisper layer as it is (no
whitening), of MFCCs, and of layers of a HuBERT if one is named, fitted on the bundled English prompts less the held-out
ones. PNMI (Hsu et al. 2021, section IV-E) rises with the number of clusters and with the smallness of the sample:
compare only rows of one run.
``phones_61`` takes the labels as they are, ``phones_39`` folds them (Lee and Hon 1989) and leaves out ``q``. ABX is
the within-speaker error over the folded phones in any context, 20 tokens a phone and speaker.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
import torch

from benchmarks.record import save
from pipelines.evaluate.suites.units import Labels, read_labelled, unit_quality
from pipelines.fit.abx import abx_error, choose_items
from pipelines.fit.abx_items import items_of_labels
from pipelines.fit.frames import sample_frames
from pipelines.fit.hubert_targets import mfcc_39
from pipelines.fit.job import load_fit, recordings_of
from pipelines.fit.kmeans import Projection, fit_codebook, standardisation, whitening
from schemas.records import SAMPLE_RATE_HZ, TokenIds, Waveform
from transforms.kmeans import Codebook, Features, load_codebook
from transforms.units.hubert import HubertUnitsConfig
from transforms.units.whisper import WhisperUnitsConfig

CLUSTERS = 500
ITERATIONS = 60
ABX_ITEMS = 20
_BATCH = 32

Extract = Callable[[Sequence[Waveform]], list[Features]]


def as_it_is(frames_ND: Features) -> Projection:
    """No projection."""
    dim = frames_ND.shape[1]
    return np.zeros(dim, np.float32), np.eye(dim, dtype=np.float32)


def in_batches(extract: Extract, waveforms: Sequence[Waveform]) -> Iterator[Features]:
    for at in range(0, len(waveforms), _BATCH):
        yield from extract(waveforms[at : at + _BATCH])


def fitted(extract: Extract, speech: Sequence[Waveform], space: Callable[[Features], Projection]) -> Codebook:
    named = ((f"{place:06d}", frames) for place, frames in enumerate(in_batches(extract, speech)))
    sample = sample_frames(named, max_frames=200_000, seed=0)
    clusters = min(CLUSTERS, len(sample) // 4)
    codebook, _ = fit_codebook(
        sample, space=space, clusters=clusters, iterations=ITERATIONS, seed=0, say=lambda _: None
    )
    return codebook


def judged(
    features: Sequence[Features], codebook: Codebook, labels: Sequence[Labels], speakers: Sequence[str], hop: int
) -> dict[str, float]:
    """PNMI and purities by the kind of phones; ABX of features, of their centroids and of codes as mere symbols."""
    ids: list[TokenIds] = [codebook.assign(each) for each in features]
    figures: dict[str, float] = {}
    for phones, fold in (("phones_61", False), ("phones_39", True)):
        found = unit_quality(labels, ids, hop_samples=hop, codebook_size=codebook.size, fold=fold)
        figures |= {f"pnmi_{phones}": found["PNMI"], f"phone_purity_{phones}": found["phone purity"]}
    figures["codes_used_share"] = found["codes used, share"]
    figures["deduplicated_tokens_a_second"] = found["deduplicated tokens a second"]
    items = items_of_labels(labels, speakers, [len(e) for e in ids], hop_samples=hop, context="phone", fold=True)
    items = choose_items(items, max_items=ABX_ITEMS, rng=np.random.default_rng(0))
    spaces = {"features": features, "centroids": [codebook.centroids[each] for each in ids], "codes": ids}
    for name, frames in spaces.items():
        error = abx_error(frames, items)
        figures |= {} if error.error is None else {f"abx_error_of_{name}": error.error}
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("timit", type=Path, help="folder with .wav and .phn files, searched in depth")
    parser.add_argument("--hubert", type=Path, help="folder of a HuBERT, as `plait fit hubert` writes it")
    parser.add_argument("--layers", type=int, nargs="+", default=[3], help="its layers, a row each")
    parser.add_argument("--limit", type=int, help="first N recordings, and N of the fitting speech, for a trial")
    args = parser.parse_args()

    torch.set_num_threads(1)
    labelled = read_labelled(args.timit, limit=args.limit)
    labels, speakers = [each for _, each in labelled], [path.parent.name for path, _ in labelled]
    tested = [soundfile.read(path, dtype="float32")[0] for path, _ in labelled]
    speech = [u.waveform for u in recordings_of(load_fit("jobs/fit/units.yaml"), say=print)()][: args.limit]
    bundled = {"whisper": WhisperUnitsConfig(device="cpu"), "hubert": HubertUnitsConfig(device="cpu")}
    whisper = bundled["whisper"].load_features().features
    hop = bundled["whisper"].hop_samples

    def mfccs(waveforms: Sequence[Waveform]) -> list[Features]:
        return [mfcc_39(waveform, hop_samples=hop) for waveform in waveforms]

    rows: dict[str, tuple[Extract, Callable[[Features], Projection] | Path, int]] = {
        f"{kind}_bundled": (config.load_features().features, config.codebook_path, config.hop_samples)
        for kind, config in bundled.items()
    }
    rows |= {
        "whisper_layer_as_it_is": (whisper, as_it_is, hop),
        "mfcc_39": (mfccs, standardisation, hop),
    }
    for layer in args.layers if args.hubert else ():
        config = HubertUnitsConfig(model=str(args.hubert), layer=layer, codebook="unused", device="cpu")
        space = partial(whitening, components=128)
        rows[f"hubert_layer_{layer}"] = (config.load_features().features, space, config.hop_samples)
    figures: dict[str, object] = {
        "utterances": len(tested),
        "fitted_on_utterances": len(speech),
    }
    for kind, config in bundled.items():
        encoder, started = config.load(), time.perf_counter()
        encoder.encode(tested)
        rate = sum(map(len, tested)) / SAMPLE_RATE_HZ / (time.perf_counter() - started)
        figures |= {f"{kind}_fingerprint": config.fingerprint, f"{kind}_x_real_time_one_thread": round(rate, 1)}
    for name, (extract, fit_in, row_hop) in rows.items():
        codebook = load_codebook(fit_in) if isinstance(fit_in, Path) else fitted(extract, speech, fit_in)
        found = judged(list(in_batches(extract, tested)), codebook, labels, speakers, row_hop)
        figures[name] = {"clusters": codebook.size, **{key: round(value, 4) for key, value in found.items()}}
        print(name, figures[name], flush=True)
    print(save("units", figures))


if __name__ == "__main__":
    main()
