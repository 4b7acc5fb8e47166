# Each target sets up what it needs; nothing outside this folder is touched.
PYTHON ?= python3
BIN := .venv/bin
# Two at a time: most tests start a process and wait for it. A file's tests share what it makes.
PYTEST := $(BIN)/pytest -n 2 --dist loadscope
.DEFAULT_GOAL := help

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.venv/ready: pyproject.toml tools/setup.sh
	@sh tools/setup.sh "$(PYTHON)"

setup: .venv/ready  ## make .venv with everything for developing

demo: setup  ## record, verify and compare a small training
	@$(BIN)/samebit demo

test: setup  ## the everyday tests, under five minutes
	@$(PYTEST) -m "not slow"

test-all: setup  ## every test, and which take longest
	@$(PYTEST) --durations=60 --durations-min=5

check: setup  ## format, lint, types, floors
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/basedpyright
	@$(BIN)/lint-imports --no-cache > .venv/floors.txt 2>&1 || { cat .venv/floors.txt; exit 1; }

bench: setup  ## us against the peers and the machine, as ratios
	@$(BIN)/python benchmarks/run_all.py

.PHONY: help setup demo test test-all check bench
