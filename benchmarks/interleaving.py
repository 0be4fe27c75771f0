"""What interleaving does: models of one size and one number of tokens, on the same speech and text, by what they saw.

    apt-get install festival festvox-kallpc16k festvox-kdlpc16k bible-kjv
    python -m benchmarks.interleaving FOLDER [--seeds 0 1 2] [--steps 2000] [--processes 2]

``interleaved``: text, speech and interleaved documents by thirds; ``separate``: text and speech by halves; ``speech``:
speech alone. Each model chooses the end that belongs to a held-out passage's beginning from it and another passage's,
written and spoken and across, and tells its layers' likeness of the same words in both. Everything under FOLDER is kept
and gone on with. Writes results/interleaving.json, and the plot and the tables of docs/experiments/interleaving.md.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.interleaving_data import prepare
from benchmarks.record import save
from pipelines.evaluate.hidden import ModelWords, SpokenText
from pipelines.evaluate.layer_plot import layer_plot
from pipelines.evaluate.statistics import bootstrap_interval
from pipelines.evaluate.suite import Row
from pipelines.evaluate.suites.similarity import evaluate_similarity
from pipelines.evaluate.suites.storycloze import DIRECTIONS, evaluate_stories
from pipelines.evaluate.suites.storycloze_data import Story
from pipelines.infer.model import SpeechTextModel
from pipelines.infer.parts import Speech, Text
from pipelines.store import ShardSet
from schemas.records import Span, StoredUtterance, Stream
from transforms.seeds import rng_for
from transforms.streams import frames_in_span, word_spans

MIXTURES = {
    "interleaved": "{text: 1, speech: 1, interleaved: 1}",
    "separate": "{text: 1, speech: 1, interleaved: 0}",
    "speech": "{text: 0, speech: 1, interleaved: 0}",
}
MEASURE = "accuracy, continuation, per token"
PLOT = Path(__file__).parents[1] / "docs" / "experiments" / "interleaving.svg"
SIMILARITY_PASSAGES = 40

CORPUS = """\
output: {folder}/corpus
engine: {{kind: local, workers: {processes}}}
ingest: {{kind: table, path: {folder}/corpus.tsv, source: kjv-festival}}
align: {{kind: given, path: {folder}/words.ctm}}
gate: {{opinion: none}}
units: {{kind: whisper}}
pitch: null
style: null
store: {{shards: 16}}
text: {{vocab_size: 1000, exclude_ids: {folder}/heldout.txt}}
interleave: {{epochs: 0}}
"""
# Passages have 24 to 44 words, so spans are shorter than the paper's 10-30 and 5-15 words.
TRAINING = """\
output: {folder}/{name}
seed: {seed}
corpus: {folder}/corpus
exclude_ids: {folder}/heldout.txt
model: {{kind: llama, hidden_size: 192, intermediate_size: 576, layers: 4, heads: 4, kv_heads: 4}}
data:
  context: 512
  sequences: 2
  streams: [units]
  mixture: {mixture}
  interleave: {{policy: spirit, text_words: [3, 9], speech_words: [2, 6]}}
optimizer: {{learning_rate: 0.002, betas: [0.9, 0.98], warmup_steps: 100, schedule: cosine, final_ratio: 0.1}}
steps: {steps}
checkpoint_every: 1000
threads: 1
"""


def plait(*arguments: str) -> None:
    """Raises CalledProcessError where the command fails; its meter goes nowhere."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pipelines.cli", *arguments]
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)


def train(folder: Path, *, seeds: Sequence[int], steps: int, processes: int) -> dict[str, list[Path]]:
    """Folders of the models by condition, in order of their seeds."""
    models: dict[str, list[Path]] = {name: [] for name in MIXTURES}
    jobs = []
    for seed in seeds:
        for name, mixture in MIXTURES.items():
            job = folder / f"{name}-{seed}.yaml"
            text = TRAINING.format(folder=folder, name=job.stem, seed=seed, mixture=mixture, steps=steps)
            job.write_text(text)
            jobs.append(job)
            models[name].append(folder / job.stem)
    with ThreadPoolExecutor(processes) as pool:
        list(pool.map(lambda job: plait("train", str(job)), jobs))
    return models


def held_out(folder: Path) -> list[StoredUtterance]:
    ids = set((folder / "heldout.txt").read_text().split())
    found = [u for u in ShardSet(str(folder / "corpus" / "corpus")).utterances() if u.utterance_id in ids]
    return sorted(found, key=lambda utterance: utterance.utterance_id)


def halves(utterance: StoredUtterance) -> tuple[tuple[Text, Speech], tuple[Text, Speech]]:
    """Beginning and end of a passage, parted at the word in its middle, each written and spoken."""
    words = utterance.words
    middle = len(words) // 2
    spans = word_spans(words, num_samples=utterance.num_samples)
    parts = []
    for first, last in ((0, middle), (middle, len(words))):
        text = utterance.text[words[first].char_start : words[last - 1].char_end]
        span = Span(spans[first].start, spans[last - 1].end)
        streams = tuple(_cut(stream, span) for stream in utterance.streams)
        parts.append((Text(text), Speech(streams=streams)))
    return parts[0], parts[1]


def _cut(stream: Stream, span: Span) -> Stream:
    frames = frames_in_span(span, hop_samples=stream.hop_samples)
    ids = stream.ids[frames.start : frames.stop]
    return Stream(stream.kind, stream.hop_samples, stream.codebook_size, ids, stream.fingerprint)


def stories(utterances: Sequence[StoredUtterance]) -> list[Story]:
    """Every passage with its own end and the end of another one, of another chapter and in the same voice."""
    parts = [halves(utterance) for utterance in utterances]
    chapters = [utterance.utterance_id.rpartition("-")[0] for utterance in utterances]
    found = []
    for index, (prompt, end) in enumerate(parts):
        rng = rng_for(utterances[index].utterance_id, stage="stories", run_seed=0)
        others = [
            other
            for other, utterance in enumerate(utterances)
            if chapters[other] != chapters[index] and utterance.speaker == utterances[index].speaker
        ]
        foil = parts[int(rng.choice(others))][1]
        found.append(
            Story(
                utterances[index].utterance_id,
                prompt_text=prompt[0],
                prompt_audio=prompt[1],
                ending_text=(end[0], foil[0]),
                ending_audio=(end[1], foil[1]),
            )
        )
    return found


def spoken_texts(utterances: Sequence[StoredUtterance]) -> Iterator[SpokenText]:
    for u in utterances:
        yield SpokenText(u.utterance_id, u.text, Speech(streams=u.streams), u.num_samples, u.words)


def credits_of(rows: Sequence[Row], direction: str) -> list[float]:
    return [float(row["credit"][MEASURE]) for row in rows if row["task"] == direction]  # type: ignore[index,call-overload]


def interval(values: np.ndarray) -> dict[str, object]:  # type: ignore[type-arg]
    """Mean of ``(seeds, items)``, the 95 % interval over items (each the mean over seeds), and the seeds' own means."""
    low, high = bootstrap_interval(values.mean(0).tolist(), seed=0) or (None, None)
    return {"mean": float(values.mean()), "low": low, "high": high, "by_seed": values.mean(1).tolist()}


def evaluate(folder: Path, models: dict[str, list[Path]]) -> dict[str, object]:
    utterances = held_out(folder)
    cloze = stories(utterances)
    words = list(spoken_texts(utterances))[:SIMILARITY_PASSAGES]
    credits: dict[str, dict[str, list[list[float]]]] = {name: {d: [] for d in DIRECTIONS} for name in models}
    layers: dict[str, dict[str, list[list[float]]]] = {}
    for name, folders in models.items():
        for model_folder in folders:
            model = SpeechTextModel.load(model_folder)
            rows = evaluate_stories(model, cloze, seed=0, say=lambda _: None).rows
            for direction in DIRECTIONS:
                credits[name][direction].append(credits_of(rows, direction))
            found = evaluate_similarity(ModelWords(model), words, min_letters=3, seed=0, say=lambda _: None)
            for figure in found.figures:
                layers.setdefault(name, {}).setdefault(figure.measure, []).append([figure.value or 0.0])
            print(
                model_folder.name, {d: round(float(np.mean(credits[name][d][-1])), 3) for d in DIRECTIONS}, flush=True
            )
    tasks = {n: {d: interval(np.array(values)) for d, values in own.items()} for n, own in credits.items()}
    gains = {d: interval(np.array(credits["interleaved"][d]) - np.array(credits["separate"][d])) for d in DIRECTIONS}
    return {
        "stories": len(cloze),
        "accuracy": tasks,
        "interleaved_minus_separate": gains,
        "layers": by_layer(layers, models),
    }


def by_layer(
    layers: dict[str, dict[str, list[list[float]]]], models: dict[str, list[Path]]
) -> dict[str, dict[str, list[float]]]:
    """Mean over the seeds of every measure, layer by layer."""
    return {
        name: {
            measure: np.array(values).reshape(len(models[name]), -1).mean(0).tolist()
            for measure, values in measures.items()
        }
        for name, measures in layers.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--every", type=int, default=1, help="take each so-manieth passage alone")
    arguments = parser.parse_args()
    folder = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    prepare(folder, every=arguments.every)
    job = folder / "corpus.yaml"
    job.write_text(CORPUS.format(folder=folder, processes=arguments.processes))
    plait("run", str(job))
    models = train(folder, seeds=arguments.seeds, steps=arguments.steps, processes=arguments.processes)
    figures = evaluate(folder, models)
    figures |= {"steps": arguments.steps, "tokens_per_step": 1024, "seeds": arguments.seeds}
    print(save("interleaving", figures))
    lines = {name: measures["difference"] for name, measures in figures["layers"].items()}  # type: ignore[attr-defined]
    PLOT.parent.mkdir(parents=True, exist_ok=True)
    PLOT.write_text(layer_plot(lines, title="the same word over another word"))


if __name__ == "__main__":
    main()
