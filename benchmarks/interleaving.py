"""What interleaving does: models of one size and one number of tokens, on the same speech and text, by what they saw.

    apt-get install festival festvox-kallpc16k festvox-kdlpc16k bible-kjv
    python -m benchmarks.interleaving FOLDER [--seeds 0 1 2] [--steps 2000] [--processes 2]

``interleaved``: text, speech and interleaved documents by thirds; ``separate``: text and speech by halves; ``speech``:
speech alone. ``interleaving_scores`` says what they are asked. Everything under FOLDER is kept and gone on with. Writes
results/interleaving.json and the plot of docs/experiments/interleaving.md, and prints its tables.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.interleaving_data import prepare
from benchmarks.interleaving_scores import evaluate, tables
from benchmarks.record import save
from pipelines.evaluate.layer_plot import layer_plot

MIXTURES = {
    "interleaved": "{text: 1, speech: 1, interleaved: 1}",
    "separate": "{text: 1, speech: 1, interleaved: 0}",
    "speech": "{text: 0, speech: 1, interleaved: 0}",
}
PLOT = Path(__file__).parents[1] / "docs" / "experiments" / "interleaving.svg"

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
    print(tables(figures))
    settings = {"steps": arguments.steps, "tokens_per_step": 1024, "seeds": arguments.seeds}
    print(save("interleaving", {**settings, **figures}))
    layers = figures["likeness, same less another word"].values()
    lines = {name: [layer[name]["mean"] for layer in layers] for name in MIXTURES}  # type: ignore[index]
    PLOT.parent.mkdir(parents=True, exist_ok=True)
    PLOT.write_text(layer_plot(lines, title="the same word over another word"))


if __name__ == "__main__":
    main()
