# Two commands matter: `make demo` runs Lamplighter, `make test` proves it. Everything they need is installed into .venv.
SHELL := /bin/bash
MAKEFLAGS += --no-builtin-rules --no-print-directory
.DEFAULT_GOAL := help

python := .venv/bin/python
packages := server sync clients migrations tests
node_locks := $(shell find tests -name package-lock.json -not -path '*/node_modules/*' 2>/dev/null)
node_ready := $(node_locks:package-lock.json=node_modules/.package-lock.json)

.PHONY: help setup demo test check sim bench

help: ## show this
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' Makefile

setup: .venv/run.stamp ## install what running needs (Python 3.11 or newer; PYTHON= names one)

demo: .venv/run.stamp ## a told story with three phones, then a server to try (ARGS=--once ends by itself)
	@$(python) -m server demo $(ARGS)

test: check $(node_ready) ## everything CI asks: lint, types, all tests (ARGS= goes to pytest; needs Node 20.19 or newer)
	@echo "» pytest"
	@$(python) -m pytest -q -n 2 --dist loadfile $(ARGS)

check: .venv/test.stamp ## lint and types only
	@echo "» ruff"
	@$(python) -m ruff check .
	@echo "» mypy --strict"
	@$(python) -m mypy

sim: .venv/test.stamp ## simulate phones, faults and a server (SEED= replays one, DAYS= sets how much)
	@$(python) -m tests.simulation $(if $(SEED),--seed $(SEED)) $(if $(DAYS),--days $(DAYS)) $(ARGS)

bench: .venv/test.stamp ## measure throughput as ratios to floors taken in the same run
	@$(python) -m tests.bench $(ARGS)

.venv/run.stamp: requirements.txt .ci/setup
	@.ci/setup requirements.txt
	@touch $@

.venv/test.stamp: requirements-dev.txt .ci/setup
	@.ci/setup requirements-dev.txt
	@touch .venv/run.stamp $@

%/node_modules/.package-lock.json: %/package-lock.json
	@.ci/setup node $*
	@touch $@
