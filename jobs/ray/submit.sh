#!/usr/bin/env bash
# Submit a corpus job to a Ray cluster and follow it: jobs/ray/submit.sh JOB.yaml [plait run's options]
# RAY_API_SERVER_ADDRESS is the head's dashboard; it defaults to this machine's.
set -euo pipefail
job=${1:?usage: submit.sh JOB.yaml [--set key=value ...]}
shift
exec ray job submit --address "${RAY_API_SERVER_ADDRESS:-http://127.0.0.1:8265}" --working-dir . \
    --runtime-env-json '{"excludes": ["out", ".venv", ".git"]}' -- plait run "$job" --engine ray "$@"
