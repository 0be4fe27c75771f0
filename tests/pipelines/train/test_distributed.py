"""Two processes (gloo, FSDP2) against one; a killed process against one that nothing stopped."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.train import checkpoint
from pipelines.train.config import TrainConfig
from pipelines.train.corpus import open_corpus
from pipelines.train.distributed import World, check_rows, joined_world
from pipelines.train.journal import LOG_FILE
from pipelines.train.loop import Trainer, train
from schemas.errors import UserError

SETTINGS = {
    "model": {"kind": "llama", "hidden_size": 32, "intermediate_size": 64, "layers": 2, "heads": 2, "kv_heads": 1},
    "data": {
        "context": 128,
        "sequences": 4,
        "window_shards": 1,
        "interleave": {"text_words": (1, 3), "speech_words": (1, 3)},
    },
    "optimizer": {"learning_rate": 0.003},
    "device": "cpu",
    "threads": 1,
}
RUN = "import sys, json; from pipelines.train.loop import train; from pipelines.train.config import TrainConfig; "
RUN += "train(TrainConfig.model_validate(json.loads(sys.argv[1])))"


def config_for(toy_run, output, **changes) -> TrainConfig:
    return TrainConfig.model_validate({"output": str(output), "corpus": str(toy_run), **SETTINGS, **changes})


def start(config: TrainConfig, **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", RUN, config.model_dump_json()],
        env=os.environ | environment,
        cwd=Path(__file__).parents[3],
    )


def log_of(folder) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / LOG_FILE).read_text().splitlines()]


def run_on_two_ranks(config: TrainConfig) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    group = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    ranks = [start(config, RANK=str(rank), LOCAL_RANK=str(rank), **group) for rank in range(2)]
    assert [process.wait(120) for process in ranks] == [0, 0]


def test_ranks_may_change_in_the_middle_and_give_the_losses_of_one(toy_run, tmp_path):
    """One rank to step 2, two ranks to step 5, one rank to step 7; each rank of two has half of the rows."""
    whole, mixed = tmp_path / "whole", tmp_path / "mixed"
    train(config_for(toy_run, whole, steps=7))
    train(config_for(toy_run, mixed, steps=2))
    run_on_two_ranks(config_for(toy_run, mixed, steps=5, activation_checkpointing=True))
    train(config_for(toy_run, mixed, steps=7))
    for expected, found in zip(log_of(whole), log_of(mixed), strict=True):
        assert found["tokens"] == expected["tokens"]
        assert found == pytest.approx(expected, rel=2e-4)


def is_within_a_shard(config: TrainConfig, state) -> bool:
    """Whether a source stands between two rows of its window, which is one shard here."""
    corpus = open_corpus(config.corpus, config.data)
    folder = Path(config.output)
    folder.mkdir()
    trainer = Trainer(config, corpus, folder)
    trainer.loader.load_state_dict(state)
    streams = trainer.loader._streams.values()
    return any(0 < row < len(s._window(epoch, window)) for s in streams for epoch, window, row in [s.cursor])


def test_killed_in_the_middle_of_a_shard_it_goes_on_with_other_workers(toy_run, tmp_path):
    """One worker before the kill, two after it; none in the run that nothing stopped."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    train(config_for(toy_run, whole, steps=40))
    one, two = (SETTINGS["data"] | {"workers": workers} for workers in (1, 2))
    process = start(config_for(toy_run, killed, steps=100_000, checkpoint_every=3, data=one))
    deadline = time.monotonic() + 120
    while not list((killed / "checkpoints").glob("step-*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait(10) == -signal.SIGKILL
    last = checkpoint.latest(killed / "checkpoints")
    state = json.loads((last / "state.json").read_text())
    assert 0 < state["step"] < 38, "killed too late to prove anything"
    assert is_within_a_shard(config_for(toy_run, tmp_path / "other", steps=1), state["loader"])
    train(config_for(toy_run, killed, steps=40, data=two))
    assert log_of(killed) == log_of(whole)
    assert (killed / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_rows_are_dealt_evenly_or_not_at_all():
    check_rows(World(0, 2), sequences=8, micro_batches=4)
    with pytest.raises(UserError, match=r"data\.sequences"):
        check_rows(World(0, 3), sequences=8, micro_batches=1)
    with joined_world({}) as alone:
        assert alone == World()
    assert alone.any(True)
