"""What style codes hear: changes of a recording that they ought to hear, those they ought not to, and the speaker.

    python -m benchmarks.style [--also FOLDER_OF_SPEAKERS] [--limit 5]

The held-out prompts of ``examples/asterisk-en`` are changed in known ways and encoded again. For each change:

- ``codes_changed``: share of the seconds whose code is another one.
- ``distance``: mean distance in the codebook's space between a second and the same second changed, over that between
  two seconds drawn at random; 1 is as far apart as any two.

``nuisances`` are no style, ``styles`` are, as far as signal processing makes one out of a recording. With ``--also``, a
folder of folders of ``.wav`` files, one a speaker: how much of what a code says is who speaks (``speaker_information``,
mutual information over the speakers' entropy, less that of codes dealt out at random).
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import soxr

from benchmarks.bundled import heldout_prompts
from benchmarks.pitch import read
from benchmarks.record import save
from schemas.records import SAMPLE_RATE_HZ, TokenIds, Waveform
from transforms.kmeans import load_codebook
from transforms.style.features import style_features
from transforms.style.prosody import ProsodyStyleConfig

Change = Callable[[Waveform, np.random.Generator], Waveform]
_BREATH_WINDOW = 400


def softer(waveform: Waveform, _: np.random.Generator) -> Waveform:
    return waveform * np.float32(0.1)


def noisy(waveform: Waveform, rng: np.random.Generator) -> Waveform:
    """White noise 30 dB below the recording."""
    level = np.sqrt((waveform**2).mean()) * 10 ** (-30 / 20)
    return (waveform + rng.normal(0, level, len(waveform))).astype(np.float32)


def telephone(waveform: Waveform, _: np.random.Generator) -> Waveform:
    """8 bits by mu-law."""
    squeezed = np.sign(waveform) * np.log1p(255 * np.abs(np.clip(waveform, -1, 1))) / np.log(256)
    stepped = np.round(squeezed * 127) / 127
    return (np.sign(stepped) * (256 ** np.abs(stepped) - 1) / 255).astype(np.float32)


def moved(waveform: Waveform, _: np.random.Generator) -> Waveform:
    """20 ms of silence before: everything is where it was, but for the cuts between seconds."""
    return np.pad(waveform, (320, 0))[: len(waveform)]


def excited(waveform: Waveform, _: np.random.Generator) -> Waveform:
    """A fifth faster and higher, as of a tape; cut or filled to the old length."""
    faster = soxr.resample(waveform, 1.2 * SAMPLE_RATE_HZ, SAMPLE_RATE_HZ)
    return np.resize(faster, len(waveform)).astype(np.float32)


def breathed(waveform: Waveform, rng: np.random.Generator) -> Waveform:
    """Without voice: frames of 25 ms keep their spectrum's size and lose its phases, as in a whisper."""
    half = _BREATH_WINDOW // 2
    padded = np.pad(waveform, (half, _BREATH_WINDOW))
    out, window = np.zeros(len(padded)), np.hanning(_BREATH_WINDOW + 1)[:-1]
    for start in range(0, len(padded) - _BREATH_WINDOW, half):
        spectrum = np.abs(np.fft.rfft(padded[start : start + _BREATH_WINDOW] * window))
        phases = np.exp(2j * np.pi * rng.random(len(spectrum)))
        out[start : start + _BREATH_WINDOW] += np.fft.irfft(spectrum * phases, _BREATH_WINDOW)
    return out[half : half + len(waveform)].astype(np.float32)


def fading(waveform: Waveform, _: np.random.Generator) -> Waveform:
    """20 dB softer by the end of each second."""
    at_s = np.arange(len(waveform)) % SAMPLE_RATE_HZ / SAMPLE_RATE_HZ
    return (waveform * 10.0**-at_s).astype(np.float32)


NUISANCES: tuple[Change, ...] = (softer, noisy, telephone, moved)
STYLES: tuple[Change, ...] = (excited, breathed, fading)


def heard(waveforms: Sequence[Waveform], change: Change, config: ProsodyStyleConfig) -> dict[str, float]:
    """Figures of one change over all seconds."""
    rng = np.random.default_rng(0)
    changed = [change(waveform, rng) for waveform in waveforms]
    encoder, codebook = config.load(), load_codebook(config.codebook_path)
    before, after = (np.concatenate(encoder.encode(each)) for each in (waveforms, changed))
    spaces = [np.concatenate([codebook.project(style_features(w)) for w in each]) for each in (waveforms, changed)]
    others = spaces[0][rng.permutation(len(spaces[0]))]
    moved_by, apart = (np.linalg.norm(spaces[0] - each, axis=1).mean() for each in (spaces[1], others))
    return {"codes_changed": round(float((before != after).mean()), 4), "distance": round(float(moved_by / apart), 4)}


def speaker_information(codes: Sequence[TokenIds], speakers: Sequence[str]) -> float:
    """Mutual information of code and speaker over the speakers' entropy, less what chance gives."""
    names = {name: index for index, name in enumerate(sorted(set(speakers)))}
    owner = np.concatenate([np.full(len(ids), names[name]) for ids, name in zip(codes, speakers, strict=True)])
    ids, rng = np.concatenate(list(codes)), np.random.default_rng(0)
    by_chance = np.mean([_information(rng.permutation(ids), owner) for _ in range(20)])
    entropy = _information(owner, owner)
    return round(float((_information(ids, owner) - by_chance) / (entropy - by_chance)), 4)


def _information(first: TokenIds, second: TokenIds) -> float:
    joint = np.zeros((first.max() + 1, second.max() + 1))
    np.add.at(joint, (first, second), 1 / len(first))
    expected = joint.sum(1, keepdims=True) * joint.sum(0)
    there = joint > 0
    return float((joint[there] * np.log2(joint[there] / expected[there])).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--also", type=Path, help="a folder of folders of .wav files, one a speaker")
    parser.add_argument("--limit", type=int, help="first N recordings of each, for a trial")
    args = parser.parse_args()

    config = ProsodyStyleConfig()
    waveforms = [utterance.waveform for utterance in heldout_prompts()[: args.limit]]
    codes = config.load().encode(waveforms)
    figures: dict[str, object] = {
        "fingerprint": config.fingerprint,
        "seconds": sum(map(len, codes)),
        "codes_used": len(np.unique(np.concatenate(codes))),
        "nuisances": {change.__name__: heard(waveforms, change, config) for change in NUISANCES},
        "styles": {change.__name__: heard(waveforms, change, config) for change in STYLES},
    }
    if args.also is not None:
        paths = sorted(args.also.rglob("*.wav"))[: args.limit]
        theirs = config.load().encode([read(path) for path in paths])
        speakers = [path.parent.name for path in paths]
        figures["speakers"] = len(set(speakers))
        figures["speaker_information"] = speaker_information(theirs, speakers)
    print(save("style", figures).read_text())


if __name__ == "__main__":
    main()
