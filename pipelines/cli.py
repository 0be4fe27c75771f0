"""The command line. Mistakes of the user end in one line and exit code 2, failed runs in exit code 1."""

import inspect as python_inspect
import json
import os
import sys
from collections.abc import Callable
from functools import wraps
from io import TextIOWrapper
from typing import Annotated, Any, Literal, TypeVar

import typer

from pipelines.fit.kinds import FitWhat
from schemas.errors import EngineError, TransientError, UserError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)

Job = Annotated[str, typer.Argument(metavar="JOB.yaml", help="The job file.")]
Set = Annotated[
    list[str], typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the job, e.g. output=DIR.")
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]

F = TypeVar("F", bound=Callable[..., Any])


def command(function: F) -> F:
    """Register a command whose errors end as one line; ``--debug`` shows their traceback."""

    @wraps(function)
    def guarded(*args: Any, debug: bool = False, **kwargs: Any) -> None:
        try:
            function(*args, **kwargs)
        except (UserError, EngineError, TransientError) as error:
            if debug:
                raise
            print(f"plait: {error}", file=sys.stderr)
            raise SystemExit(2 if isinstance(error, UserError) else 1) from error
        except KeyboardInterrupt as error:
            print("plait: interrupted; what is finished is kept, run again to resume", file=sys.stderr)
            raise SystemExit(130) from error

    signature = python_inspect.signature(function)
    option = python_inspect.Parameter("debug", python_inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Debug)
    guarded.__signature__ = signature.replace(parameters=[*signature.parameters.values(), option])  # type: ignore[attr-defined]
    guarded.__annotations__ = {**function.__annotations__, "debug": Debug}
    app.command()(guarded)
    return function


@command
def run(
    job: Job,
    engine: Annotated[
        Literal["local", "ray", "beam"] | None, typer.Option(help="Where it runs; overrides engine.kind.")
    ] = None,
    set_: Set = [],  # noqa: B006
) -> None:
    """Build a corpus: token store, text tokenizer, interleaved training shards."""
    from pipelines.config import load_run
    from pipelines.run import run as run_job

    figures = run_job(load_run(job, overrides=set_, engine=engine))
    print_figures(figures)


@command
def segment(
    job: Job,
    output: Annotated[str | None, typer.Option(metavar="DIR", help="Overrides output.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; overrides engine.workers.")] = None,
    set_: Set = [],  # noqa: B006
) -> None:
    """Cut long recordings at silences into aligned segments, a table and word times for a corpus job."""
    from pipelines.segment.run import load_segment
    from pipelines.segment.run import segment as cut

    print_figures(cut(load_segment(job, output=output, workers=workers, overrides=set_)))


@command
def plan(
    job: Job,
    gpu: Annotated[str | None, typer.Option(help="Estimate GPU-hours for it: H100, A100, L4 ...")] = None,
    sample: Annotated[int, typer.Option(min=1, help="Utterances to run through the stages.")] = 12,
    rates: Annotated[
        str | None, typer.Option(metavar="FILE", help="Recorded rates, such as benchmarks/results/stages.json.")
    ] = None,
    utilisation: Annotated[float, typer.Option(min=0.01, max=1, help="Share of the GPU's peak that is reached.")] = 0.3,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    set_: Set = [],  # noqa: B006
) -> None:
    """Say what a corpus job would take, without running it: hours, shards, seconds, disk, GPU-hours."""
    from pipelines.config import load_run
    from pipelines.plan.plan import plan as estimate
    from pipelines.plan.text import lines

    found = estimate(load_run(job, overrides=set_), gpu=gpu, sample=sample, rates_file=rates, utilisation=utilisation)
    for line in [json.dumps(found.to_dict())] if json_ else lines(found):
        print(line)


@command
def verify(output: Annotated[str, typer.Argument(metavar="DIR", help="The output folder of a run.")]) -> None:
    """Re-hash every shard and redo the accounting; exit code 1 on any difference."""
    from pipelines.verify import shard_sets
    from pipelines.verify import verify as differences

    found = list(differences(output))
    for line in found:
        print(line)
    if found:
        raise EngineError(f"{output}: {len(found)} differences")
    print(f"{output}: all shards and accounts are as the manifests say ({len(shard_sets(output))} shard sets)")


@command
def optout(
    output: Annotated[str, typer.Argument(metavar="DIR", help="The output folder of a run.")],
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Utterance ids.")] = None,
    file: Annotated[str | None, typer.Option("--ids", metavar="FILE", help="A file with one id a line.")] = None,
) -> None:
    """Take utterances out of a run's shards, and keep them out of later runs."""
    from pipelines.files import read_ids
    from pipelines.optout import opt_out

    done = opt_out(output, {*(ids or ()), *(read_ids(file, option="--ids") or ())})
    print(f"{output}: {done.removed} utterances taken out, {done.shards} shards written anew")
    if done.unknown:
        print(f"in no shard, and kept out of later runs: {', '.join(done.unknown)}")


@command
def export(
    output: Annotated[str, typer.Argument(metavar="DIR", help="The output folder of a run.")],
    target: Annotated[str, typer.Option("--output", help="Folder that the files go to.")],
    textgrid: Annotated[bool, typer.Option("--textgrid", help="One Praat TextGrid an utterance.")] = False,
    ctm: Annotated[bool, typer.Option("--ctm", help="One CTM for Kaldi.")] = False,
) -> None:
    """Write the word times of a corpus for Praat (--textgrid) or Kaldi (--ctm)."""
    from pipelines.export import export as write

    if textgrid == ctm:
        raise UserError("export: name one of --textgrid and --ctm")
    print(f"{target}: {write(output, 'ctm' if ctm else 'textgrid', target)} utterances")


@command
def inspect(
    shard: Annotated[str, typer.Argument(metavar="SHARD", help="A .tar of a token store or of training shards.")],
    key: Annotated[str | None, typer.Argument(metavar="[KEY]", help="An utterance id.")] = None,
    limit: Annotated[int, typer.Option(help="Records to show.")] = 3,
) -> None:
    """Print a shard's records as a person reads them."""
    from pipelines.inspect import inspect as lines

    for line in lines(shard, key, limit=limit):
        print(line)


@command
def fit(
    what: Annotated[FitWhat, typer.Argument(help="What is fitted.")],
    job: Job,
    set_: Set = [],  # noqa: B006
) -> None:
    """Fit a tokenizer or a vocoder on a corpus; the artefact and its card lie in the job's output."""
    from pipelines.fit.job import fit as run_fit
    from pipelines.progress import speaks

    figures = run_fit(what, job, overrides=set_, say=lambda line: print(line, flush=True))
    if speaks():
        print_figures(figures)


@command
def train(job: Job, set_: Set = []) -> None:  # noqa: B006
    """Train a language model on a corpus; the result is a folder that transformers opens."""
    from pipelines.progress import speaks
    from pipelines.train.job import load_training, run_training

    figures = run_training(load_training(job, overrides=set_))
    if speaks():
        print_figures(figures)


Model = Annotated[str, typer.Argument(metavar="MODEL", help="The folder that `plait train` wrote, or Spirit LM's.")]
Voice = Annotated[
    str | None, typer.Option(help="A vocoder's folder, or none; else the bundled one (none for Spirit LM).")
]
Encoders = Annotated[str | None, typer.Option(help="Corpus job whose encoders are taken; else the bundled ones.")]


@command
def generate(
    model: Model,
    prompt: Annotated[list[str], typer.Argument(metavar="PROMPT...", help="text:WORDS and speech:FILE, in order.")],
    to: Annotated[Literal["text", "speech", "any"], typer.Option(help="Modality of the answer.")] = "any",
    wav: Annotated[str, typer.Option(help="Where spoken parts of the answer go.")] = "answer.wav",
    max_new_tokens: Annotated[int, typer.Option(min=1)] = 256,
    temperature: Annotated[float, typer.Option(min=0, help="0 takes the likeliest token.")] = 0.8,
    top_p: Annotated[float, typer.Option(min=0, max=1)] = 0.95,
    seed: int = 0,
    truncate_prompt: Annotated[
        bool, typer.Option("--truncate-prompt", help="Keep the last tokens of a prompt longer than the context.")
    ] = False,
    vocoder: Voice = None,
    job: Encoders = None,
) -> None:
    """Continue a prompt of text and speech."""
    from pipelines.infer.command import generate as answer

    options = {"max_new_tokens": max_new_tokens, "temperature": temperature, "top_p": top_p, "seed": seed}
    options["truncate_prompt"] = truncate_prompt
    for line in answer(model, prompt, output=to, wav=wav, vocoder=vocoder, job=job, **options):
        print(line)


@command
def evaluate(
    suite: Annotated[str, typer.Argument(metavar="SUITE", help="swuggy, storycloze, asr ...; `list` shows all.")],
    model: Annotated[str | None, typer.Option(metavar="FOLDER", help="The folder that `plait train` wrote.")] = None,
    data: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="A public set, unpacked; else the bundled small one.")
    ] = None,
    out: Annotated[str | None, typer.Option(metavar="FILE.json", help="Where the result goes.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Items, first by name.")] = None,
    seed: int = 0,
    set_: Annotated[list[str], typer.Option("--set", metavar="KEY=VALUE", help="A setting of the suite.")] = [],  # noqa: B006
) -> None:
    """Measure a model on a suite: sWUGGY, sBLIMP, StoryCloze, few-shot tasks, sentiment, toxicity and more."""
    from pathlib import Path

    from pipelines.evaluate import command as evaluation

    if suite == "list":
        for line in evaluation.listing():
            print(line)
        return
    target = Path(out) if out else None
    found = evaluation.evaluate(suite, model=model, data=data, limit=limit, seed=seed, overrides=set_, out=target)
    print(evaluation.render(found))
    for path in evaluation.write_results(found, target) if target else ():
        print(path)


@command
def chat(
    model: Model,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 7860,
    vocoder: Voice = None,
    job: Encoders = None,
) -> None:
    """A page on this machine: speak or write to a model, hear and read its answer as it comes."""
    from pathlib import Path

    from pipelines.infer.chat import chat as serve
    from pipelines.infer.command import open_model

    serve(open_model(model, vocoder=vocoder, job=job), name=Path(model).resolve().name, port=port)


@command
def resynth(
    paths: Annotated[list[str], typer.Argument(metavar="FOLDER|FILES...", help="Folders, audio files, or tables.")],
    job: Annotated[str | None, typer.Option(help="Corpus job whose encoders are taken; else the bundled ones.")] = None,
    vocoder: Annotated[str, typer.Option(help="A vocoder's folder.")] = "bundled",
    streams: Annotated[
        Literal["expressive", "base"], typer.Option(help="Which tokens it is made from.")
    ] = "expressive",
    output: Annotated[str | None, typer.Option(help="Folder for resynth.json and the wavs.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Recordings, first by name.")] = None,
) -> None:
    """Audio to tokens and back: what is left of words, melody and timbre, in one table."""
    from pipelines.evaluate.resynth import resynth as lines

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    for line in lines(paths, job=job, vocoder=vocoder, variant=streams, output=output, limit=limit, say=say):
        print(line)


@command
def report(output: Annotated[str, typer.Argument(metavar="DIR", help="The output folder of a run.")]) -> None:
    """Write report.html of a run: figures, aligned words to look at, samples to listen to."""
    from pipelines.reporting import report as write

    print(write(output))


@command
def demo() -> None:
    """The whole way on the bundled speech: corpus, model, answers, report, below out/demo."""
    from pipelines.demo import demo as run_demo
    from pipelines.demo import summary

    for line in summary(run_demo()):
        print(line)


def print_figures(figures: dict[str, Any], indent: str = "") -> None:
    for name, value in figures.items():
        if isinstance(value, dict) and value:
            print(f"{indent}{name}:")
            print_figures(value, indent + "  ")
        else:
            print(f"{indent}{name}: {value if value != {} else 'none'}")


def main() -> None:
    # Threads that wait by spinning crawl when another process wants a core; read when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # onnxruntime, which faster-whisper brings, reads this when it is imported.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # an id may hold what a plain terminal cannot show
            stream.reconfigure(errors="backslashreplace")
    app()


if __name__ == "__main__":
    main()
