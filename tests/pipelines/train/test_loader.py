import json
from collections import Counter
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.train.config import DataConfig
from pipelines.train.corpus import open_corpus, read_shard
from pipelines.train.documents import DocumentStream, ShardCache, split_pieces
from pipelines.train.loader import IGNORED, Batch, Loader
from schemas.errors import UserError
from schemas.vocabulary import VocabularyLayout
from transforms.interleave import encode_utterance

MIXTURE = {"text": 0.5, "speech": 1.0, "interleaved": 2.0, "pairs": 1.0}
DATA = DataConfig.model_validate(
    {
        "context": 128,
        "sequences": 3,
        "window_shards": 2,
        "mixture": MIXTURE,
        "interleave": {"text_words": (1, 3), "speech_words": (1, 3)},
    }
)


@pytest.fixture(scope="module")
def corpus(toy_run):
    return open_corpus(str(toy_run), kinds=None, marker_style="plait")


def make_loader(corpus, data=DATA, *, seed=3, exclude=frozenset(), read=read_shard):
    return Loader(
        shards=corpus.shards,
        read=read,
        layout=corpus.layout,
        tokenizer=corpus.tokenizer,
        config=data,
        seed=seed,
        corpus_fingerprint=corpus.fingerprint,
        exclude_ids=exclude,
    )


def same(left: Batch, right: Batch) -> bool:
    names = ("tokens", "targets", "positions", "documents")
    return all(np.array_equal(getattr(left, name), getattr(right, name)) for name in names)


def documents(batch: Batch):
    for row in range(len(batch.tokens)):
        for number in range(batch.documents[row].max() + 1):
            yield batch.tokens[row][batch.documents[row] == number]


def test_restored_at_any_step_it_gives_the_same_batches(corpus):
    steps = 25
    loader = make_loader(corpus)
    states, batches = [], []
    for _ in range(steps):
        states.append(json.dumps(loader.state_dict()))
        batches.append(next(loader))
    assert loader.epochs["interleaved"] >= 1, "the run must cross an epoch to prove anything"
    for start, state in enumerate(states):
        resumed = make_loader(corpus)
        resumed.load_state_dict(json.loads(state))
        assert json.dumps(resumed.state_dict()) == state
        for expected in batches[start : start + 4]:
            assert same(next(resumed), expected)
    assert max(map(len, states)) < 4000


def test_another_seed_gives_other_batches_and_refuses_the_state(corpus):
    first, other = make_loader(corpus), make_loader(corpus, seed=4)
    assert not same(next(first), next(other))
    with pytest.raises(UserError, match="data order"):
        other.load_state_dict(first.state_dict())


def test_sources_keep_their_shares_of_tokens_at_every_step(corpus):
    loader = make_loader(corpus)
    total_weight = sum(MIXTURE.values())
    for _ in range(10):
        next(loader)
        total = sum(loader.tokens.values())
        for name, weight in MIXTURE.items():
            assert abs(loader.tokens[name] - total * weight / total_weight) < 4 * DATA.context


def test_rows_hold_whole_documents_with_their_own_positions_and_targets(corpus):
    loader, text = make_loader(corpus), corpus.tokenizer
    filled = []
    for _ in range(10):
        batch = next(loader)
        filled.append((batch.documents >= 0).mean())
        for row in range(DATA.sequences):
            ids = batch.documents[row]
            assert (batch.targets[row][ids < 0] == IGNORED).all()
            for number in range(ids.max() + 1):
                at = np.flatnonzero(ids == number)
                tokens = batch.tokens[row][at]
                assert tokens[0] == text.bos_id
                assert tokens[-1] == text.eos_id
                assert (tokens[1:-1] != text.bos_id).all()
                assert np.array_equal(batch.positions[row][at], np.arange(len(at)))
                assert np.array_equal(batch.targets[row][at], [*tokens[1:], IGNORED])
    assert np.mean(filled) > 0.9


def stream_of(corpus, name, *, window_shards, exclude=frozenset(), seed=3):
    return DocumentStream(
        name,
        shards=corpus.shards,
        cache=ShardCache(read_shard, exclude=exclude, capacity=window_shards),
        encode=lambda record, epoch: np.array([int(record.utterance_id[4:]), epoch], dtype=np.int32),
        split=lambda tokens: [tokens],
        seed=seed,
        window_shards=window_shards,
    )


@pytest.mark.parametrize("window_shards", [1, 2, 5, 9])
def test_an_epoch_has_each_utterance_once_in_an_order_of_its_own(corpus, window_shards):
    excluded = frozenset({"toy-0003", "toy-0011"})
    stream = stream_of(corpus, "text", window_shards=window_shards, exclude=excluded)
    seen = [stream.next_documents()[0].tokens.tolist() for _ in range(3 * 38)]
    orders = [[number for number, epoch in seen if epoch == wanted] for wanted in range(3)]
    for order in orders:
        assert sorted(order) == [number for number in range(40) if f"toy-{number:04d}" not in excluded]
    assert orders[0] != orders[1] != orders[2]
    other = stream_of(corpus, "speech", window_shards=window_shards, exclude=excluded)
    assert [other.next_documents()[0].tokens[0] for _ in range(38)] != orders[0]


def test_no_more_shards_are_held_than_windows_need(corpus):
    reads = Counter()

    def counting(url):
        reads[url] += 1
        return read_shard(url)

    cache = ShardCache(counting, exclude=frozenset(), capacity=2)
    for url in [*corpus.shards, *corpus.shards]:
        cache.rows(url)
        assert len(cache._shards) <= 2
    assert set(reads.values()) == {2}


def test_excluding_everything_is_said(corpus):
    loader = make_loader(corpus, exclude=frozenset(f"toy-{number:04d}" for number in range(40)))
    with pytest.raises(UserError, match="exclude_ids"):
        next(loader)


def test_interleaved_documents_are_the_draw_of_their_epoch(corpus):
    only = DATA.model_copy(
        update={"mixture": DATA.mixture.model_copy(update={"text": 0.0, "speech": 0.0, "pairs": 0.0}), "context": 256}
    )
    records = [record for shard in corpus.shards for record in read_shard(shard)]
    encode = partial(
        encode_utterance,
        source="interleaved",
        layout=corpus.layout,
        tokenizer=corpus.tokenizer,
        config=only.interleave,
        run_seed=3,
    )
    draws = {tuple(encode(record, epoch=epoch).tokens.tolist()) for record in records for epoch in range(6)}
    assert len(draws) > 3 * len(records), "epochs must differ"
    loader = make_loader(corpus, only)
    for _ in range(4):
        for document in documents(next(loader)):
            assert tuple(document[1:-1].tolist()) in draws


@given(
    body=st.lists(st.integers(0, 70), min_size=1, max_size=200),
    context=st.integers(16, 64),
    eos=st.sampled_from([2, None]),
    speech_first=st.booleans(),
)
def test_pieces_join_to_the_whole_and_each_says_its_modality(body, context, eos, speech_first):
    layout = VocabularyLayout(20, 49, 0, 0, "text")
    tokens = np.array([layout.speech_marker if speech_first else layout.text_marker, *body], dtype=np.int32)
    pieces = split_pieces(tokens, layout=layout, context=context, bos=1, eos=eos)
    markers = (layout.text_marker, layout.speech_marker)
    joined: list[int] = []
    for index, piece in enumerate(pieces):
        inner = piece.tolist()[1:]
        assert piece[0] == 1
        assert len(piece) <= context
        if eos is not None and index == len(pieces) - 1:
            assert inner.pop() == eos
        assert inner[0] in markers
        if index and tokens[len(joined)] not in markers:
            assert inner[0] == [token for token in joined if token in markers][-1]
            inner = inner[1:]
        joined += inner
    assert joined == tokens.tolist()
