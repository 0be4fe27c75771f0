"""A training on a Ray cluster: python jobs/train/on_ray.py JOB.yaml WORKERS [--cpu]

Ray Train places the workers and makes the process group; each then does what ``plait train`` does on a rank. Output and
corpus must be on storage that all nodes see. Needs ``pip install "ray[train]"``.
"""

import argparse
import sys

from ray.train import ScalingConfig
from ray.train.torch import TorchConfig, TorchTrainer


def train_rank(settings: dict[str, str]) -> None:
    from pipelines.train.job import load_training, run_training

    run_training(load_training(settings["job"]))


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job")
    parser.add_argument("workers", type=int)
    parser.add_argument("--cpu", action="store_true")
    args = parser.parse_args(arguments)
    scaling = ScalingConfig(num_workers=args.workers, use_gpu=not args.cpu)
    # Gradients are summed on the GPU, the flag that ends a run on the CPU; beside GPUs Ray's own choice is NCCL alone.
    backend = TorchConfig(backend="gloo" if args.cpu else "cpu:gloo,cuda:nccl")
    TorchTrainer(train_rank, train_loop_config={"job": args.job}, torch_config=backend, scaling_config=scaling).fit()


if __name__ == "__main__":
    main(sys.argv[1:])
