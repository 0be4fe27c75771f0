import json
import os
import shutil
import signal
import threading
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pipelines.lock import lock
from pipelines.train import checkpoint
from pipelines.train.config import DataConfig, OptimizerConfig, TrainConfig
from pipelines.train.corpus import open_corpus
from pipelines.train.journal import LOG_FILE
from pipelines.train.loader import Batch
from pipelines.train.loop import Trainer, train
from pipelines.train.objective import LOSS_KINDS, document_mask, kind_of_ids
from pipelines.train.schedule import learning_rate
from schemas.errors import EngineError, UserError
from transforms.text.tokenizer import fit_sentencepiece

GOLDEN = Path(__file__).parents[2] / "golden"
MODEL = {"kind": "llama", "hidden_size": 32, "intermediate_size": 64, "layers": 2, "heads": 2, "kv_heads": 1}
DATA = {"context": 128, "sequences": 4, "interleave": {"text_words": (1, 3), "speech_words": (1, 3)}}


def config_for(toy_run, output, **changes) -> TrainConfig:
    settings = {
        "output": str(output),
        "corpus": str(toy_run),
        "model": MODEL,
        "data": DATA,
        "optimizer": {"learning_rate": 0.003, "schedule": "cosine", "warmup_steps": 2},
        "steps": 12,
        "checkpoint_every": 4,
        "device": "cpu",
        "threads": 1,
        **changes,
    }
    return TrainConfig.model_validate(settings)


def log_of(folder) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / LOG_FILE).read_text().splitlines()]


@pytest.fixture(scope="module")
def whole(toy_run, tmp_path_factory):
    """Folder and figures of a run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, train(config_for(toy_run, folder))


def test_loss_falls_and_the_figures_add_up(whole):
    folder, figures = whole
    log = log_of(folder)
    assert figures["finished"]
    assert [record["step"] for record in log] == list(range(1, 13))
    assert log[-1]["loss"] < log[0]["loss"] - 0.5
    assert abs(log[0]["loss"] - np.log(figures["embedding_rows"])) < 0.3
    assert figures["tokens"] == log[-1]["tokens"]
    assert {"loss_text", "loss_speech", "loss_control"} <= set(figures)


@pytest.mark.parametrize("stop_at", [1, 6])
def test_stopped_by_sigterm_and_resumed_it_is_the_same_run_bit_for_bit(toy_run, tmp_path, whole, stop_at):
    config = config_for(toy_run, tmp_path)

    def stop(step, total, loss, rate):
        if step == stop_at:
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    stopped = train(config, say=stop)
    assert signal.getsignal(signal.SIGTERM) is before
    assert not stopped["finished"]
    assert stopped["steps"] == stop_at
    assert not (tmp_path / "config.json").exists()
    assert train(config)["finished"]
    assert log_of(tmp_path) == log_of(whole[0])
    left, right = load_file(tmp_path / "model.safetensors"), load_file(whole[0] / "model.safetensors")
    assert all(torch.equal(left[name], right[name]) for name in right)


def test_killed_between_checkpoints_it_repeats_the_lost_steps(toy_run, tmp_path, whole):
    class Killed(BaseException):
        pass

    def kill(step, total, loss, rate):
        if step == 7:
            raise Killed

    config = config_for(toy_run, tmp_path)
    with pytest.raises(Killed):
        train(config, say=kill)
    (tmp_path / "checkpoints" / ".partial-1").mkdir()
    assert checkpoint.latest(tmp_path / "checkpoints").name == "step-00000004"
    train(config)
    assert log_of(tmp_path) == log_of(whole[0])
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["step-00000008", "step-00000012"]


def test_a_thread_that_gets_no_signals_can_train(toy_run, tmp_path):
    figures = []
    thread = threading.Thread(target=lambda: figures.append(train(config_for(toy_run, tmp_path, steps=1))))
    thread.start()
    thread.join()
    assert figures[0]["finished"]


def trainer_for(toy_run, folder, **changes) -> Trainer:
    folder.mkdir(exist_ok=True)
    config = config_for(toy_run, folder, **changes)
    return Trainer(config, open_corpus(config.corpus, config.data), folder)


@pytest.mark.parametrize("source", ["text", "speech", "interleaved"])
def test_one_batch_can_be_learned_by_heart(toy_run, tmp_path, source):
    mixture = dict.fromkeys(("text", "speech", "interleaved"), 0.0) | {source: 1.0}
    trainer = trainer_for(
        toy_run,
        tmp_path,
        data=DATA | {"mixture": mixture},
        optimizer={"learning_rate": 0.01, "weight_decay": 0.0},
    )
    batch = next(trainer.loader).rows(0, 1)
    first_only = batch.documents == 0  # several documents may begin alike, and then no model could tell them apart
    batch = Batch(batch.tokens, np.where(first_only, batch.targets, -100), batch.positions, batch.documents)
    for _ in range(80):
        losses, _ = trainer.step(batch)
    assert losses["loss"] < 0.05


def test_micro_batches_change_nothing_but_rounding(toy_run, tmp_path):
    whole = trainer_for(toy_run, tmp_path / "a")
    parts = trainer_for(toy_run, tmp_path / "b", data=DATA | {"micro_batches": 4})
    for _ in range(3):
        batch = next(whole.loader)
        left, count = whole.step(batch)
        right, _ = parts.step(batch)
        assert count == (batch.targets >= 0).sum()
        assert left == pytest.approx(right, abs=2e-5)
    for one, other in zip(whole.model.parameters(), parts.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=2e-4, rtol=1e-3)


def test_a_packed_document_is_computed_as_if_it_were_alone(toy_run, tmp_path):
    trainer = trainer_for(toy_run, tmp_path)
    batch = next(trainer.loader)
    tokens, documents = torch.from_numpy(batch.tokens), torch.from_numpy(batch.documents)
    with torch.no_grad():
        packed = trainer.model(
            input_ids=tokens,
            attention_mask=document_mask(documents),
            position_ids=torch.from_numpy(batch.positions),
        ).logits
        for number in range(int(documents[0].max()) + 1):
            here = documents[0] == number
            alone = trainer.model(input_ids=tokens[0, here][None]).logits[0]
            torch.testing.assert_close(packed[0, here], alone, atol=1e-4, rtol=1e-4)


def test_losses_are_told_apart_by_what_is_predicted(toy_run):
    corpus = open_corpus(str(toy_run), DataConfig())
    layout, text = corpus.layout, corpus.tokenizer
    kinds = kind_of_ids(layout, rows=layout.padded_size, bos=text.bos_id, eos=text.eos_id)
    named = {name: int((kinds == index).sum()) for index, name in enumerate(LOSS_KINDS)}
    assert named["speech"] == layout.units_size + layout.pitch_size + layout.style_size
    assert named["control"] == 4
    assert kinds[layout.text_marker] == kinds[text.eos_id] == LOSS_KINDS.index("control")


def test_base_has_no_pitch_and_no_style(toy_run):
    corpus = open_corpus(str(toy_run), DataConfig(streams=("units",), marker_style="spiritlm"))
    assert (corpus.layout.pitch_size, corpus.layout.style_size) == (0, 0)
    assert set(corpus.hops) == {"units"}
    assert corpus.layout.stream_fingerprints == ("units=toy-units",)


def test_schedules():
    def rates(**changes):
        config = OptimizerConfig(learning_rate=1.0, **changes)
        return [learning_rate(step, steps=10, config=config) for step in range(10)]

    assert rates(warmup_steps=4) == [0.25, 0.5, 0.75, 1.0] + [1.0] * 6
    cosine = rates(schedule="cosine", final_ratio=0.1)
    assert cosine[0] == 1.0
    assert cosine[5] == pytest.approx(0.55)
    assert all(later < earlier for earlier, later in pairwise(cosine))
    assert rates(schedule="wsd", decay_steps=5)[4:] == pytest.approx([1.0, 1.0, 0.8, 0.6, 0.4, 0.2])


def test_a_loss_that_is_not_finite_ends_the_run_and_leaves_the_good_checkpoints(toy_run, tmp_path):
    config = config_for(toy_run, tmp_path, checkpoint_every=2)

    def spoil(step, total, loss, rate):
        if step == 5:
            with torch.no_grad():
                spoiled[0].model.get_input_embeddings().weight.fill_(torch.nan)

    corpus = open_corpus(config.corpus, config.data)
    spoiled = [Trainer(config, corpus, tmp_path)]
    with pytest.raises(EngineError, match=r"step 6: loss nan.*step-00000004"):
        spoiled[0].run(spoil, threading.Event())
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["step-00000002", "step-00000004"]
    assert [record["step"] for record in log_of(tmp_path)] == [1, 2, 3, 4, 5]
    assert train(config)["finished"]


def test_a_gradient_that_is_not_finite_changes_no_weight(toy_run, tmp_path):
    trainer = trainer_for(toy_run, tmp_path)
    before = {name: weight.clone() for name, weight in trainer.model.state_dict().items()}
    next(iter(trainer.model.parameters())).register_hook(lambda gradient: gradient * torch.inf)
    with pytest.raises(EngineError, match=r"step 1: loss [0-9.]+, gradient norm (nan|inf).*checkpoint is none"):
        trainer.step(next(trainer.loader))
    assert all(torch.equal(weight, before[name]) for name, weight in trainer.model.state_dict().items())


def test_an_evaluation_loss_that_is_no_number_is_never_the_best(toy_run, tmp_path, monkeypatch):
    ids = tmp_path / "heldout.txt"
    ids.write_text("toy-0003\n")
    trainer = trainer_for(
        toy_run, tmp_path / "model", exclude_ids=str(ids), evaluation={"every": 1, "ids": str(ids), "batches": 1}
    )
    for found, better, best in ((np.nan, False, None), (2.0, True, 2.0), (np.nan, False, 2.0), (1.0, True, 1.0)):
        monkeypatch.setattr(trainer, "evaluate", lambda found=found: {"eval_loss": found})
        assert trainer._evaluate_into({}) == better
        assert trainer.progress.best_loss == best


@pytest.mark.parametrize(
    ("section", "values"),
    [
        ("optimizer", {"learning_rate": float("inf")}),
        ("optimizer", {"learning_rate": float("nan")}),
        ("optimizer", {"clip_norm": float("inf")}),
        ("optimizer", {"betas": [0.9, 1.0]}),
        ("optimizer", {"betas": [-0.1, 0.9]}),
        ("data", {"mixture": {"text": float("nan")}}),
    ],
)
def test_numbers_that_train_nothing_are_refused_in_the_config(toy_run, tmp_path, section, values):
    with pytest.raises(ValueError, match=section):
        config_for(toy_run, tmp_path, **{section: values})


def test_two_trainings_in_one_folder_are_refused(toy_run, tmp_path):
    with lock(str(tmp_path)), pytest.raises(UserError, match="another run writes"):
        train(config_for(toy_run, tmp_path))
    assert not (tmp_path / "checkpoints").exists()
    assert train(config_for(toy_run, tmp_path, steps=1))["finished"]


def test_mistakes_are_said(toy_run, tmp_path, whole):
    optimizer = {"learning_rate": 0.01, "schedule": "cosine", "warmup_steps": 2}
    other = config_for(toy_run, whole[0], seed=5, optimizer=optimizer, threads=2)
    changed = r"other settings \(optimizer.learning_rate was 0.003, is 0.01; seed was 0, is 5\)"
    with pytest.raises(UserError, match=changed):
        train(other)
    with pytest.raises(UserError, match=r"other settings \(model.hidden_size was 32, is 64\)"):
        train(config_for(toy_run, whole[0], model=MODEL | {"hidden_size": 64}))
    with pytest.raises(UserError, match=r"manifest\.json"):
        train(config_for(tmp_path, tmp_path / "x"))
    with pytest.raises(UserError, match="exclude_ids"):
        train(config_for(toy_run, tmp_path / "y", exclude_ids=str(tmp_path / "none.txt")))
    with pytest.raises(UserError, match="no local folder"):
        train(config_for(toy_run, "memory://model"))
    with pytest.raises(ValueError, match="schedule wsd"):
        OptimizerConfig(schedule="wsd")
    broken = tmp_path / "broken"
    train(config_for(toy_run, broken, steps=1))
    last = broken / "checkpoints" / "step-00000001"
    for name in ("optimizer.pt", "model.safetensors", "state.json"):
        whole_file = (last / name).read_bytes()
        for damaged in (b"x", b"", whole_file[: len(whole_file) // 2]):
            (last / name).write_bytes(damaged)
            with pytest.raises(
                UserError,
                match=r"cannot resume from .*step-00000001 \([^\n]*\); where that folder is damaged, delete it",
            ):
                train(config_for(toy_run, broken, steps=1))
        (last / name).write_bytes(whole_file)


def test_another_corpus_is_refused_before_its_rows_meet_the_weights(toy_run, tmp_path):
    train(config_for(toy_run, tmp_path / "model", steps=1))
    other = tmp_path / "other"
    shutil.copytree(toy_run, other)
    fit_sentencepiece(["one two three", "four five six"] * 20, vocab_size=400, output=other / "tokenizer")
    with pytest.raises(UserError, match=r"data order .* is not of this corpus, config and seed"):
        train(config_for(other, tmp_path / "model", steps=1))


@pytest.mark.parametrize(
    ("keep", "every", "steps"),
    [(1, None, [12]), (2, None, [10, 12]), (1, 4, [4, 8, 12]), (2, 6, [6, 10, 12]), (9, None, [2, 4, 6, 7, 8, 10, 12])],
)
def test_the_latest_checkpoints_are_kept_and_every_so_many_steps_one(toy_run, tmp_path, whole, keep, every, steps):
    config = config_for(toy_run, tmp_path, checkpoint_every=2, keep_checkpoints=keep, keep_every=every)
    train(config, say=partial(stop_after, 7))
    kept = {path.name for path in (tmp_path / "checkpoints").iterdir()}
    assert {f"step-{step:08d}" for step in steps if step < 7} <= kept
    assert train(config)["finished"]
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == [f"step-{step:08d}" for step in steps]
    assert log_of(tmp_path) == log_of(whole[0])


def test_a_stride_of_kept_checkpoints_is_one_of_the_saved_ones(toy_run, tmp_path):
    with pytest.raises(ValueError, match="keep_every must be a multiple of checkpoint_every"):
        config_for(toy_run, tmp_path, checkpoint_every=4, keep_every=6)


def test_killed_while_an_old_checkpoint_is_removed_it_goes_on_from_the_new_one(toy_run, tmp_path, whole, monkeypatch):
    class Killed(BaseException):
        pass

    def remove_a_file_and_die(folder, **_):
        (folder / "state.json").unlink(missing_ok=True)
        if any(folder.glob("*")):
            raise Killed

    config = config_for(toy_run, tmp_path, keep_checkpoints=1)
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", remove_a_file_and_die)
        with pytest.raises(Killed):
            train(config)
    standing = list((tmp_path / "checkpoints").glob("step-*"))
    assert [path.name for path in standing] == ["step-00000008"]
    assert (standing[0] / "state.json").exists()
    assert train(config)["finished"]
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000012"]
    assert log_of(tmp_path) == log_of(whole[0])


def test_a_card_without_room_is_no_damage_of_the_checkpoint(toy_run, tmp_path, monkeypatch):
    train(config_for(toy_run, tmp_path, steps=1))

    def full(*_, **__):
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(checkpoint, "set_optimizer_state_dict", full)
    with pytest.raises(torch.OutOfMemoryError):
        train(config_for(toy_run, tmp_path, steps=1))


def test_micro_batches_may_change_when_a_run_goes_on(toy_run, tmp_path, whole):
    train(config_for(toy_run, tmp_path, steps=12), say=partial(stop_after, 6))
    assert train(config_for(toy_run, tmp_path, data=DATA | {"micro_batches": 2}))["finished"]
    for expected, found in zip(log_of(whole[0]), log_of(tmp_path), strict=True):
        assert found == pytest.approx(expected, rel=1e-3)


def test_a_wsd_run_may_get_more_steps_before_its_rate_falls(toy_run, tmp_path):
    optimizer = {"learning_rate": 0.003, "schedule": "wsd", "decay_steps": 4, "warmup_steps": 2}
    train(config_for(toy_run, tmp_path / "whole", optimizer=optimizer))
    grown = config_for(
        toy_run, tmp_path / "grown", steps=9, optimizer=optimizer, checkpoint_every=5, keep_checkpoints=1
    )
    train(grown, say=partial(stop_after, 5))
    assert train(grown.model_copy(update={"steps": 12}))["finished"]
    assert log_of(tmp_path / "grown") == log_of(tmp_path / "whole")
    with pytest.raises(UserError, match="steps was 12, is 14"):
        train(grown.model_copy(update={"steps": 14}))


def stop_after(last, step, total, loss, rate):
    if step == last:
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(
    ("ids", "excluded", "message"),
    [
        (None, "", "evaluation.ids: no file"),
        ("toy-0003\ntoy-0011\n", "toy-0011\n", r"evaluation.ids: 1 of 2 .* trained on too \(toy-0003"),
        ("toy-9999\n", "toy-9999\n", "evaluation.ids: no batch"),
    ],
)
def test_ids_that_cannot_be_evaluated_are_told_of_before_the_first_step(toy_run, tmp_path, ids, excluded, message):
    heldout, exclude = tmp_path / "heldout.txt", tmp_path / "exclude.txt"
    exclude.write_text(excluded)
    if ids is not None:
        heldout.write_text(ids)
    evaluation = {"every": 500, "ids": str(heldout), "batches": 1}
    with pytest.raises(UserError, match=message):
        trainer_for(toy_run, tmp_path / "model", exclude_ids=str(exclude), evaluation=evaluation)


def test_evaluation_best_checkpoint_samples_and_events(toy_run, tmp_path):
    """Looking at a run changes nothing in it."""
    ids = tmp_path / "heldout.txt"
    ids.write_text("toy-0003\ntoy-0011\ntoy-0020\n")
    held_out = {"exclude_ids": str(ids)}
    train(config_for(toy_run, tmp_path / "plain", **held_out))
    config = config_for(
        toy_run,
        tmp_path / "model",
        **held_out,
        keep_checkpoints=1,
        checkpoint_every=12,
        evaluation={"every": 4, "ids": str(ids), "batches": 1},
        samples={"every": 6, "prompts": ["red green"], "tokens": 5},
        tensorboard=True,
    )
    figures = train(config)
    log = log_of(tmp_path / "model")
    evaluated = {record["step"]: record["eval_loss"] for record in log if "eval_loss" in record}
    assert sorted(evaluated) == [4, 8, 12]
    assert figures["best_step"] == min(evaluated, key=evaluated.get)
    assert figures["best_eval_loss"] == min(evaluated.values())
    kept = {path.name for path in (tmp_path / "model" / "checkpoints").iterdir()}
    assert kept == {"step-00000012", f"step-{figures['best_step']:08d}"}
    plain = [{key: value for key, value in record.items() if not key.startswith("eval")} for record in log]
    assert plain == log_of(tmp_path / "plain")

    samples = [json.loads(line) for line in (tmp_path / "model" / "samples.jsonl").read_text().splitlines()]
    assert [sample["step"] for sample in samples] == [6, 6, 12, 12]
    assert samples[0]["prompt"] == "[TEXT]red green"
    assert samples[1]["prompt"] == "[TEXT]red green[SPEECH]"

    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "model" / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("loss")] == list(range(1, 13))
    assert events.Scalars("loss")[-1].value == pytest.approx(log[-1]["loss"])
    assert {"stall_share", "tokens_per_s", "loss/speech", "eval_loss"} <= set(events.Tags()["scalars"])


def test_texts_are_trained_on_and_held_out_transcripts_evaluated(toy_run, tmp_path):
    ids, texts = tmp_path / "heldout.txt", tmp_path / "texts.txt"
    ids.write_text("toy-0003\n")
    texts.write_text("now now now\n" * 20)
    held_out = {"exclude_ids": str(ids), "evaluation": {"every": 1, "ids": str(ids), "batches": 1}}
    plain = trainer_for(toy_run, tmp_path / "a", **held_out)
    texted = trainer_for(toy_run, tmp_path / "b", **held_out, data=DATA | {"texts": [str(texts)]})
    assert texted.evaluate() == plain.evaluate()
    assert not np.array_equal(next(texted.loader).tokens, next(plain.loader).tokens)


def test_recomputed_layers_give_the_same_gradients(toy_run, tmp_path):
    plain = trainer_for(toy_run, tmp_path / "a")
    recomputed = trainer_for(toy_run, tmp_path / "b", activation_checkpointing=True)
    batch = next(plain.loader)
    assert plain.step(batch)[0] == pytest.approx(recomputed.step(batch)[0], rel=1e-6)


def test_bfloat16_products_leave_float32_weights_and_nearly_the_same_losses(toy_run, tmp_path):
    exact, half = (trainer_for(toy_run, tmp_path / dtype, dtype=dtype) for dtype in ("float32", "bfloat16"))
    for _ in range(2):
        batch = next(exact.loader)
        expected, found = exact.step(batch)[0]["loss"], half.step(batch)[0]["loss"]
        assert found != expected
        assert found == pytest.approx(expected, rel=0.01)
    assert {parameter.dtype for parameter in half.model.parameters()} == {torch.float32}


def test_gradients_are_clipped_to_the_norm_and_the_norm_before_is_reported(toy_run, tmp_path):
    trainer = trainer_for(toy_run, tmp_path, optimizer={"learning_rate": 0.003, "clip_norm": 0.01})
    losses, _ = trainer.step(next(trainer.loader))
    after = torch.stack([parameter.grad.norm() for parameter in trainer.model.parameters()]).norm()
    assert losses["gradient_norm"] > 0.1
    assert after.item() == pytest.approx(0.01, rel=1e-3)


def test_a_compiled_step_is_the_plain_one(toy_run, tmp_path, monkeypatch):
    """Traced in one piece; without code generation, which needs a compiler and most of a minute."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager", fullgraph=True))
    plain, compiled = trainer_for(toy_run, tmp_path / "a"), trainer_for(toy_run, tmp_path / "b", compile=True)
    assert compiled.forward is not compiled.model
    batch = next(plain.loader)
    assert compiled.step(batch)[0] == pytest.approx(plain.step(batch)[0], rel=1e-4)


def test_golden_loss_curve(toy_run, tmp_path):
    """20 steps on the toy corpus. A changed draw, packing, model or optimizer shows here first."""
    train(config_for(toy_run, tmp_path, steps=20, checkpoint_every=20))
    curve = [[record["tokens"], record["loss"]] for record in log_of(tmp_path)]
    golden = json.loads((GOLDEN / "loss_curve.json").read_text())
    assert [tokens for tokens, _ in curve] == [tokens for tokens, _ in golden]
    assert [loss for _, loss in curve] == pytest.approx([loss for _, loss in golden], rel=2e-3)
