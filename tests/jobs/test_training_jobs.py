"""Launch files of a training: jobs that the command takes, rows that ranks can share, a group for both devices."""

import importlib.util
import sys
from pathlib import Path

import pytest

from pipelines.train.distributed import World, check_rows
from pipelines.train.job import load_training

FOLDER = Path("jobs/train")


@pytest.mark.parametrize(("name", "ranks"), [("one-gpu", 1), ("one-node", 8)])
def test_the_jobs_are_the_papers_recipe(name, ranks):
    config = load_training(str(FOLDER / f"{name}.yaml"))
    data, mixture = config.data, config.data.mixture
    check_rows(World(0, ranks), sequences=data.sequences, micro_batches=data.micro_batches)
    assert data.context == 4096
    assert mixture.text == mixture.speech == mixture.interleaved > 0
    assert (data.interleave.text_words, data.interleave.speech_words) == ((10, 30), (5, 15))
    assert config.optimizer.learning_rate == 3e-5
    assert config.evaluation.ids == config.exclude_ids


class FakeTrainer:
    """Stands for Ray Train's, which would start a cluster."""

    asked = None

    def __init__(self, train_rank, **settings):
        FakeTrainer.asked = settings

    def fit(self):
        pass


@pytest.mark.parametrize(("flags", "devices"), [([], {"cpu:gloo", "cuda:nccl"}), (["--cpu"], {"gloo"})])
def test_ray_train_makes_a_group_that_takes_tensors_of_every_device(monkeypatch, flags, devices):
    spec = importlib.util.spec_from_file_location("on_ray", FOLDER / "on_ray.py")
    on_ray = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "on_ray", on_ray)
    spec.loader.exec_module(on_ray)
    monkeypatch.setattr(on_ray, "TorchTrainer", FakeTrainer)
    on_ray.main(["job.yaml", "4", *flags])
    assert set(FakeTrainer.asked["torch_config"].backend.split(",")) == devices
    assert FakeTrainer.asked["scaling_config"].num_workers == 4
    assert FakeTrainer.asked["scaling_config"].use_gpu is not bool(flags)
