"""How well the units tell phones apart: PNMI against hand labels, beside MFCCs clustered on the same speech.

    python -m benchmarks.units FOLDER_WITH_TIMIT_DEV

PNMI (Hsu et al. 2021, section IV-E): mutual information of phone and unit over the entropy of phones, at the middle
of each unit's frame. It rises with the number of clusters and with the smallness of the sample: compare only rows of
one run. ``phones_61`` takes the labels as they are, ``phones_39`` folds them (Lee and Hon 1989) and leaves out ``q``.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import soundfile
import torch
import torchaudio
import typer

from benchmarks.record import save
from pipelines.fit.job import load_fit, recordings_of
from pipelines.fit.kmeans import fit_codebook, standardisation
from schemas.records import SAMPLE_RATE_HZ, TokenIds, Waveform
from transforms.kmeans import Features
from transforms.units.whisper import HOP_SAMPLES, WhisperUnitsConfig

FOLD = {
    **dict.fromkeys(["ax", "ax-h"], "ah"),
    **dict.fromkeys(["pcl", "tcl", "kcl", "bcl", "dcl", "gcl", "h#", "pau", "epi"], "sil"),
    **{"axr": "er", "ix": "ih", "ux": "uw", "ao": "aa", "el": "l", "em": "m", "en": "n", "nx": "n", "eng": "ng"},
    **{"hv": "hh", "zh": "sh"},
}
Labels = list[tuple[int, int, str]]


def read_labels(path: Path) -> Labels:
    """Phones as (start sample, end sample, name)."""
    lines = (line.split() for line in path.read_text().splitlines())
    return [(int(start), int(end), name) for start, end, name in lines]


def phone_at(labels: Labels, sample: int) -> str | None:
    return next((name for start, end, name in labels if start <= sample < end), None)


def pnmi(labels: Sequence[Labels], ids: Sequence[TokenIds], *, fold: bool) -> tuple[float, float]:
    """PNMI and the share of frames whose unit's commonest phone is theirs."""
    pairs: list[tuple[str, int]] = []
    for phones, codes in zip(labels, ids, strict=True):
        for frame, code in enumerate(codes.tolist()):
            name = phone_at(phones, frame * HOP_SAMPLES + HOP_SAMPLES // 2)
            if name is None or (fold and name == "q"):
                continue
            pairs.append((FOLD.get(name, name) if fold else name, code))
    names = sorted({name for name, _ in pairs})
    joint = np.zeros((len(names), max(code for _, code in pairs) + 1))
    np.add.at(joint, ([names.index(name) for name, _ in pairs], [code for _, code in pairs]), 1)
    joint /= joint.sum()
    phone, unit = joint.sum(1), joint.sum(0)
    seen = joint > 0
    information = (joint[seen] * np.log(joint[seen] / np.outer(phone, unit)[seen])).sum()
    return float(information / -(phone * np.log(phone)).sum()), float(joint.max(0).sum())


def mfcc_39(waveform: Waveform) -> Features:
    """13 MFCCs with two orders of deltas, averaged to 25 Hz."""
    frames = -(-len(waveform) // HOP_SAMPLES)
    padded = torch.from_numpy(np.pad(waveform, (0, frames * HOP_SAMPLES - len(waveform))))
    spectrogram = {"n_fft": 400, "hop_length": 160, "n_mels": 40}
    cepstra = torchaudio.transforms.MFCC(SAMPLE_RATE_HZ, 13, melkwargs=spectrogram)(padded)[:, : 4 * frames]
    deltas = torchaudio.functional.compute_deltas(cepstra)
    stacked = torch.cat([cepstra, deltas, torchaudio.functional.compute_deltas(deltas)])
    pooled: npt.NDArray[np.float32] = stacked.view(39, frames, 4).mean(2).T.numpy()
    return pooled


def mfcc_units(waveforms: Iterable[Waveform], tested: Sequence[Waveform], clusters: int) -> list[TokenIds]:
    frames = np.concatenate([mfcc_39(waveform) for waveform in waveforms])
    codebook, _ = fit_codebook(
        frames,
        space=standardisation,
        clusters=clusters,
        iterations=60,
        rng=np.random.default_rng(0),
        say=lambda _: None,
    )
    return [codebook.assign(mfcc_39(waveform)) for waveform in tested]


def fitting_speech() -> Iterator[Waveform]:
    recordings = recordings_of(load_fit("jobs/fit/units.yaml"), say=print)
    return (utterance.waveform for utterance in recordings())


def main(
    timit: Annotated[Path, typer.Argument(help="Folder with .wav and .phn files, searched in depth.")],
) -> None:
    torch.set_num_threads(1)
    paths = sorted(timit.rglob("*.wav"))
    labels = [read_labels(path.with_suffix(".phn")) for path in paths]
    waveforms = [soundfile.read(path, dtype="float32")[0] for path in paths]
    config = WhisperUnitsConfig(device="cpu")
    encoder = config.load()
    started = time.perf_counter()
    units = encoder.encode(waveforms)
    seconds = time.perf_counter() - started
    rows = {"whisper": units, "mfcc_39": mfcc_units(fitting_speech(), waveforms, config.codebook_size)}
    audio_s = sum(map(len, waveforms)) / SAMPLE_RATE_HZ
    figures: dict[str, object] = {
        "utterances": len(paths),
        "frames": sum(map(len, units)),
        "clusters": config.codebook_size,
        "whisper_fingerprint": config.fingerprint,
        "whisper_x_real_time_one_thread": audio_s / seconds,
        "whisper_deduplicated_tokens_a_second": sum(1 + int((np.diff(ids) != 0).sum()) for ids in units) / audio_s,
    }
    for name, ids in rows.items():
        for fold in (False, True):
            value, purity = pnmi(labels, ids, fold=fold)
            phones = "phones_39" if fold else "phones_61"
            figures |= {f"{name}_pnmi_{phones}": value, f"{name}_phone_purity_{phones}": purity}
    rounded = {key: round(value, 4) if isinstance(value, float) else value for key, value in figures.items()}
    print(save("units", rounded).read_text())


if __name__ == "__main__":
    typer.run(main)
