"""The sources of a mixture: which shards each reads, and how a row becomes tokens."""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from pipelines.train.config import DataConfig
from pipelines.train.documents import Encode
from pipelines.train.tables import SequenceTable
from schemas.records import TokenIds
from schemas.vocabulary import VocabularyLayout
from transforms.interleave import DRAW_STAGE
from transforms.interleave_policies import WordRun, draw_runs
from transforms.interleave_table import Cutter, UtteranceTable
from transforms.seeds import RekeyedGenerator
from transforms.text.protocol import TextTokenizer

Reads = Literal["store", "baked", "texts", "speech"]


class Source(NamedTuple):
    """``reads``: the token store, the baked shards of its epoch, files of text, or token stores for their speech."""

    weight: float
    encode: Encode
    reads: Reads


def sources_of(
    config: DataConfig, *, layout: VocabularyLayout, tokenizer: TextTokenizer, seed: int, speech_alone: bool = False
) -> dict[str, Source]:
    """Every source that has a weight; ``speech_alone``: there are shards that the speech source reads for itself."""
    cutter, draws = Cutter(layout, tokenizer), RekeyedGenerator()

    def text(table: UtteranceTable, row: int, epoch: int) -> list[TokenIds]:
        return cutter.chunks(table, row, [WordRun("text", 0, table.num_words(row))])

    def speech(table: UtteranceTable, row: int, epoch: int) -> list[TokenIds]:
        return cutter.chunks(table, row, [WordRun("speech", 0, table.num_words(row))])

    def interleaved(table: UtteranceTable, row: int, epoch: int) -> list[TokenIds]:
        rng = draws.rng_for(table.ids[row], stage=DRAW_STAGE, run_seed=seed, epoch=epoch)
        return cutter.chunks(table, row, draw_runs(table.num_words(row), rng, config.interleave))

    def pairs(table: UtteranceTable, row: int, epoch: int) -> list[TokenIds]:
        rng = draws.rng_for(table.ids[row], stage="pairs", run_seed=seed, epoch=epoch)
        end = table.num_words(row)
        halves = [WordRun("text", 0, end), WordRun("speech", 0, end)]
        return [
            chunk
            for run in (halves if rng.random() < 0.5 else halves[::-1])
            for chunk in cutter.chunks(table, row, [run])
        ]

    def as_read(table: SequenceTable, row: int, epoch: int) -> list[TokenIds]:
        return [table.tokens[table.cuts[row] : table.cuts[row + 1]]]

    encoders: dict[str, Encode] = {
        "text": as_read if config.texts else text,
        "speech": as_read if speech_alone else speech,
        "interleaved": as_read if config.baked else interleaved,
        "pairs": pairs,
    }
    weights: dict[str, float] = config.mixture.model_dump()
    reads: dict[str, Reads] = {}
    if config.baked:
        reads["interleaved"] = "baked"
    if config.texts:
        reads["text"] = "texts"
    if speech_alone:
        reads["speech"] = "speech"
    return {
        name: Source(weights[name], encode, reads.get(name, "store"))
        for name, encode in encoders.items()
        if weights[name] > 0
    }


def shards_of_epoch(folders: Sequence[Sequence[str]]) -> Callable[[int], Sequence[str]]:
    """Shard URLs by epoch; after the last folder the first comes again."""
    return lambda epoch: folders[epoch % len(folders)]
