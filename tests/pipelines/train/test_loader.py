import gzip
import json
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import get_args

import fsspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.files import join, make_folder, write_text
from pipelines.store import MANIFEST, key_of, read_samples, sequence_sample, write_shard
from pipelines.train.config import DataConfig
from pipelines.train.corpus import open_corpus, read_shard
from pipelines.train.distributed import World
from pipelines.train.documents import DocumentStream, Splitter
from pipelines.train.loader import IGNORED, Batch, Loader
from pipelines.train.prefetch import Prefetched
from pipelines.train.tables import TableCache, TableReader
from pipelines.train.tar import read_members
from schemas.errors import UserError
from schemas.manifest import TRAINING_SHARDS, Manifest
from schemas.vocabulary import VocabularyLayout
from transforms.interleave import InterleaveConfig, encode_utterance
from transforms.interleave_policies import Policy

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
    return open_corpus(str(toy_run), DataConfig())


def make_loader(corpus, data=DATA, *, seed=3, exclude=frozenset(), **changes):
    return Loader(
        shards=corpus.shards,
        layout=corpus.layout,
        tokenizer=corpus.tokenizer,
        config=data,
        seed=seed,
        corpus_fingerprint=corpus.fingerprint,
        exclude_ids=exclude,
        **changes,
    )


def same(left: Batch, right: Batch) -> bool:
    names = ("tokens", "targets", "positions", "documents")
    return all(np.array_equal(getattr(left, name), getattr(right, name)) for name in names)


def documents(batch: Batch):
    for row in range(len(batch.tokens)):
        for number in range(batch.documents[row].max() + 1):
            yield batch.tokens[row][batch.documents[row] == number]


def test_restored_at_any_step_it_gives_the_same_batches(corpus):
    steps = 50
    loader = make_loader(corpus)
    states, batches = [], []
    for _ in range(steps):
        states.append(json.dumps(loader.state_dict()))
        batches.append(next(loader))
    states.append(json.dumps(loader.state_dict()))
    assert loader.epochs["interleaved"] >= 1, "the run must cross an epoch to prove anything"
    for start, state in enumerate(states[:-1]):
        resumed = make_loader(corpus)
        resumed.load_state_dict(json.loads(state))
        assert json.dumps(resumed.state_dict()) == state
        end = min(start + 3, steps)
        for expected in batches[start:end]:
            assert same(next(resumed), expected)
        assert json.dumps(resumed.state_dict()) == states[end], "it stands where the other did, so it goes on alike"
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


def table_reader(corpus, exclude=frozenset()):
    return TableReader(corpus.layout, corpus.tokenizer, ("units", "pitch", "style"), exclude)


def stream_of(corpus, name, *, window_shards, exclude=frozenset(), seed=3):
    return DocumentStream(
        name,
        shards=lambda epoch: corpus.shards,
        cache=TableCache(table_reader(corpus, exclude), capacity=window_shards),
        encode=lambda table, row, epoch: [np.array([int(table.ids[row][4:]), epoch], dtype=np.int32)],
        split=lambda chunks: chunks,
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
    read = table_reader(corpus)

    def counting(url):
        reads[url] += 1
        return read(url)

    cache = TableCache(counting, capacity=2, keep_bytes=0)
    for url in [*corpus.shards, *corpus.shards]:
        cache.table(url)
        assert len(cache._tables) <= 2
    assert set(reads.values()) == {2}


def test_small_tables_are_read_once_and_change_no_batch(corpus):
    reads = Counter()
    read = table_reader(corpus)

    def counting(url):
        reads[url] += 1
        return read(url)

    biggest = max(read(url).nbytes for url in corpus.shards)
    cache = TableCache(counting, capacity=1, keep_bytes=len(corpus.shards) * biggest)
    for url in [*corpus.shards, *corpus.shards[::-1]]:
        cache.table(url)
    assert set(reads.values()) == {1}
    tight = TableCache(counting, capacity=1, keep_bytes=2 * biggest)
    for url in corpus.shards:
        tight.table(url)
        assert sum(table.nbytes for table in tight._tables.values()) <= 2 * biggest
    keeping, forgetting = make_loader(corpus), make_loader(corpus)
    forgetting._caches["store"]._keep_bytes = 0
    for _ in range(12):
        assert same(next(keeping), next(forgetting))


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
    pieces = Splitter(layout=layout, context=context, bos=1, eos=eos)([tokens[:2], tokens[2:]])
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


def test_the_number_of_workers_changes_no_batch_and_no_state(corpus):
    """None, then one, then two."""
    alone = make_loader(corpus)
    for steps in (7, 25):
        state = json.dumps(alone.state_dict())
        helped = make_loader(corpus, DATA.model_copy(update={"workers": 1 if steps == 7 else 2}))
        try:
            helped.load_state_dict(json.loads(state))
            for _ in range(steps):
                assert same(next(helped), next(alone))
            assert helped.state_dict() == alone.state_dict()
        finally:
            helped.close()
    assert alone.epochs["interleaved"] >= 1


@pytest.mark.parametrize("size", [1, 3])
def test_the_ranks_rows_are_the_global_batch(corpus, size):
    whole = next(make_loader(corpus))
    ranks = [World(rank, size).own_rows(next(make_loader(corpus))) for rank in range(size)]
    assert same(Batch(*(np.concatenate(arrays) for arrays in zip(*ranks, strict=True))), whole)


def test_prefetched_batches_come_with_the_state_after_them(corpus):
    plain, ahead = make_loader(corpus), Prefetched(make_loader(corpus))
    try:
        for _ in range(12):
            assert ahead.state == plain.state_dict()
            assert same(next(ahead), next(plain))
    finally:
        ahead.close()


def test_what_breaks_in_the_thread_is_raised_where_batches_are_asked_for(corpus):
    ahead = Prefetched(make_loader(corpus, only_ids=frozenset({"nobody"})))
    with pytest.raises(UserError, match="no utterance"):
        next(ahead)
    ahead.close()


def bake(corpus, interleave, epoch, target) -> str:
    """An epoch's shards as ``plait run`` bakes them."""
    folder = str(target)
    make_folder(folder)
    entries = []
    for number, url in enumerate(corpus.shards):
        sequences = [
            encode_utterance(
                record,
                source="interleaved",
                layout=corpus.layout,
                tokenizer=corpus.tokenizer,
                config=interleave,
                run_seed=3,
                epoch=epoch,
            )
            for record in read_shard(url)
        ]
        samples = [(sequence.utterance_id, sequence_sample(sequence)) for sequence in sequences]
        entries.append(write_shard(folder, number, samples, counts={}))
    details = {"layout": corpus.layout.to_json()}
    manifest = Manifest(TRAINING_SHARDS, "plan", 40, 0, 0, "", (), tuple(entries), details=details)
    write_text(join(folder, MANIFEST), manifest.to_json())
    return folder


@pytest.mark.parametrize("policy", get_args(Policy))
def test_baked_epochs_give_the_batches_of_load_time(toy_run, corpus, policy, tmp_path):
    bounds = {"text_words": (1, 3), "speech_words": (1, 2)} if policy in ("spirit", "correspond") else {}
    options = {"poisson": {"span_words": 2.0}, "alternate": {"chunk_words": 2}}.get(policy, {})
    interleave = InterleaveConfig.model_validate({"policy": policy, **bounds, **options})
    folders = [bake(corpus, interleave, epoch, tmp_path / f"epoch-{epoch}") for epoch in range(3)]
    drawn = DATA.model_copy(update={"interleave": interleave})
    read = drawn.model_copy(update={"baked": tuple(folders)})
    opened = open_corpus(str(toy_run), read)
    left, right = make_loader(corpus, drawn), make_loader(opened, read, baked=opened.baked)
    while left.epochs["interleaved"] < 2:
        assert same(next(left), next(right))
    with pytest.raises(UserError, match="vocabulary"):
        open_corpus(str(toy_run), read.model_copy(update={"streams": ("units",)}))


def with_texts(files) -> DataConfig:
    mixture = DATA.mixture.model_copy(update={"text": 1.0, "pairs": 0.0})
    return DATA.model_copy(update={"mixture": mixture, "texts": tuple(map(str, files)), "window_shards": 1})


def test_texts_of_ones_own_take_the_place_of_transcripts(corpus, tmp_path):
    written = [f"{' '.join(['stops'] * count)} now now" for count in range(1, 11)]
    (tmp_path / "a.txt").write_text("\n\n".join(written[:4]))
    with gzip.open(tmp_path / "b.jsonl.gz", "wt") as file:
        file.writelines(json.dumps({"url": "x", "text": text}) + "\n" for text in written[4:])
    data = with_texts(sorted(tmp_path.iterdir()))
    loader, seen, text = make_loader(corpus, data), Counter(), corpus.tokenizer
    while loader.epochs["text"] < 3:
        for document in documents(next(loader)):
            if corpus.layout.speech_marker not in document:
                assert document[1] == corpus.layout.text_marker
                said = text.decode(document[2:-1].tolist())
                seen[said] += said in written
    assert {said for said, times in seen.items() if times} == set(written)
    total = sum(loader.tokens.values())
    for name, weight in {"text": 1.0, "speech": 1.0, "interleaved": 2.0}.items():
        assert abs(loader.tokens[name] - total * weight / 4) < 4 * DATA.context
    state = json.dumps(loader.state_dict())
    helped = make_loader(corpus, data.model_copy(update={"workers": 1}))
    helped.load_state_dict(json.loads(state))
    for _ in range(6):
        assert same(next(helped), next(loader))
    helped.close()
    (tmp_path / "a.txt").write_text("another text")
    with pytest.raises(UserError, match="data order"):
        make_loader(corpus, data).load_state_dict(json.loads(state))


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("none.txt", None, "data.texts: no file .*none.txt"),
        ("a.txt", b"\xff\xfe", "data.texts: .*a.txt is not UTF-8"),
        ("a.jsonl", b'{"text": "x"}\n{"words": 3}\n', r"a.jsonl:2: .*text"),
    ],
)
def test_wrong_texts_are_named(corpus, tmp_path, name, data, said):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(UserError, match=said):
        next(make_loader(corpus, with_texts([tmp_path / name])))


def test_a_remote_store_gives_the_batches_of_a_local_one(corpus):
    remote = []
    for url in corpus.shards:
        with fsspec.open(f"memory://toy/{Path(url).name}", "wb") as file:
            file.write(Path(url).read_bytes())
        remote.append(f"memory://toy/{Path(url).name}")
    local, far = make_loader(corpus), make_loader(replace(corpus, shards=tuple(remote)))
    for _ in range(5):
        assert same(next(local), next(far))


@pytest.mark.parametrize(
    ("suffix", "data", "said"),
    [
        ("json", b'{"utterance_id": "toy-', "sample toy-0001: .*truncated"),
        ("json", b'{"utterance_id": 7}', r"sample toy-0001: .*\$.utterance_id"),
        ("units.npy", b"PK\3\4", "sample toy-0001: not an npy file"),
        ("units.npy", None, r"no toy-0001\.units\.npy"),
    ],
)
def test_a_damaged_sample_is_named(corpus, tmp_path, suffix, data, said):
    samples = dict(samples_of(corpus.shards))
    damaged = {**samples["toy-0001"], suffix: data}
    samples["toy-0001"] = {name: content for name, content in damaged.items() if content is not None}
    write_shard(str(tmp_path), 0, list(samples.items()), counts={})
    with pytest.raises(UserError, match=f"shard-00000.tar: {said}.*plait verify"):
        table_reader(corpus)(str(tmp_path / "shard-00000.tar"))


def test_a_word_outside_of_its_text_is_named(corpus, tmp_path):
    samples = dict(samples_of(corpus.shards))
    meta = json.loads(samples["toy-0002"]["json"])
    meta["words"][-1]["char_start"] = len(meta["text"]) + 1
    samples["toy-0002"]["json"] = json.dumps(meta).encode()
    write_shard(str(tmp_path), 0, list(samples.items()), counts={})
    with pytest.raises(UserError, match=r"shard-00000.tar: a word of toy-0002 lies outside.*plait verify"):
        table_reader(corpus)(str(tmp_path / "shard-00000.tar"))


def test_what_is_no_header_is_told(corpus, tmp_path):
    whole = bytearray(Path(corpus.shards[0]).read_bytes())
    whole[124:130] = b"xxxxxx"
    (tmp_path / "shard-00000.tar").write_bytes(whole)
    with pytest.raises(UserError, match=r"shard-00000.tar: no header at byte 0.*plait verify"):
        table_reader(corpus)(str(tmp_path / "shard-00000.tar"))


def test_a_shard_that_is_gone_is_named(corpus, tmp_path):
    with pytest.raises(UserError, match=r"shard-00007.tar: no such file; .*plait verify"):
        table_reader(corpus)(str(tmp_path / "shard-00007.tar"))


def samples_of(shards):
    return [sample for url in shards for sample in read_samples(url)]


def test_the_reader_reads_what_webdataset_reads_long_names_and_all(tmp_path):
    samples = [
        (f"{'long-' * n}key{n}", {"json": b"{}" * n, "flac": b"x" * 5000, "units.npy": b"u" * n}) for n in (1, 40)
    ]
    write_shard(str(tmp_path), 0, samples, counts={})
    url = str(tmp_path / "shard-00000.tar")
    wanted = [(key_of(key), {name: data for name, data in files.items() if name != "flac"}) for key, files in samples]
    assert list(read_members(url, suffixes=("json", "units.npy"))) == wanted
    whole = Path(url).read_bytes()
    Path(url).write_bytes(whole[:1200])
    with pytest.raises(UserError, match="cut off"):
        list(read_members(url, suffixes=("json", "units.npy")))
