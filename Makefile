.DEFAULT_GOAL := help
PY := .venv/bin/python
.PHONY: help setup demo test check format bench chaos stack stack-down clean

help:  ## these lines
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

setup:  ## system packages and .venv; quick when done before
	@bash .ci/setup

demo: setup  ## render a catalogue and three stations, watch them, compare with the truth (demo-output/)
	@$(PY) -m stream_monitor demo --output demo-output

test: setup  ## all tests
	@OMP_NUM_THREADS=1 $(PY) -m pytest -n 2 --dist worksteal

check: setup  ## ruff, mypy strict, import-linter
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@.venv/bin/lint-imports

format: setup  ## let ruff put the code in order
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

bench: setup  ## benchmarks into benchmarks/results/
	@$(PY) -m stream_monitor bench

chaos: setup  ## the long failure tests: results into benchmarks/results/
	@OMP_NUM_THREADS=1 $(PY) -m tests.chaos

stack: setup  ## Kafka, Mosquitto and PostgreSQL on the loopback, data under .stack/
	@$(PY) -m tests.stack up

stack-down:  ## end them
	@$(PY) -m tests.stack down

clean:  ## remove what was built here
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis demo-output
