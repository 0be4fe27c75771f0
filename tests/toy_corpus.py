"""A finished run in which a word always sounds the same: small enough to train on in a test, written by the real store.

Every word of ``LEXICON`` is six units that no other word has, two frames each, at pitch and style that vary.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from pipelines.files import make_folder, write_text
from pipelines.store import MANIFEST, utterance_sample, write_shard
from schemas.manifest import TOKEN_STORE, Manifest, StreamInfo
from schemas.records import AlignedWord, StoredUtterance, Stream
from transforms.seeds import shard_of
from transforms.streams import ceil_div
from transforms.text.tokenizer import fit_sentencepiece

LEXICON = ("red", "green", "blue", "goes", "stops", "left", "right", "now")
UNITS_A_WORD, FRAMES_A_UNIT = 6, 2
INFOS = (
    StreamInfo("units", 640, UNITS_A_WORD * len(LEXICON), "toy-units"),
    StreamInfo("pitch", 1280, 4, "toy-pitch"),
    StreamInfo("style", 16_000, 3, "toy-style"),
)


def units_of(word: str) -> list[int]:
    first = LEXICON.index(word) * UNITS_A_WORD
    return list(range(first, first + UNITS_A_WORD))


def toy_utterance(number: int, *, max_words: int = 6) -> StoredUtterance:
    rng = np.random.default_rng(number)
    said = [LEXICON[i] for i in rng.integers(0, len(LEXICON), rng.integers(2, max_words, endpoint=True))]
    length = UNITS_A_WORD * FRAMES_A_UNIT * 640
    text = " ".join(said)
    starts = np.cumsum([0, *(len(word) + 1 for word in said)]).tolist()
    words = tuple(
        AlignedWord(word, i * length, (i + 1) * length, 0.0, starts[i], starts[i] + len(word))
        for i, word in enumerate(said)
    )
    num_samples = length * len(said)
    units = np.repeat([unit for word in said for unit in units_of(word)], FRAMES_A_UNIT).astype(np.int32)
    streams = [Stream("units", 640, INFOS[0].codebook_size, units, INFOS[0].fingerprint)]
    for info in INFOS[1:]:
        ids = rng.integers(0, info.codebook_size, ceil_div(num_samples, info.hop_samples)).astype(np.int32)
        streams.append(Stream(info.kind, info.hop_samples, info.codebook_size, ids, info.fingerprint))
    return StoredUtterance(f"toy-{number:04d}", text, num_samples, words, tuple(streams), speaker="toy")


def write_toy_run(
    folder: Path, *, utterances: int = 40, shards: int = 5, first: int = 0, words: bool = True
) -> list[StoredUtterance]:
    """Write ``corpus/`` and ``tokenizer/``; returns the utterances, sorted by id. Without ``words``: speech alone."""
    records = [toy_utterance(number) for number in range(first, first + utterances)]
    if not words:
        records = [replace(record, text="", words=()) for record in records]
    store = str(folder / "corpus")
    make_folder(store)
    entries = []
    for shard in range(shards):
        rows = [record for record in records if shard_of(record.utterance_id, num_shards=shards) == shard]
        samples = ((row.utterance_id, utterance_sample(row, waveform=None)) for row in rows)
        entries.append(write_shard(store, shard, samples, counts={"words": sum(len(row.words) for row in rows)}))
    manifest = Manifest(TOKEN_STORE, "toy", utterances, 0, 0, "", INFOS, tuple(entries))
    write_text(f"{store}/{MANIFEST}", manifest.to_json())
    if words:
        fit_sentencepiece([record.text for record in records], vocab_size=300, output=folder / "tokenizer")
    return records
