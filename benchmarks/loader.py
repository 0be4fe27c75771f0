"""Tokens a second of the loader, and splicing alone in x real time, on one core.

    python -m benchmarks.loader RUN [--job jobs/demo/train.yaml] [--tokens N] [--copies N]

``RUN`` is the output folder of a finished ``plait run``; its shards are linked ``--copies`` times, so that the start of
a process does not count for a first pass. ``first_pass`` ends when every source has passed over all shards, each read
once from its tar; ``later`` draws anew from the tables in memory; both are whole batches, packed. ``reading`` makes the
tables and nothing else. ``splicing`` is the draw alone: seconds of audio whose interleaved tokens are made in a second
(peer: slamkit publishes 108,000). Processor seconds are counted, because a busy machine stretches wall seconds. Figures
go to ``results/loader.json``.
"""

import argparse
import time
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.record import save
from pipelines.files import read_ids
from pipelines.train.config import DataConfig
from pipelines.train.corpus import open_corpus
from pipelines.train.job import load_training
from pipelines.train.loader import Loader
from pipelines.train.sources import sources_of
from pipelines.train.tables import TableReader
from schemas.records import SAMPLE_RATE_HZ, STREAM_KINDS

SLAMKIT_X_REAL_TIME = 108_000


def linked(shards: Sequence[str], *, copies: int, folder: Path) -> list[str]:
    """Each shard under ``copies`` names, copy by copy."""
    links = [folder / f"{copy}-{Path(shard).name}" for copy in range(copies) for shard in shards]
    for link, shard in zip(links, cycle(shards), strict=False):
        link.symlink_to(Path(shard).resolve())
    return [str(link) for link in links]


def measure_batches(
    run: str, data: DataConfig, *, exclude: frozenset[str], tokens: int, copies: int
) -> dict[str, object]:
    """Packed tokens a processor second, from the tars and from memory."""
    corpus = open_corpus(run, data)
    with TemporaryDirectory() as folder:
        shards = linked(corpus.shards, copies=copies, folder=Path(folder))
        loader = Loader(
            shards=shards,
            layout=corpus.layout,
            tokenizer=corpus.tokenizer,
            config=data,
            seed=0,
            corpus_fingerprint=corpus.fingerprint,
            exclude_ids=exclude,
        )
        began, first = time.process_time(), 0
        while any(epoch == 0 for epoch in loader.epochs.values()):
            first += int((next(loader).documents >= 0).sum())
        read = time.process_time() - began
        began, later = time.process_time(), 0
        while later < tokens:
            later += int((next(loader).documents >= 0).sum())
        drawn = time.process_time() - began
    return {
        "context": data.context,
        "rows": data.sequences,
        "first_pass_tokens": first,
        "first_pass_tokens_per_s": round(first / read),
        "later_tokens_per_s": round(later / drawn),
    }


def measure_reading(run: str, data: DataConfig, *, copies: int) -> dict[str, object]:
    """Tables of all shards: their text and speech tokens a processor second."""
    corpus = open_corpus(run, data)
    kinds = tuple(kind for kind in STREAM_KINDS if corpus.layout.codebook_size(kind))
    read = TableReader(corpus.layout, corpus.tokenizer, kinds)
    began, tokens, utterances = time.process_time(), 0, 0
    for url in list(corpus.shards) * copies:
        table = read(url)
        tokens += len(table.speech) + len(table.text)
        utterances += len(table)
    seconds = time.process_time() - began
    return {
        "tokens_per_s": round(tokens / seconds),
        "us_an_utterance": round(seconds / utterances * 1e6, 1),
        "tokens_an_utterance": round(tokens / utterances, 1),
    }


def measure_splicing(run: str, data: DataConfig, *, epochs: int) -> dict[str, object]:
    """The interleaved source's draws, without packing."""
    corpus = open_corpus(run, data)
    kinds = tuple(kind for kind in STREAM_KINDS if corpus.layout.codebook_size(kind))
    read = TableReader(corpus.layout, corpus.tokenizer, kinds, keep_streams=data.interleave.reemit_context)
    tables = [read(url) for url in corpus.shards]
    encode = sources_of(data, layout=corpus.layout, tokenizer=corpus.tokenizer, seed=0)["interleaved"].encode
    audio = sum(table.samples[end - 1] for table in tables for end in table.starts[1:]) / SAMPLE_RATE_HZ * epochs
    began, tokens = time.process_time(), 0
    for epoch in range(epochs):
        for table in tables:
            for row in range(len(table)):
                tokens += sum(map(len, encode(table, row, epoch)))
    seconds = time.process_time() - began
    return {
        "x_real_time": round(audio / seconds),
        "slamkit_x_real_time": SLAMKIT_X_REAL_TIME,
        "tokens_per_s": round(tokens / seconds),
        "mean_utterance_s": round(audio / epochs / sum(map(len, tables)), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="output folder of a finished run")
    parser.add_argument("--job", default="jobs/demo/train.yaml")
    parser.add_argument("--tokens", type=int, default=3_000_000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--copies", type=int, default=8)
    args = parser.parse_args()

    config = load_training(args.job, overrides=[f"corpus={args.run}"])
    exclude = read_ids(config.exclude_ids, option="exclude_ids") or frozenset()
    paper = DataConfig.model_validate({"context": 4096, "sequences": 16})  # the paper's mixture and spans, all streams
    figures: dict[str, object] = {
        "job": measure_batches(args.run, config.data, exclude=exclude, tokens=args.tokens, copies=args.copies),
        "paper": measure_batches(args.run, paper, exclude=exclude, tokens=args.tokens, copies=args.copies),
        "reading": measure_reading(args.run, paper, copies=args.copies),
        "splicing": measure_splicing(args.run, config.data, epochs=args.epochs),
        "splicing_paper": measure_splicing(args.run, paper, epochs=args.epochs),
    }
    print(save("loader", figures))
    for name, value in figures.items():
        print(name, value)


if __name__ == "__main__":
    main()
