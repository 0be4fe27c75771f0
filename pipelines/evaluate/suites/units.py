"""How well unit codes tell phones apart, and how a codebook is used.

PNMI, phone purity and cluster purity as in HuBERT (Hsu et al. 2021, section IV-E), at the middle of each unit's frame.
PNMI and purities rise with the number of codes and the smallness of the sample: compare codebooks on the same data.
``code_perplexity`` is the number that ``plait fit units`` reports, here of these data.

Layout of TIMIT: audio with a ``.phn`` of the same name, ``first_sample last_sample phone`` a line.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pipelines.backends import resolve_backends
from pipelines.evaluate.records import AUDIO_SUFFIXES
from pipelines.evaluate.suite import Figure, Outcome, Request, Row, Settings, Suite
from pipelines.yaml_config import read_yaml
from schemas.errors import RecordError, UserError
from schemas.records import SAMPLE_RATE_HZ, SourceRow, TokenIds
from transforms.audio_reader import AudioReader
from transforms.encoder import SpeechEncoderConfig

# 61 phones of TIMIT to 39 (Lee and Hon 1989); ``q`` is left out.
FOLD = {
    **dict.fromkeys(["ax", "ax-h"], "ah"),
    **dict.fromkeys(["pcl", "tcl", "kcl", "bcl", "dcl", "gcl", "h#", "pau", "epi"], "sil"),
    **{"axr": "er", "ix": "ih", "ux": "uw", "ao": "aa", "el": "l", "em": "m", "en": "n", "nx": "n", "eng": "ng"},
    **{"hv": "hh", "zh": "sh"},
}
_BATCH = 32

Labels = list[tuple[int, int, str]]


class UnitsSettings(Settings):
    """What units tell of phones.

    Args:
        job: Corpus job whose units encoder is taken; the bundled one if unset.
        phones: ``'39'`` folds TIMIT's labels, ``as_labelled`` leaves them.
    """

    job: str | None = None
    phones: Literal["as_labelled", "39"] = "as_labelled"


def read_labels(path: Path) -> Labels:
    """Phones as (start sample, end sample, name).

    Raises:
        UserError: A line is malformed, or phones overlap.
    """
    labels: Labels = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        cells = line.split()
        if not cells:
            continue
        try:
            start, end, name = int(cells[0]), int(cells[1]), cells[2]
        except (IndexError, ValueError) as error:
            raise UserError(f"{path}:{number}: expected `first_sample last_sample phone`, not {line!r}") from error
        if end < start or (labels and start < labels[-1][1]):
            raise UserError(f"{path}:{number}: the phone {name} ends before it begins, or overlaps the one before")
        labels.append((start, end, name))
    if not labels:
        raise UserError(f"{path}: no phones in it")
    return labels


def read_labelled(data: Path, *, limit: int | None) -> list[tuple[Path, Labels]]:
    """Recordings with their phones, sorted by path.

    Raises:
        UserError: There are none, or a file is wrong.
    """
    if not data.exists():
        raise UserError(f"{data}: no such folder")
    found = []
    for labels in sorted([*data.rglob("*.phn"), *data.rglob("*.PHN")])[:limit]:
        suffixes = [*AUDIO_SUFFIXES, *(suffix.upper() for suffix in AUDIO_SUFFIXES)]
        audio = [path for suffix in suffixes if (path := labels.with_suffix(suffix)).is_file()]
        if not audio:
            raise UserError(f"{labels}: no audio of the same name beside it")
        found.append((audio[0], read_labels(labels)))
    if not found:
        raise UserError(f"{data}: no .phn below it; expected audio with phones as TIMIT has them")
    return found


def phones_at_frames(labels: Labels, frames: int, *, hop_samples: int, fold: bool) -> list[str | None]:
    """The phone at the middle of each frame; None outside the labels and for what folding leaves out."""
    starts = np.array([start for start, _, _ in labels])
    middles = np.arange(frames) * hop_samples + hop_samples // 2
    found: list[str | None] = []
    for middle, index in zip(middles, np.searchsorted(starts, middles, side="right") - 1, strict=True):
        name = labels[index][2] if index >= 0 and middle < labels[index][1] else None
        found.append(FOLD.get(name, name) if fold and name is not None else name)
    return [None if fold and name == "q" else name for name in found]


def unit_quality(
    labels: Sequence[Labels], ids: Sequence[TokenIds], *, hop_samples: int, codebook_size: int, fold: bool
) -> dict[str, float]:
    """Figures of codes against phones.

    Raises:
        UserError: No frame has a phone, or all have the same.
    """
    pairs = [
        (phone, int(code))
        for phones, codes in zip(labels, ids, strict=True)
        for phone, code in zip(
            phones_at_frames(phones, len(codes), hop_samples=hop_samples, fold=fold), codes, strict=True
        )
        if phone is not None
    ]
    names = sorted({phone for phone, _ in pairs})
    if len(names) < 2:
        raise UserError(f"units: the labelled frames have {len(names)} kinds of phones; two are needed at least")
    joint = np.zeros((len(names), codebook_size))
    place = {name: index for index, name in enumerate(names)}
    np.add.at(joint, ([place[phone] for phone, _ in pairs], [code for _, code in pairs]), 1)
    joint /= joint.sum()
    phone, unit, seen = joint.sum(1), joint.sum(0), joint > 0
    information = float((joint[seen] * np.log(joint[seen] / np.outer(phone, unit)[seen])).sum())
    used = unit[unit > 0]
    tokens = sum(1 + int((np.diff(codes) != 0).sum()) for codes in ids if len(codes))
    seconds = sum(len(codes) for codes in ids) * hop_samples / SAMPLE_RATE_HZ
    entropy_bits = -float((used * np.log2(used)).sum())
    return {
        "PNMI": information / -float((phone * np.log(phone)).sum()),
        "phone purity": float(joint.max(0).sum()),
        "cluster purity": float(joint.max(1).sum()),
        "codes used, share": len(used) / codebook_size,
        "code perplexity": 2.0**entropy_bits,
        "deduplicated tokens a second": tokens / seconds,
        "bits a second": tokens / seconds * entropy_bits,
    }


def units_encoder(job: str | None) -> SpeechEncoderConfig:
    """The units encoder of a corpus job, the bundled one if None.

    Raises:
        UserError: The job is wrong.
    """
    sections: dict[str, Any] = read_yaml(job) if job else {}
    found: SpeechEncoderConfig = resolve_backends(sections, ("units",), where=job or "evaluate units")["units"]
    return found


def _run(_: Callable[[], Any], request: Request) -> Outcome:
    settings: UnitsSettings = request.settings
    recordings = read_labelled(request.data, limit=request.limit)
    config, reader = units_encoder(settings.job), AudioReader()
    encoder = config.load()
    ids: list[TokenIds] = []
    for first in range(0, len(recordings), _BATCH):
        waveforms = []
        for path, _labels in recordings[first : first + _BATCH]:
            try:
                waveforms.append(reader.decode(SourceRow(path.stem, str(path), ""))[0])
            except RecordError as error:
                raise UserError(f"cannot read {path}: {error.detail}") from error
        ids += encoder.encode(waveforms)
        request.say(f"{len(ids)} of {len(recordings)} recordings")
    figures = unit_quality(
        [labels for _, labels in recordings],
        ids,
        hop_samples=config.hop_samples,
        codebook_size=config.codebook_size,
        fold=settings.phones == "39",
    )
    frames = sum(map(len, ids))
    rows: list[Row] = [
        {"key": path.stem, "frames": len(codes)} for (path, _), codes in zip(recordings, ids, strict=True)
    ]
    about = {"encoder": config.fingerprint, "codes": config.codebook_size, "hop_samples": config.hop_samples}
    return Outcome([Figure("units", name, value, frames) for name, value in figures.items()], rows, about)


UNITS = Suite(
    title="what units tell of phones, and how the codebook is used; no model",
    data="phones",
    public=("TIMIT",),
    layout="audio with a .phn of the same name, in any depth",
    run=_run,
    uses_model=False,
    settings=UnitsSettings,
)
