"""Training on speech without words, beside a corpus that has them or by itself."""

import json
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest

from pipelines.train.config import DataConfig
from pipelines.train.corpus import open_corpus
from pipelines.train.loop import train
from pipelines.train.sources import sources_of
from pipelines.train.tables import SpeechReader, TableReader
from schemas.errors import UserError
from tests.pipelines.train.test_loader import DATA, documents, make_loader, same
from tests.pipelines.train.test_loop import config_for, trainer_for
from tests.toy_corpus import write_toy_run

KINDS = ("units", "pitch", "style")
SPEECH_ALONE = {"text": 0, "speech": 1, "interleaved": 0}


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    """A run of 12 utterances without words, in 2 shards."""
    folder = tmp_path_factory.mktemp("spoken")
    write_toy_run(folder, utterances=12, shards=2, first=1000, words=False)
    return folder


def corpus_of(toy_run, *speech: Path):
    return open_corpus(str(toy_run), with_speech(*speech))


def with_speech(*speech: Path) -> DataConfig:
    return DATA.model_copy(update={"speech": tuple(map(str, speech))})


def test_speech_read_by_itself_is_the_speech_of_the_table(toy_run):
    corpus = corpus_of(toy_run)
    cut = sources_of(DATA, layout=corpus.layout, tokenizer=corpus.tokenizer, seed=0)["speech"].encode
    excluded = frozenset({"toy-0003"})
    rows = 0
    for url in corpus.shards:
        table = TableReader(corpus.layout, corpus.tokenizer, KINDS, excluded)(url)
        read = SpeechReader(corpus.layout, KINDS, excluded)(url)
        assert read.ids == table.ids
        for row in range(len(table)):
            tokens = read.tokens[read.cuts[row] : read.cuts[row + 1]]
            np.testing.assert_array_equal(tokens, np.concatenate(cut(table, row, 0)))
            rows += 1
    assert rows == 39


def test_the_speech_source_reads_other_runs_and_the_rest_the_corpus(toy_run, spoken):
    corpus, data = corpus_of(toy_run, spoken), with_speech(spoken)
    rows = {
        tuple(read.tokens[read.cuts[row] : read.cuts[row + 1]].tolist())
        for url in corpus.speech
        for read in [SpeechReader(corpus.layout, KINDS)(url)]
        for row in range(len(read))
    }
    assert len(rows) == 12
    loader = make_loader(corpus, data, speech=corpus.read_for_speech(data))
    seen = set()
    while loader.epochs["speech"] < 2:
        for document in documents(next(loader)):
            if tuple(document[1:-1].tolist()) in rows:
                seen.add(tuple(document[1:-1].tolist()))
    assert seen == rows
    total = sum(loader.tokens.values())
    for name, weight in data.mixture.model_dump().items():
        assert abs(loader.tokens[name] - total * weight / 4.5) < 4 * data.context
    state = json.dumps(loader.state_dict())
    resumed = make_loader(corpus, data.model_copy(update={"workers": 1}), speech=corpus.read_for_speech(data))
    resumed.load_state_dict(json.loads(state))
    for _ in range(4):
        assert same(next(resumed), next(loader))
    resumed.close()
    with pytest.raises(UserError, match="data order"):
        make_loader(corpus_of(toy_run)).load_state_dict(json.loads(state))


def test_speech_of_another_codebook_is_refused_by_name(toy_run, spoken, tmp_path):
    copytree(spoken, tmp_path / "other")
    manifest = tmp_path / "other/corpus/manifest.json"
    manifest.write_text(manifest.read_text().replace("toy-pitch", "sung-pitch"))
    with pytest.raises(UserError, match=r"data\.speech: .*other/corpus has pitch of sung-pitch, .* of toy-pitch"):
        corpus_of(toy_run, tmp_path / "other")
    base = with_speech(tmp_path / "other").model_copy(update={"streams": ("units",)})
    assert len(open_corpus(str(toy_run), base).speech) == 2  # BASE has no pitch
    with pytest.raises(UserError, match=r"data\.speech|manifest"):
        corpus_of(toy_run, tmp_path / "nowhere")


def test_a_corpus_of_speech_alone_is_trained_on_with_a_tokenizer(toy_run, spoken, tmp_path):
    run = tmp_path / "run"
    copytree(spoken, run)
    alone = DATA.model_dump() | {"mixture": SPEECH_ALONE}
    with pytest.raises(UserError, match="tokenizer"):
        train(config_for(run, tmp_path / "model", data=alone))
    copytree(toy_run / "tokenizer", run / "tokenizer")
    figures = train(config_for(run, tmp_path / "model", data=alone, steps=2))
    assert figures["finished"]
    with pytest.raises(UserError, match=r"data\.mixture\.(text|interleaved): no utterance .* no text"):
        train(config_for(run, tmp_path / "other", steps=2))


def test_held_out_recordings_of_the_corpus_are_evaluated(toy_run, spoken, tmp_path):
    ids = tmp_path / "heldout.txt"
    ids.write_text("toy-0003\n")
    held_out = {"exclude_ids": str(ids), "evaluation": {"every": 1, "ids": str(ids), "batches": 1}}
    plain = trainer_for(toy_run, tmp_path / "a", **held_out, data=DATA.model_dump())
    more = trainer_for(toy_run, tmp_path / "b", **held_out, data=with_speech(spoken).model_dump())
    assert more.evaluate() == plain.evaluate()
    assert any(not same(next(more.loader), next(plain.loader)) for _ in range(4))
