"""A corpus job on real prompts with the real models, bad records among them."""

import shutil
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
import webdataset

from pipelines.config import BakeConfig, load_run
from pipelines.files import join, make_folder
from pipelines.ingest import read_all
from pipelines.metrics import read_metrics
from pipelines.partition import partition, read_rows
from pipelines.run import corpus_job, run
from pipelines.run_folder import RunFolder
from pipelines.store import ShardSet
from pipelines.train.config import DataConfig
from pipelines.train.corpus import open_corpus, read_shard
from pipelines.train.loader import Loader
from pipelines.verify import read_dropped, verify
from schemas.errors import EngineError, UserError
from schemas.vocabulary import VocabularyLayout
from tests.pipelines.conftest import EXAMPLES, GOOD_IDS, JOB, bad_rows, job, prompts, write_table
from transforms.interleave import InterleaveConfig, encode_utterance
from transforms.interleave_policies import Policy
from transforms.streams import ceil_div
from transforms.text.tokenizer import load_tokenizer


def digests(folder: Path) -> dict[str, str]:
    run_folder = RunFolder(str(folder))
    sets = [run_folder.corpus, run_folder.interleaved(0), run_folder.interleaved(1)]
    found = {f"{Path(s).name}/{entry.name}": entry.sha256 for s in sets for entry in ShardSet(s).manifest.shards}
    found["dropped"] = ShardSet(run_folder.corpus).manifest.dropped_sha256
    return found


def test_every_record_is_in_a_shard_or_dropped_for_its_own_reason(small_corpus):
    out = RunFolder(str(small_corpus / "out"))
    stored = {record.utterance_id for record in ShardSet(out.corpus).utterances()}
    dropped = {letter.utterance_id: letter for letter in read_dropped(out.dropped)}
    assert stored == set(GOOD_IDS)
    codes = {name: (letter.stage, letter.code, letter.outcome) for name, letter in dropped.items()}
    gate = codes.pop("bad-swapped")
    assert gate[0] == "align"
    assert gate[2] == "filtered"
    assert codes == {
        "bad-unreadable": ("decode", "unreadable_audio", "failed"),
        "bad-empty-audio": ("decode", "empty_audio", "filtered"),
        "bad-empty-text": ("decode", "empty_transcript", "filtered"),
        "bad-missing": ("decode", "missing_file", "failed"),
    }
    assert all(letter.detail for letter in dropped.values())


def test_words_lie_in_the_audio_in_order_and_streams_have_their_frames(small_corpus):
    for record in ShardSet(RunFolder(str(small_corpus / "out")).corpus).utterances():
        end = 0
        for word in record.words:
            assert end <= word.start_sample < word.end_sample <= record.num_samples
            assert 0 <= word.char_start < word.char_end <= len(record.text)
            end = word.end_sample
        assert [stream.kind for stream in record.streams] == ["units", "pitch", "style"]
        for stream in record.streams:
            assert len(stream.ids) == ceil_div(record.num_samples, stream.hop_samples)
            assert 0 <= stream.ids.min() <= stream.ids.max() < stream.codebook_size


def test_plain_webdataset_reads_the_baked_shards(small_corpus):
    urls = sorted(str(path) for path in (small_corpus / "out/interleaved/epoch-0").glob("*.tar"))
    samples = list(webdataset.WebDataset(urls, shardshuffle=False).decode())
    assert sorted(sample["json"]["utterance_id"] for sample in samples) == sorted(GOOD_IDS)
    for sample in samples:
        sizes = [segment["token_end"] - segment["token_start"] for segment in sample["json"]["segments"]]
        assert sum(sizes) == len(sample["tokens.npy"])


def test_a_baked_epoch_equals_the_same_epoch_drawn_at_load_time(small_corpus):
    out = RunFolder(str(small_corpus / "out"))
    tokenizer = load_tokenizer(Path(out.tokenizer))
    config = InterleaveConfig(text_words=(1, 4), speech_words=(1, 3))
    records = {record.utterance_id: record for record in ShardSet(out.corpus).utterances()}
    for epoch in (0, 1):
        baked = ShardSet(out.interleaved(epoch))
        layout = VocabularyLayout.from_json(baked.manifest.details["layout"])
        for sequence in baked.sequences():
            drawn = encode_utterance(
                records[sequence.utterance_id],
                source="interleaved",
                layout=layout,
                tokenizer=tokenizer,
                config=config,
                run_seed=7,
                epoch=epoch,
            )
            np.testing.assert_array_equal(sequence.tokens, drawn.tokens)
            assert sequence.segments == drawn.segments


def test_sequences_without_a_switch_are_counted_and_said_where_they_are_many(small_corpus, tmp_path, capsys):
    shutil.copytree(small_corpus / "out", tmp_path / "out")
    told = []
    for bounds in ({"text_words": (1, 2), "speech_words": (1, 2)}, {}):
        config = job(tmp_path, output="out", table=str(small_corpus / "corpus.tsv"))
        figures = run(config.model_copy(update={"interleave": BakeConfig.model_validate(bounds)}))
        baked = ShardSet(RunFolder(str(tmp_path / "out")).interleaved(0))
        several = {u.utterance_id for u in ShardSet(str(tmp_path / "out/corpus")).utterances() if " " in u.text.strip()}
        assert 0 < len(several) < len(GOOD_IDS)
        drawn = [len(sequence.segments) for sequence in baked.sequences() if sequence.utterance_id in several]
        assert figures["interleaved_without_a_switch"] == round(drawn.count(1) / len(drawn), 4)
        told.append([line for line in capsys.readouterr().out.splitlines() if "no switch of modality" in line])
    few, many = told
    assert few == []
    assert "lower interleave.text_words and interleave.speech_words" in many[0]


@pytest.mark.parametrize("policy", get_args(Policy))
def test_the_loader_draws_an_epoch_as_it_would_be_baked(small_corpus, policy):
    """Of real prompts; ``tests/pipelines/train/test_loader.py`` compares with baked shards."""
    corpus = open_corpus(str(small_corpus / "out"), DataConfig())
    bounds = {"text_words": (1, 4), "speech_words": (1, 3)} if policy in ("spirit", "correspond") else {}
    data = DataConfig.model_validate(
        {"context": 4096, "mixture": {"text": 0, "speech": 0}, "interleave": {"policy": policy, **bounds}}
    )
    loader = Loader(
        shards=corpus.shards,
        layout=corpus.layout,
        tokenizer=corpus.tokenizer,
        config=data,
        seed=7,
        corpus_fingerprint=corpus.fingerprint,
    )
    (stream,) = loader._streams.values()
    records = [record for url in corpus.shards for record in read_shard(url)]
    for epoch in (0, 1):
        drawn = [document.tokens[1:-1].tolist() for _ in records for document in stream.next_documents()]
        baked = [
            encode_utterance(
                record,
                source="interleaved",
                layout=corpus.layout,
                tokenizer=corpus.tokenizer,
                config=data.interleave,
                run_seed=7,
                epoch=epoch,
            ).tokens.tolist()
            for record in records
        ]
        assert sorted(drawn) == sorted(baked)


@pytest.mark.parametrize(
    ("engine", "table"),
    [
        ("{kind: local, workers: 2}", "backwards.tsv"),
        ("{kind: ray, workers: 1}", "corpus.tsv"),
        ("{kind: ray, workers: 2, num_cpus: 0.25, stages: {units: {workers: 1}}}", "backwards.tsv"),
        ("{kind: beam, workers: 1}", "corpus.tsv"),
        ("{kind: beam, workers: 2}", "backwards.tsv"),
        (
            "{kind: beam, runner: PortableRunner, options: {job_endpoint: embed, environment_type: LOOPBACK}}",
            "backwards.tsv",
        ),
    ],
)
def test_every_engine_gives_the_same_bytes(small_corpus, tmp_path, engine, table):
    path = small_corpus / f"{tmp_path.name}.yaml"
    path.write_text(JOB.format(output=tmp_path / "out", table=small_corpus / table))
    run(load_run(path, overrides=(f"engine={engine}",)))
    assert digests(tmp_path / "out") == digests(small_corpus / "out")
    assert sorted(path.name for path in (tmp_path / "out").rglob(".*")) == [".lock"]


def test_a_rerun_makes_only_what_is_missing(small_corpus, tmp_path, capsys):
    shutil.copytree(small_corpus / "out", small_corpus / "again")
    corpus = small_corpus / "again" / "corpus"
    (corpus / "shard-00001.tar").unlink()
    kept = {name: (corpus / name).stat().st_mtime_ns for name in ("shard-00000.tar", "shard-00002.tar")}
    run(job(small_corpus, output="again"))
    assert "2 of 3 shards stand already" in capsys.readouterr().out
    assert {name: (corpus / name).stat().st_mtime_ns for name in kept} == kept
    assert digests(small_corpus / "again") == digests(small_corpus / "out")


def test_a_shard_that_was_cut_is_made_again(small_corpus, tmp_path, capsys):
    shutil.copytree(small_corpus / "out", small_corpus / "cut")
    (shard,) = (small_corpus / "cut/corpus").glob("shard-00001.tar")
    shard.write_bytes(shard.read_bytes()[: shard.stat().st_size // 2])
    run(job(small_corpus, output="cut"))
    assert "2 of 3 shards stand already, 1 are made again (1 damaged)" in capsys.readouterr().out
    assert digests(small_corpus / "cut") == digests(small_corpus / "out")


@pytest.mark.parametrize(
    ("where", "message"),
    [("between", r"\d records, its commit says \d"), ("within", r"damaged after \d records")],
)
def test_a_shard_that_ends_early_is_not_baked(small_corpus, tmp_path, where, message):
    """A tar of the right size whose second half is zeros: it ends without a word, between two records or within one."""
    shutil.copytree(small_corpus / "out", tmp_path / "out")
    shutil.copy(small_corpus / "corpus.tsv", tmp_path)
    shard = tmp_path / "out/corpus/shard-00001.tar"
    with tarfile.open(shard) as tar:
        first = tar.getmembers()[0].name.partition(".")[0]
        others = [file for file in tar.getmembers() if not file.name.startswith(f"{first}.")]
        end = others[0].offset if where == "between" else others[1].offset
    shard.write_bytes(shard.read_bytes()[:end].ljust(shard.stat().st_size, b"\0"))
    (tmp_path / "out/interleaved/epoch-0/shard-00001.tar").unlink()
    with pytest.raises(EngineError, match=rf"shard-00001.tar: {message}; remove it and run again"):
        run(job(tmp_path, output="out"))
    shard.unlink()
    run(job(tmp_path, output="out"))
    assert digests(tmp_path / "out") == digests(small_corpus / "out")


@pytest.mark.parametrize("name", ["commits/shard-00001.tar.json", "manifest.json", "../metrics.json"])
@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"\xff\xfe"])
def test_a_damaged_file_beside_the_shards_is_named_and_mended(small_corpus, name, damage):
    out = small_corpus / "damaged"
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(small_corpus / "out", out)
    (out / "corpus" / name).write_bytes(damage)
    if name == "manifest.json":
        with pytest.raises(UserError, match=r"manifest.json is damaged"):
            list(verify(str(out)))
    else:
        (found,) = verify(str(out))
        assert Path(name).name in found
    run(job(small_corpus, output="damaged"))
    assert list(verify(str(out))) == []
    assert digests(out) == digests(small_corpus / "out")


def test_what_was_baked_from_other_tokens_is_named(small_corpus):
    out = small_corpus / "other-tokens"
    shutil.copytree(small_corpus / "out", out)
    manifest = ShardSet(str(out / "interleaved/epoch-1")).manifest
    other = replace(manifest, details={**manifest.details, "token_store": "0" * 16})
    (out / "interleaved/epoch-1/manifest.json").write_text(other.to_json(), encoding="utf-8")
    (found,) = verify(str(out))
    assert "interleaved/epoch-1: baked from another token store" in found


def test_while_token_shards_change_nothing_looks_finished(small_corpus, monkeypatch):
    out = small_corpus / "unfinished"
    shutil.copytree(small_corpus / "out", out)
    (out / "corpus/shard-00001.tar").unlink()

    def fails(*_: object) -> None:
        raise EngineError("no power")

    monkeypatch.setattr("pipelines.run._build_shards", fails)
    with pytest.raises(EngineError, match="no power"):
        run(job(small_corpus, output="unfinished"))
    with pytest.raises(UserError, match="no finished shards"):
        list(verify(str(out)))


@pytest.mark.parametrize("name", ["nowhere.wav", "garbage.wav"])
def test_audio_that_was_mended_is_looked_at_again(tmp_path, capsys, name):
    write_table(tmp_path / "corpus.tsv", GOOD_IDS[:4], bad_rows(tmp_path))
    light = ("pitch=null", "style=null")
    run(job(tmp_path, output="out", overrides=light))
    run(job(tmp_path, output="out", overrides=light))
    told = capsys.readouterr().out
    assert f"reading {tmp_path}/corpus.tsv" in told
    assert "3 of 3 shards stand already\n" in told
    shutil.copy(EXAMPLES / prompts()["hello-world"]["audio"], tmp_path / name)
    figures = run(job(tmp_path, output="out", overrides=light))
    told = capsys.readouterr().out
    assert "2 of 3 shards stand already, 1 are made again (1 had failed records whose audio is new)" in told
    assert figures["failed"] == 1


def test_a_tar_of_another_plan_never_stands_under_the_commit_that_was(tmp_path, monkeypatch):
    """Stopped between a shard's tar and its commit; then the change is taken back. Both tars have one size."""

    def stopped(*_: object) -> None:
        raise EngineError("no power")

    write_table(tmp_path / "corpus.tsv", GOOD_IDS[:4], {})
    light = ("pitch=null", "style=null", "store.shards=1")
    first = job(tmp_path, output="out", overrides=(*light, "ingest.licence=A"))
    run(first)
    with monkeypatch.context() as patched:
        patched.setattr("pipelines.corpus.write_commit", stopped)
        with pytest.raises(EngineError, match="no power"):
            run(job(tmp_path, output="out", overrides=(*light, "ingest.licence=B")))
    run(first)
    assert {record.licence for record in ShardSet(str(tmp_path / "out/corpus")).utterances()} == {"A"}


def test_a_shard_is_assembled_again_where_a_worker_died_after_its_commit(tmp_path):
    write_table(tmp_path / "corpus.tsv", GOOD_IDS[:4], {})
    config = job(tmp_path, output="out", overrides=("pitch=null", "style=null", "store.shards=1"))
    folder = RunFolder(config.output)
    rows = join(folder.work, "rows")
    make_folder(rows)
    work = corpus_job(config, folder, partition(read_all(config.ingest), rows, num_shards=1, limit=None))
    step = work.open_stages(work.stage_names)
    parts = [work.write_part(step(batch)) for batch in work.batches(0)]
    first, again = (replace(work.assemble(0, parts), began=0.0, ended=0.0, seconds={}) for _ in range(2))
    assert first == again
    assert first.records == 4


@pytest.mark.parametrize(
    ("engine", "expected"),
    [
        ("{kind: ray, stages: {units: {num_gpus: 0.5}}}", {"units": True, "pitch": False}),
        ("{kind: ray, num_gpus: 1}", {"units": True, "pitch": True}),
        ("{kind: local}", {"units": torch.cuda.is_available()}),
    ],
)
def test_stages_on_a_gpu_are_known_where_devices_are_auto(tmp_path, engine, expected):
    config = job(tmp_path, output="out", overrides=(f"engine={engine}",))
    assert {stage: config.engine.on_gpu(stage, "auto") for stage in expected} == expected
    assert not config.engine.on_gpu("style", "cpu")


def test_new_recordings_join_without_touching_other_shards(small_corpus, tmp_path, capsys):
    """A second corpus in ``ingest``: the digests are those of one run on both."""
    write_table(tmp_path / "first.tsv", GOOD_IDS[:8], {})
    write_table(tmp_path / "more.tsv", GOOD_IDS[8:9], {})
    light = ("pitch=null", "style=null", "store.shards=6")
    run(job(tmp_path, output="out", table="first.tsv", overrides=light))
    tars = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.tar")}
    two = ", ".join(f"{{kind: table, path: {tmp_path}/{name}.tsv, source: prompts}}" for name in ("first", "more"))
    both = f"ingest=[{two}]"
    config = job(tmp_path, output="out", overrides=(*light, both))
    figures = run(config)
    assert "5 of 6 shards stand already" in capsys.readouterr().out
    assert figures["in_shards"] == 9
    changed = {path.name for path, at in tars.items() if path.stat().st_mtime_ns != at}
    assert len(changed) == 1
    shutil.copytree(tmp_path / "out/tokenizer", tmp_path / "once/tokenizer")
    run(config.model_copy(update={"output": str(tmp_path / "once")}))
    assert digests(tmp_path / "once") == digests(tmp_path / "out")


def test_another_number_of_shards_is_another_corpus(small_corpus, tmp_path):
    shutil.copytree(small_corpus / "out", tmp_path / "out")
    shutil.copy(small_corpus / "corpus.tsv", tmp_path)
    with pytest.raises(UserError, match=r"store.shards: .* holds shards up to number 2, the job asks for 2"):
        run(job(tmp_path, output="out", overrides=("store.shards=2",)))
    assert list(verify(str(tmp_path / "out"))) == []


def test_what_is_finished_verifies_and_one_flipped_byte_does_not(small_corpus):
    assert list(verify(str(small_corpus / "out"))) == []
    for name in ("corpus/shard-00001.tar", "interleaved/epoch-1/shard-00002.tar", "dropped.parquet"):
        broken = small_corpus / "broken"
        shutil.rmtree(broken, ignore_errors=True)
        shutil.copytree(small_corpus / "out", broken)
        data = bytearray((broken / name).read_bytes())
        data[len(data) // 2] ^= 1
        (broken / name).write_bytes(data)
        found = list(verify(str(broken)))
        assert len(found) == 1
        assert name.split("/")[-1] in found[0]


def test_a_record_that_is_in_no_account_is_missed(small_corpus):
    lost = small_corpus / "lost"
    shutil.copytree(small_corpus / "out", lost)
    manifest = ShardSet(str(lost / "corpus")).manifest
    assert manifest.inputs == len(GOOD_IDS) + 5
    (lost / "corpus/manifest.json").write_text(
        replace(manifest, inputs=manifest.inputs + 1).to_json(), encoding="utf-8"
    )
    (found,) = verify(str(lost))
    assert "18 inputs, but 12 in shards + 3 filtered + 2 failed" in found


def test_a_run_counts_what_it_read_apart_from_what_came_out(small_corpus, monkeypatch):
    """A worker that loses a record without a word is found by the accounts."""
    monkeypatch.setattr("pipelines.corpus.read_rows", lambda *a, **k: (read_rows(*a, **k)[0][1:], []))
    run(job(small_corpus, output="careless", overrides=("pitch=null", "style=null")))
    assert any("inputs, but" in line for line in verify(str(small_corpus / "careless")))


def test_a_missing_shard_is_named(small_corpus):
    broken = small_corpus / "missing"
    shutil.copytree(small_corpus / "out", broken)
    (broken / "corpus" / "shard-00000.tar").unlink()
    found = list(verify(str(broken)))
    assert "shard-00000.tar: the shard is missing" in found[0]


def test_metrics_say_what_came_of_every_record(small_corpus):
    figures = read_metrics(str(small_corpus / "out"))["corpus"]
    assert figures["utterances"] == len(GOOD_IDS) + 5
    assert figures["in_shards"] == len(GOOD_IDS)
    assert figures["filtered"] + figures["failed"] == sum(figures["dropped_by_cause"].values()) == 5
    assert figures["words_aligned"] > 50


def test_a_run_shows_a_sentence_of_each_cause(small_corpus, capsys):
    run(job(small_corpus, output="out"))
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("dropped by ")]
    letters = read_dropped(str(small_corpus / "out/dropped.parquet"))
    assert len(told) == len({(letter.stage, letter.code) for letter in letters})
    assert all(any(f"{each.utterance_id}: {each.detail}" in line for each in letters) for line in told)


def test_base_streams_have_units_alone(small_corpus):
    shutil.copytree(small_corpus / "out", small_corpus / "base")
    run(job(small_corpus, output="base", overrides=("interleave.streams=base",)))
    layout = VocabularyLayout.from_json(
        ShardSet(str(small_corpus / "base/interleaved/epoch-0")).manifest.details["layout"]
    )
    assert (layout.pitch_size, layout.style_size) == (0, 0)


def test_a_corpus_of_failures_fails_the_run(tmp_path):
    bad = {f"missing-{n}": (str(tmp_path / f"no-{n}.wav"), "Hello.") for n in range(3)}
    write_table(tmp_path / "corpus.tsv", (), bad)
    with pytest.raises(
        EngineError,
        match=r"no utterance reached a shard; .*decode/missing_file .3., such as missing-0: ",
    ):
        run(job(tmp_path, output="out"))
    assert len(read_dropped(str(tmp_path / "out/dropped.parquet"))) == 3


def test_too_many_failures_stop_the_run(tmp_path):
    bad = {f"missing-{n:02}": (str(tmp_path / f"no-{n}.wav"), "Hello.") for n in range(30)}
    write_table(tmp_path / "corpus.tsv", ("hello-world",), bad)
    with pytest.raises(EngineError, match=r"max_failed_ratio .* such as missing-.*no-.*wav"):
        run(job(tmp_path, output="out"))


def test_an_output_that_cannot_be_written_is_the_users_to_mend(tmp_path):
    (tmp_path / "file").write_text("in the way")
    write_table(tmp_path / "corpus.tsv", ("hello-world",), bad_rows(tmp_path))
    with pytest.raises(UserError, match="cannot write to"):
        run(job(tmp_path, output="file/out"))


def test_duplicate_ids_keep_one_whatever_the_order(tmp_path):
    for name, backwards in (("corpus.tsv", False), ("backwards.tsv", True)):
        write_table(tmp_path / name, ("hello-world", "hello-world"), {}, backwards=backwards)
        run(job(tmp_path, output=name[:-4], table=name))
    letters = read_dropped(str(tmp_path / "corpus/dropped.parquet"))
    assert [(letter.utterance_id, letter.code) for letter in letters] == [("hello-world", "duplicate_id")]
    assert digests(tmp_path / "corpus") == digests(tmp_path / "backwards")


def test_a_table_without_texts_is_read_where_recordings_are_transcribed(tmp_path):
    (tmp_path / "corpus.tsv").write_text(
        "audio\n" + "".join(f"{EXAMPLES / 'audio' / name}.flac\n" for name in GOOD_IDS)
    )
    with pytest.raises(UserError, match="no column 'text'"):
        run(job(tmp_path, output="out"))
    heard = f"align={{kind: whisperx, models: {{en: {tmp_path / 'none'}}}, transcribe: true}}"
    config = job(tmp_path, output="out", overrides=(heard,))
    with pytest.raises(UserError, match=r"align\.models\.en: no folder"):  # behind the reading
        run(config)
