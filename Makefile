# Everything people need to type. `make` prints this list.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MEMBERS := contracts libs/kit libs/testkit $(wildcard services/*) infra/local

##@ Run

.PHONY: help setup run
help: ## Print this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.ready ## Make .venv with the locked dependencies, pourline and nats-server

$(VENV)/.ready: requirements.lock pyproject.toml $(addsuffix /pyproject.toml,$(MEMBERS))
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation $(addprefix --editable ,$(MEMBERS))
	touch $@

run: setup ## Run the whole bar with a demo evening
	$(BIN)/pourline up --demo

##@ Test

.PHONY: test test-browser test-resilience resilience promises test-all
test: setup ## Run all tests that need nothing but this checkout
	$(BIN)/python -m pytest -n 2 --dist loadscope -m "not browser and not resilience and not broker"

test-browser: setup ## Run the console in a real browser (Debian's chromium)
	@command -v chromium > /dev/null || echo "chromium is missing: apt-get install chromium; these tests will be skipped"
	$(BIN)/python -m pytest -m browser

test-resilience: setup ## Kill, freeze, cut and wipe in the middle of the flow (a fixed selection)
	$(BIN)/python -m pytest -m resilience

SEEDS ?= 20
FIRST ?= 1
resilience: setup ## Let a seed decide what goes wrong: SEEDS=20 FIRST=1, or SEED=17 alone again
	$(BIN)/python -m pourline.testkit.resilience seeds $(if $(SEED),--seed $(SEED),--seeds $(SEEDS) --first $(FIRST))

promises: SEEDS = 60
promises: setup ## Play 60 seeds, let controllers die at every await, write docs/promises.md (half an hour)
	for part in "seeds --seeds $(SEEDS) --first $(FIRST)" controllers offline evening; do \
	  $(BIN)/python -m pourline.testkit.resilience $$part --json docs/promises.json || exit 1; done
	$(BIN)/python -m pourline.testkit.resilience page --json docs/promises.json --page docs/promises.md

test-broker: setup ## Run the bar behind a broker of its own (Debian's mosquitto)
	@command -v mosquitto > /dev/null || test -x /usr/sbin/mosquitto || { echo "mosquitto is missing: apt-get install mosquitto"; exit 1; }
	$(BIN)/python -m pytest -m broker

test-all: test test-browser test-resilience test-broker ## Run every suite

##@ Check

.PHONY: check lint format types imports contracts contracts-freeze contracts-check infra requirements lock migration
check: lint types imports contracts-check ## Lint, types, import contracts, message contracts

lint: setup ## Lint and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: setup ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

types: setup ## Strict types, tests too
	$(BIN)/mypy $(wildcard */src */*/src) bench
	for folder in $(wildcard */tests */*/tests) tests; do $(BIN)/mypy $$folder || exit 1; done

imports: setup ## Import contracts between services, rooms and libraries
	$(BIN)/lint-imports --no-logo

contracts: setup ## Generate JSON Schema, AsyncAPI and the message catalogue
	$(BIN)/python -m pourline.contracts export

contracts-freeze: setup ## Make the present messages the baseline, after they only grew
	$(BIN)/python -m pourline.contracts freeze

contracts-check: setup ## Fail when a published message would break its readers
	$(BIN)/python -m pourline.contracts check

infra: setup ## Generate the configuration of servers that others start
	$(BIN)/python -m pourline.local.render

requirements: setup ## Print which requirement ids have no test
	$(BIN)/python tests/architecture/requirement_ids.py

lock: setup ## Make requirements.lock anew (universal, hashes, no addresses)
	$(BIN)/uv pip compile --quiet --universal --upgrade --generate-hashes --no-annotate \
	  --no-header --python-version 3.11 --group build --group dev pyproject.toml | grep -v '^-e ' > requirements.lock

migration: setup ## Write a service's next migration: SERVICE=ledger REVISION=0002 M="what changes"
	$(BIN)/python -m pourline.testkit.migration $(SERVICE) $(REVISION) "$(M)"

##@ Measure

.PHONY: bench bench-books bench-growth bench-inventory
bench: setup ## Print speeds and memory beside the floors measured in the same run
	$(BIN)/python -m bench

bench-books: setup ## Print what a pour costs with 1,000,000 in the books, and memory over 100,000
	$(BIN)/python -m bench.books

bench-growth: setup ## Print what a card costs with 100,000 guests and 1,000,000 audit rows
	$(BIN)/python -m bench.growth

bench-inventory: setup ## Print what the snapshot and a ledger page cost with 1,000,000 rows
	$(BIN)/python -m bench.inventory
