"""What every worker process does, whichever engine started it."""

import os


def limit_threads() -> None:
    """One thread a worker: processes use the cores, and sums have one order whatever the machine."""
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    torch.set_num_threads(1)
