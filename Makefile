# The handful of things one does here. `make` lists them.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp-$(shell cat pyproject.toml tools/requirements.txt tools/setup | sha256sum | cut -c1-16)
PYTEST := $(BIN)/pytest -q

.PHONY: help setup lint unit integration cluster endurance test kubernetes demo demo-kubernetes bench bench-kubernetes reference \
  requirements clean

help: ## List what one can do here
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

setup: $(STAMP) ## Make .venv with everything, from hashes

$(STAMP): pyproject.toml tools/requirements.txt tools/setup
	@PYTHON=$(PYTHON) tools/setup $(VENV)
	@rm -f $(VENV)/.stamp-* && touch $@

lint: setup ## Format, lint, types, layers
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache >/dev/null || $(BIN)/lint-imports --no-cache

unit: setup ## Tests that need nothing but this machine
	@$(PYTEST) -m 'not integration and not cluster' -n auto $(ARGS)

integration: setup ## Tests with real packages, mounts and namespaces
	@tools/needs
	@$(PYTEST) -m integration $(ARGS)

cluster: setup ## Tests on a real Kubernetes, which is built once
	@if tools/needs cluster; then $(PYTEST) -m 'cluster and not endurance' $(ARGS); \
	elif [ -n "$(MAY_LACK)" ] && [ -z "$${CI:-}" ]; then \
	  echo 'not run: the tests on a real Kubernetes (make cluster), for the reason above' >&2; \
	else exit 1; fi

endurance: setup ## Faults on a real Kubernetes: kills, restarts, full disks, daemon sets; half an hour
	@tools/needs cluster
	@$(PYTEST) -m endurance $(ARGS)

# Without Go, say, a machine runs what it can, and is told of the rest. CI has no rest.
test: MAY_LACK := yes
test: lint unit integration cluster ## All of the above: what CI runs

kubernetes: ## Build Kubernetes and what it needs from Go modules, once (VERSION=1.35)
	@tools/needs kubernetes
	@tools/kubernetes/build $(VERSION)

demo: setup ## A machine-learning workload that was never an image
	@tools/demo $(BIN)

demo-kubernetes: setup ## The same as three imageless pods, on a cluster of its own
	@tools/needs cluster
	@tools/demo-kubernetes $(BIN)

bench: setup ## Ratios against peers, as JSON in benchmarks/results
	@tools/needs bench
	@$(BIN)/python benchmarks/run.py $(ARGS)

bench-kubernetes: setup ## Imageless pods against images on the same cluster, as JSON in benchmarks/results
	@tools/needs bench cluster
	@$(BIN)/python benchmarks/run_kubernetes.py $(ARGS)

reference: setup ## Write docs/reference from the code
	@$(BIN)/python tools/reference.py

requirements: ## Renew tools/requirements.txt (hashes, no addresses)
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  --extra keyring --extra service --group dev --upgrade pyproject.toml --output-file tools/requirements.txt

clean: ## Remove .venv and caches of tools
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
