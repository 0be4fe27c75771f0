PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: demo test check bench faults fuzz clean

# The environment: Python 3.11 and the package registry, at the exact versions of constraints.txt.
.venv/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

demo: .venv/.ready  ## speech in, a talking model out, below out/demo
	$(BIN)/plait demo

test: .venv/.ready
	$(BIN)/pytest

check: .venv/.ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: .venv/.ready  ## seconds and x real time of every stage, to benchmarks/results/stages.json
	$(BIN)/python -m benchmarks.stages

faults: .venv/.ready  ## 36 killed runs on local, Ray and Beam, to benchmarks/results/faults.json
	$(BIN)/python -m benchmarks.faults

fuzz: .venv/.ready  ## 2,000 damaged inputs, to benchmarks/results/fuzz.json
	$(BIN)/python -m benchmarks.fuzz

clean:
	rm -rf out .venv
