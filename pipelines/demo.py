"""`plait demo`: the whole way on the bundled speech, and what came of it."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.config import RunConfig, load_run
from pipelines.evaluate.both_ways import evaluate_both_ways
from pipelines.evaluate.resynthesis import evaluate_resynthesis
from pipelines.files import read_ids
from pipelines.infer.command import load_model, load_vocoder
from pipelines.ingest import read_rows
from pipelines.job_stages import encoder_configs
from pipelines.metrics import update_metrics
from pipelines.reporting import report, stored_utterances
from pipelines.run import run as run_corpus
from pipelines.run_folder import RunFolder
from pipelines.samples import SampleAnswer, write_samples
from pipelines.store import ShardSet
from pipelines.train.job import load_training, run_training
from schemas.errors import UserError
from schemas.records import SourceRow, StoredUtterance, Utterance, Waveform
from transforms.audio_reader import decode
from transforms.seeds import rng_for

CORPUS_JOB = Path("jobs/demo/corpus.yaml")
TRAIN_JOB = Path("jobs/demo/train.yaml")
HELD_OUT = Path("examples/asterisk-en/heldout.txt")
# Prompts of the four directions, from what the model has seen: the demo shows that the way is whole, no more.
PROMPTS = ("agent-alreadyon", "queue-thankyou", "vm-savefolder", "dir-instr")
BOTH_WAYS = 10


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demo made: figures by step, the answers, the report."""

    output: str
    figures: dict[str, dict[str, Any]]
    answers: list[SampleAnswer]
    report: Path


def demo() -> DemoResult:
    """Corpus, model, answers, re-synthesis of held-out recordings, report.

    Raises:
        UserError: The command does not run in a checkout.
    """
    if not CORPUS_JOB.is_file():
        raise UserError(f"{CORPUS_JOB} not found; run `plait demo` in a checkout of Plait")
    began = time.perf_counter()
    config = load_run(CORPUS_JOB)
    training = load_training(str(TRAIN_JOB))
    figures: dict[str, dict[str, Any]] = {"corpus": run_corpus(config)}
    figures["training"] = run_training(training)
    update_metrics(config.output, "training", figures["training"])
    vocoder = load_vocoder()
    model = load_model(training.output, vocoder=vocoder)
    answers = write_samples(model, prompts(config), Path(config.output) / "samples", seed=config.seed)
    print("reading ten texts aloud and writing ten recordings down", flush=True)
    figures["both_ways"] = evaluate_both_ways(model, held_in(config, seed=config.seed))
    update_metrics(config.output, "both_ways", figures["both_ways"])
    print("re-synthesising the held-out recordings and transcribing them", flush=True)
    figures["resynthesis"] = evaluate_resynthesis(list(held_out(config)), encoder_configs(config), vocoder)
    update_metrics(config.output, "resynthesis", figures["resynthesis"])
    figures["demo"] = {"seconds": round(time.perf_counter() - began, 1)}
    update_metrics(config.output, "demo", figures["demo"])
    return DemoResult(config.output, figures, answers, report(config.output))


def prompts(config: RunConfig) -> list[tuple[StoredUtterance, Waveform]]:
    corpus = RunFolder(config.output).corpus
    stored = {record.utterance_id: (record, wave) for record, wave in stored_utterances(corpus) if wave is not None}
    return [stored[name] for name in PROMPTS]


def held_in(config: RunConfig, *, seed: int) -> list[StoredUtterance]:
    """Ten utterances of five words and more that the model was trained on."""
    excluded = read_ids(str(HELD_OUT), option="held-out ids") or frozenset()
    stored = ShardSet(RunFolder(config.output).corpus).utterances()
    fit = [record for record in stored if record.utterance_id not in excluded and 5 <= len(record.words) <= 14]
    chosen = rng_for("both-ways", stage="demo", run_seed=seed).permutation(len(fit))[:BOTH_WAYS]
    return [fit[index] for index in chosen]


def held_out(config: RunConfig) -> Iterator[Utterance]:
    """The recordings that no fitted part has seen."""
    for row in read_rows(config.sources[0].model_copy(update={"include_ids": str(HELD_OUT)})):
        if isinstance(row, SourceRow):
            waveform, digest = decode(row)
            yield Utterance(row, waveform, digest)


def summary(result: DemoResult) -> Iterator[str]:
    """Where everything lies and what the run measured, for a person."""
    corpus, training, resynthesis = (result.figures[name] for name in ("corpus", "training", "resynthesis"))
    seconds = ", ".join(f"{name} {spent:.0f}" for name, spent in corpus["seconds_by_stage"].items())
    tokens = ", ".join(f"{name} {number}" for name, number in corpus["tokens_by_kind"].items())
    dropped = ", ".join(f"{cause} {number}" for cause, number in corpus["dropped_by_cause"].items()) or "none"
    yield ""
    yield f"speech       {corpus['hours']:.3f} h in {corpus['in_shards']} of {corpus['utterances']} utterances"
    yield f"words        {corpus['words_aligned']} aligned"
    yield f"dropped      {dropped}"
    yield f"tokens       {tokens}; {corpus['speech_tokens_per_second']} a second of speech"
    yield f"seconds      {seconds} (of one core); the whole demo {result.figures['demo']['seconds']:.0f}"
    yield (
        f"training     loss {training['loss']:.3f} after {training['steps']} steps; "
        f"{100 * training['stall_share']:.2f} % of the time without a batch"
    )
    yield (
        f"WER          {100 * resynthesis['wer_expressive']:.1f} % re-synthesised (EXPRESSIVE), "
        f"{100 * resynthesis['wer_base']:.1f} % (BASE), {100 * resynthesis['wer_original']:.1f} % original; "
        f"{resynthesis['utterances']:.0f} held-out recordings"
    )
    both = result.figures["both_ways"]
    yield (
        f"both ways    WER {100 * both['wer_spoken']:.1f} % of {both['utterances']:.0f} texts that the model read "
        f"aloud, {100 * both['wer_written']:.1f} % of as many recordings that it wrote down; all seen in training"
    )
    yield ""
    yield f"shards       {result.output}/corpus  {result.output}/interleaved/epoch-0"
    yield f"model        {result.output}/model"
    for answer in result.answers:
        made = f"{result.output}/samples/{answer.wav}" if answer.wav else repr(answer.text)
        prompt = f"{result.output}/samples/{answer.prompt_wav}" if answer.prompt_wav else repr(answer.prompt_text)
        yield f"{answer.task:<17} {prompt} -> {made}"
    yield f"report       {result.output}/{result.report.name}"
    yield f"figures      {result.output}/metrics.json"
