"""One utterance to one token sequence: text, speech, or both braided at word boundaries.

The same code bakes shards and feeds the trainer, so baked epoch ``k`` equals load-time epoch ``k``. A span that says
again what the span before said (policy ``correspond``) has its marker twice, so no vocabulary needs a further token.
"""

from typing import Literal

import numpy as np

from schemas.records import Segment, StoredUtterance, TokenSequence
from schemas.vocabulary import VocabularyLayout
from transforms.interleave_policies import InterleaveConfig, WordRun, draw_runs, spirit_runs
from transforms.interleave_table import Cutter, TableBuilder
from transforms.seeds import rng_for
from transforms.streams import merge_streams
from transforms.text.protocol import TextTokenizer

__all__ = ["DRAW_STAGE", "InterleaveConfig", "Source", "WordRun", "draw_runs", "encode_utterance", "spirit_runs"]

Source = Literal["text", "speech", "interleaved"]
DRAW_STAGE = "interleave"


def encode_utterance(
    record: StoredUtterance,
    *,
    source: Source,
    layout: VocabularyLayout,
    tokenizer: TextTokenizer,
    config: InterleaveConfig,
    run_seed: int,
    epoch: int,
) -> TokenSequence:
    """Token sequence of one utterance.

    ``text`` and ``speech`` have one leading marker; ``interleaved`` has a marker at the start and at each switch. An
    utterance without words has nowhere to switch, and is speech in every source but ``text``.

    Raises:
        ValueError: The text of an utterance without words is asked for.
    """
    if not record.words:
        if source == "text":
            raise ValueError(f"{record.utterance_id} has no words")
        spoken = merge_streams(record.streams, layout=layout).tokens
        tokens = np.concatenate([np.array([layout.speech_marker], np.int32), spoken])
        segment = Segment("speech", 0, len(tokens), 0, 0, 0, record.num_samples)
        return TokenSequence(record.utterance_id, tokens, (segment,))
    builder = TableBuilder(layout=layout, words=None, keep_streams=config.reemit_context)
    builder.add_record(record)
    table = builder.build()
    num_words = table.num_words(0)
    if source == "interleaved":
        rng = rng_for(record.utterance_id, stage=DRAW_STAGE, run_seed=run_seed, epoch=epoch)
        runs = draw_runs(num_words, rng, config)
    else:
        runs = [WordRun(source, 0, num_words)]
    cutter = Cutter(layout, tokenizer)
    tokens = np.concatenate(cutter.chunks(table, 0, runs))
    return TokenSequence(record.utterance_id, tokens, cutter.segments(table, 0, runs))
