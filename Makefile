# Two commands matter: `make demo` runs Lamplighter, `make test` proves it. What they need goes into .venv and clients/web/node_modules.
SHELL := /bin/bash
MAKEFLAGS += --no-builtin-rules --no-print-directory
.DEFAULT_GOAL := help

python := .venv/bin/python
packages := server sync clients migrations tests
web := clients/web
web_ready := $(web)/node_modules/.package-lock.json
web_built := $(web)/dist/crew/sw.js
web_sources := $(shell find $(web) \( -name node_modules -o -name dist \) -prune -o \( -type f -o -type d -path '$(web)/*' \) -print)
node_locks := $(shell find tests -name package-lock.json -not -path '*/node_modules/*' 2>/dev/null)
node_ready := $(node_locks:package-lock.json=node_modules/.package-lock.json)

.PHONY: help setup web demo test check audit sbom sim bench bench-storm bench-web soak soak-web .browser .postgres

help: ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

setup: .venv/run.stamp ## install what running needs (Python 3.11 or newer; PYTHON= names one)

web: $(web_built) ## build the crew's web app (needs Node 20.19 or newer); skipped while its sources are unchanged

demo: $(web_built) .venv/run.stamp ## a told story with three phones, then a server and the crew's app to try (ARGS=--once ends by itself)
	@$(python) -m server demo $(ARGS)

test: .browser .postgres check .venv-swift/test.stamp $(node_ready) $(web_built) ## everything CI asks: lint, types, all tests (ARGS= goes to pytest; needs Node and Chromium)
	@echo "» vitest"
	@cd $(web) && npm run --silent test
	@echo "» pytest"
	@$(python) -m pytest -q -n 2 --dist loadfile $(ARGS)

check: .venv/test.stamp $(web_ready) ## lint, types, and what the advisory services say when they can be asked
	@echo "» ruff"
	@$(python) -m ruff check .
	@echo "» mypy --strict"
	@$(python) -m mypy
	@echo "» tsc"
	@cd $(web) && npm run --silent check
	@echo "» advisories"
	@$(python) -m tests.house.supply audit

audit: .venv/test.stamp $(web_ready) ## ask the advisory services; fails when they name something, or cannot be asked
	@$(python) -m tests.house.supply audit --strict

sbom: .venv/test.stamp $(web_ready) ## what the product is made of, as CycloneDX, into the folder build
	@$(python) -m tests.house.supply sbom $(ARGS)

sim: .venv/test.stamp ## simulate phones, faults and a server on all cores (DAYS= device-days to play, SEED= replays one world)
	@$(python) -m tests.simulation $(if $(SEED),--seed $(SEED)) $(if $(DAYS),--days $(DAYS)) $(ARGS)

bench: .postgres .venv/test.stamp ## measure throughput as ratios to floors taken in the same run
	@$(python) -m tests.bench $(ARGS)

bench-storm: .postgres .venv/test.stamp ## N= phones come back at once, nothing lost or doubled (FACTS=, PROCESSES=, DATABASE=, URL= a running server)
	@$(python) -m tests.bench.storm $(if $(N),--devices $(N)) $(if $(FACTS),--facts $(FACTS)) $(if $(PROCESSES),--processes $(PROCESSES)) \
		$(if $(DATABASE),--database '$(DATABASE)') $(if $(URL),--url '$(URL)') $(ARGS)

bench-web: .browser .venv/test.stamp $(web_built) ## measure the crew's app in Chromium at a quarter of the speed
	@$(python) -m tests.web.bench $(ARGS)

soak: .postgres .venv/test.stamp ## hours of bad luck: servers and PostgreSQL killed 200 times, every writing call failing; soak-web is the browser's
	@$(python) -m tests.storage.kills --kills 200
	@$(python) -m tests.hardship $(ARGS)

soak-web: .browser .venv/test.stamp $(web_built) ## kill the browser at random moments, 200 times (ARGS="--kills 1000")
	@$(python) -m tests.web.kills $(ARGS)

.browser:
	@.ci/setup browser

.postgres:
	@.ci/setup postgres

.venv/run.stamp: requirements.txt .ci/setup
	@.ci/setup requirements.txt
	@touch $@

.venv/test.stamp: requirements-dev.txt .ci/setup
	@.ci/setup requirements-dev.txt
	@touch .venv/run.stamp $@

.venv-swift/test.stamp: tests/services/swift.txt .ci/setup
	@.ci/setup s3
	@touch $@

$(web_built): $(web_sources) $(web_ready)
	@echo "» building the crew's web app"
	@cd $(web) && npm run --silent check && npm run --silent build -- --logLevel warn
	@touch $@

%/node_modules/.package-lock.json: %/package-lock.json
	@.ci/setup node $*
	@touch $@
