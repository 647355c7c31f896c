# Every target works on a fresh machine: it makes its own environment first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TORCH := torch==2.13.0

.DEFAULT_GOAL := help
.PHONY: help install dev solve test check format replicate bench clean

help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-9s %s\n", $$1, $$2}'

install: $(VENV)/core.done ## Install the product into .venv

dev: $(VENV)/dev.done ## Install the product, the tests' tools and the training stack into .venv

solve: install ## Solve 6 disks of Hanoi with the embedded model
	$(BIN)/reason solve hanoi --disks 6

# Without the small general model, the tests that train it say loudly that they did not run.
test: dev ## Run all tests
	-$(BIN)/reason models get smollm2
	$(BIN)/python -m pytest -n 2 --dist loadscope -rs

check: dev ## Lint, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: dev ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

replicate: dev ## Train two solvers and a decomposer on CPU, and print what each stage adds
	$(BIN)/reason train nano --run-dir checkpoints/nano

bench: install ## Measure the hot loop; prints ratios
	$(BIN)/python -m evals.bench

clean: ## Remove the environment and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/core.done: pyproject.toml $(VENV)/bin/pip
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

# torch goes first and pinned: asked for by another package it would bring gigabytes of CUDA.
$(VENV)/dev.done: pyproject.toml $(VENV)/core.done
	$(BIN)/pip install --quiet --disable-pip-version-check "$(TORCH)"
	$(BIN)/pip install --quiet --disable-pip-version-check --editable ".[dev,train,serve]"
	@touch $@
