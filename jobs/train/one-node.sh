#!/bin/sh
# A process a GPU of this node; a run that was stopped goes on where it was, on another number of GPUs too.
set -eu
exec torchrun --standalone --nproc-per-node "${GPUS:-8}" --no-python plait train "${1:-jobs/train/one-node.yaml}"
