"""What a units codebook tells of phones, on recordings that it was not fitted on: PNMI, purities, use, ABX."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from pipelines.evaluate.records import AUDIO_SUFFIXES
from pipelines.evaluate.suites.units import Labels, read_labelled, unit_quality
from pipelines.fit.abx import AbxError, Item, abx_error, choose_items
from pipelines.fit.abx_items import Context, items_of_file, items_of_labels, recordings_of_items
from pipelines.yaml_config import Section
from schemas.errors import RecordError, UserError
from schemas.records import SourceRow, TokenIds, Waveform
from transforms.audio_reader import AudioReader
from transforms.kmeans import Codebook, Features
from transforms.units.protocol import FeatureExtractor

_BATCH = 32


class QualityConfig(Section):
    """Recordings with known phones, kept apart from those that the clusters are fitted on.

    Args:
        data: Folder of audio, in any depth. With a ``.phn`` beside each recording (``first_sample last_sample phone`` a
            line, as TIMIT has them) its phones are known; the speaker is the name of the folder that it lies in.
        items: An item file of the Zero Resource challenges for recordings of ``data``; ABX then takes its triples, and
            there is no PNMI.
        phones: ``39`` folds TIMIT's labels (Lee and Hon 1989).
        context: ABX compares phones between the same neighbours (``triphone``, as the challenges do; it wants much
            speech) or any (``phone``).
        max_items: Tokens of each phone, speaker and context that ABX takes, drawn by the job's seed.
    """

    data: str
    items: str | None = None
    phones: Literal["as_labelled", "39"] = "as_labelled"
    context: Context = "phone"
    max_items: int = Field(default=10, ge=2)


@dataclass(frozen=True, slots=True)
class KnownRecordings:
    """Recordings, their phones where they are labelled, and the names that an item file gives them."""

    paths: list[Path]
    labels: list[Labels] | None
    names: dict[str, int]


def units_quality(
    extractor: FeatureExtractor,
    codebook: Codebook,
    known: KnownRecordings,
    config: QualityConfig,
    *,
    hop_samples: int,
    seed: int,
    say: Callable[[str], None],
) -> dict[str, float]:
    """Figures by name. ABX stands there only where there is a triple.

    Raises:
        UserError: Audio cannot be read, or there are not two kinds of phones in it.
    """
    features: list[Features] = []
    for first in range(0, len(known.paths), _BATCH):
        features += extractor.features([_read(path) for path in known.paths[first : first + _BATCH]])
        say(f"quality: {len(features)} of {len(known.paths)} recordings")
    ids = [codebook.assign(each) for each in features]
    figures: dict[str, float] = {}
    if known.labels is not None:
        found = unit_quality(
            known.labels, ids, hop_samples=hop_samples, codebook_size=codebook.size, fold=config.phones == "39"
        )
        figures = {name.lower().replace(",", "").replace(" ", "_"): value for name, value in found.items()}
    items = _items(known, [len(each) for each in ids], config, hop_samples)
    items = choose_items(items, max_items=config.max_items, rng=np.random.default_rng(seed))
    return {f"quality_{name}": value for name, value in {**figures, **_abx(features, ids, codebook, items)}.items()}


def _abx(
    features: Sequence[Features], ids: Sequence[TokenIds], codebook: Codebook, items: Sequence[Item]
) -> dict[str, float]:
    """What is lost step by step: the features, where clusters are, each frame's centroid, codes as mere symbols."""
    found: dict[str, AbxError] = {
        "features": abx_error(features, items),
        "codebook_space": abx_error([codebook.project(each) for each in features], items),
        "centroids": abx_error([codebook.centroids[each] for each in ids], items),
        "codes": abx_error(ids, items),
    }
    errors = {f"abx_error_of_{name}": each.error for name, each in found.items() if each.error is not None}
    return {**errors, "abx_triples": float(found["codes"].triples), "abx_pairs_of_phones": float(found["codes"].pairs)}


def known_recordings(config: QualityConfig) -> KnownRecordings:
    """What the settings name; no audio is read yet.

    Raises:
        UserError: A folder or a file is missing, or malformed.
    """
    folder = Path(config.data)
    if not folder.is_dir():
        raise UserError(f"fit.quality.data: no such folder: {folder}")
    if config.items is None:
        labelled = read_labelled(folder, limit=None)
        return KnownRecordings([path for path, _ in labelled], [labels for _, labels in labelled], {})
    by_name: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in AUDIO_SUFFIXES:
            by_name.setdefault(path.stem, path)
            by_name[path.relative_to(folder).with_suffix("").as_posix()] = path
    names = recordings_of_items(Path(config.items))
    missing = [name for name in names if name not in by_name]
    if missing:
        raise UserError(f"fit.quality.items: {config.items} names {missing[0]!r}, of which {folder} holds no audio")
    return KnownRecordings([by_name[name] for name in names], None, {name: index for index, name in enumerate(names)})


def _items(known: KnownRecordings, frames: list[int], config: QualityConfig, hop_samples: int) -> list[Item]:
    if known.labels is None:
        path = Path(str(config.items))
        return items_of_file(path, known.names, frames, hop_samples=hop_samples, context=config.context)
    return items_of_labels(
        known.labels,
        [path.parent.name for path in known.paths],
        frames,
        hop_samples=hop_samples,
        context=config.context,
        fold=config.phones == "39",
    )


def _read(path: Path) -> Waveform:
    try:
        return AudioReader().decode(SourceRow(path.stem, str(path), ""))[0]
    except RecordError as error:
        raise UserError(f"fit.quality.data: cannot read {path}: {error.detail}") from error
