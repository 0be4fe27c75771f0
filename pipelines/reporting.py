"""`plait report`: gathers what a run's folder holds into its HTML report."""

import json
from collections.abc import Iterator
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from platform import python_version
from typing import Any

import soundfile as sf

from pipelines.files import exists, join, local_path, read_text
from pipelines.metrics import read_metrics
from pipelines.report import (
    ErrorRate,
    GeneratedSample,
    Histogram,
    LossCurve,
    ReportData,
    SampleUtterance,
    StreamSegment,
    dropped_causes,
    readable_segments,
    write_report,
)
from pipelines.run_folder import RunFolder
from pipelines.samples import read_samples_index
from pipelines.store import MANIFEST, ShardSet, parse_sequence, parse_utterance, read_samples, read_waveform
from pipelines.verify import read_dropped
from schemas.errors import UserError
from schemas.records import SAMPLE_RATE_HZ, STREAM_KINDS, StoredUtterance, Waveform
from schemas.vocabulary import VocabularyLayout
from transforms.text.tokenizer import load_tokenizer

SHOWN = 6
LONGEST_SHOWN_S = 8.0
SHOWN_FROM = 200
HISTOGRAM_SAMPLE = 20_000
STAGE_ORDER = ("decode", "align", *STREAM_KINDS, "write", "tokenizer", "bake")
_UNITS = {
    "log_likelihood": "nats a frame",
    "worst_words": "nats a frame",
    "worst_excess": "log-odds of the worst word, above what is allowed",
    "words_per_s": "words a second",
    "letters_per_s": "letters a second",
    "_ms": "ms",
    "_s": "s",
    "_sample": "samples of 16 kHz",
    "coverage": "share of the loud energy",
    "_ratio": "share of the words",
    "share_kept": "share of the words",
    "words_heard": "share of the words",
    "words_heard_when_cut": "share of the words",
}  # of scores, by the ends of their names
PACKAGES = ("plait", "torch", "transformers", "ray", "pocketsphinx", "torchfcpe", "webdataset")


def stored_utterances(corpus: str) -> Iterator[tuple[StoredUtterance, Waveform | None]]:
    """All of a token store, each with its audio where the store keeps audio."""
    store = ShardSet(corpus)
    for entry in store.manifest.shards:
        for _, sample in read_samples(store.shard_url(entry)):
            yield parse_utterance(sample), read_waveform(sample)


def report(output: str) -> Path:
    """Write ``report.html`` of a run; a model in ``model/`` and answers in ``samples/`` are shown where they are.

    Raises:
        UserError: The folder holds no finished run.
    """
    folder = RunFolder(output)
    path = local_path(output)
    if path is None:
        raise UserError(f"{output}: a report is written to a local folder; copy the run first")
    metrics = read_metrics(output)
    if "corpus" not in metrics:
        raise UserError(f"{output}: no finished run there; give the output folder of `plait run`")
    figures = metrics["corpus"]
    seconds, tokens = figures["seconds_by_stage"], figures["tokens_by_kind"]
    # ids are spread over shards by hash, so the first shards are a sample
    records = list(islice(ShardSet(folder.corpus).utterances(), HISTOGRAM_SAMPLE))
    data = ReportData(
        title=f"Plait: {path.name}",
        inputs=figures["utterances"],
        utterances=figures["in_shards"],
        speech_s=figures["hours"] * 3600,
        words=figures["words_aligned"],
        tokens={kind: tokens[kind] for kind in ("text", *STREAM_KINDS) if kind in tokens},
        tokens_per_s=figures["speech_tokens_per_second"],
        without_a_switch=figures.get("interleaved_without_a_switch"),
        dropped=dropped_causes(read_dropped(folder.dropped)),
        samples=tuple(_shown(folder)),
        histograms=tuple(_histograms(records)),
        loss=_loss(path / "model" / "log.jsonl"),
        generated=tuple(_generated(path / "samples")),
        error_rates=tuple(_error_rates(metrics.get("resynthesis"))),
        seconds_by_stage={name: seconds[name] for name in STAGE_ORDER if name in seconds},
        provenance={
            "versions": {"python": python_version(), **{name: version(name) for name in PACKAGES}},
            "fingerprints": {info.kind: info.fingerprint for info in ShardSet(folder.corpus).manifest.streams},
        },
        config=read_text(join(output, "run.yaml")),
    )
    return Path(write_report(path, data))


def _shown(folder: RunFolder) -> Iterator[SampleUtterance]:
    """Utterances of a few seconds, spread over the corpus, with their interleaved stream where one was baked."""
    chosen = {pair[0].utterance_id: pair for pair in _chosen(folder)}
    segments = dict(_segments(folder, set(chosen)))
    for utterance_id, (record, waveform) in chosen.items():
        yield SampleUtterance(record, waveform, segments.get(utterance_id, ()))


def _chosen(folder: RunFolder) -> list[tuple[StoredUtterance, Waveform | None]]:
    """Some of 2 to 8 s, and more than four words where there are words; where there are none such, the shortest."""
    first = list(islice(stored_utterances(folder.corpus), SHOWN_FROM))
    fit = [
        pair
        for pair in first
        if 2 * SAMPLE_RATE_HZ <= pair[0].num_samples <= LONGEST_SHOWN_S * SAMPLE_RATE_HZ
        and (len(pair[0].words) > 4 or not pair[0].words)
    ]
    if not fit:
        return sorted(first, key=lambda pair: (pair[0].num_samples, pair[0].utterance_id))[:SHOWN]
    return fit[:: max(1, len(fit) // SHOWN)][:SHOWN]


def _segments(folder: RunFolder, wanted: set[str]) -> Iterator[tuple[str, tuple[StreamSegment, ...]]]:
    """Of the wanted utterances; no shard is opened once all were met."""
    if not exists(join(folder.interleaved(0), MANIFEST)):
        return
    baked = ShardSet(folder.interleaved(0))
    layout = VocabularyLayout.from_json(baked.manifest.details["layout"])
    tokenizer = load_tokenizer(Path(folder.tokenizer))
    missing = set(wanted)
    for entry in baked.manifest.shards:
        for utterance_id, sample in read_samples(baked.shard_url(entry)) if missing else ():
            if utterance_id in missing:
                missing.remove(utterance_id)
                yield utterance_id, readable_segments(parse_sequence(sample), layout, tokenizer.decode)


def _histograms(records: list[StoredUtterance]) -> Iterator[Histogram]:
    for name in sorted({name for record in records for name in record.alignment}):
        values = [record.alignment[name] for record in records if name in record.alignment]
        yield Histogram(name, unit_of(name), values)


def unit_of(score: str) -> str:
    """What a score of an alignment counts, by the end of its name; blank for one that is not known here."""
    return next((unit for end, unit in _UNITS.items() if score.endswith(end)), "")


def _loss(path: Path) -> LossCurve | None:
    if not path.is_file():
        return None
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]  # the rest is what a killed training left unfinished
    logged: list[dict[str, Any]] = [json.loads(line) for line in lines]
    names = [name for name in ("loss", "text", "speech") if all(name in entry for entry in logged)]
    return LossCurve([entry["step"] for entry in logged], {name: [entry[name] for entry in logged] for name in names})


def _generated(folder: Path) -> Iterator[GeneratedSample]:
    for answer in read_samples_index(folder):
        yield GeneratedSample(
            task=answer.task.replace("-", " "),
            prompt_text=answer.prompt_text,
            prompt_waveform=_wav(folder, answer.prompt_wav),
            output_text=answer.text,
            output_waveform=_wav(folder, answer.wav),
        )


def _wav(folder: Path, name: str) -> Waveform | None:
    if not name or not (folder / name).is_file():
        return None
    waveform, _ = sf.read(folder / name, dtype="float32")
    return waveform  # type: ignore[no-any-return]


def _error_rates(figures: dict[str, Any] | None) -> Iterator[ErrorRate]:
    if figures is None:
        return
    names = {
        "wer_original": "original",
        "wer_expressive": "re-synthesised, EXPRESSIVE",
        "wer_base": "re-synthesised, BASE",
    }
    for key, name in names.items():
        yield ErrorRate(name, figures[key], int(figures["utterances"]), "held-out recordings, by Whisper tiny.en")
