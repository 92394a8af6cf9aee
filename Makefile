# Everything people need to type. `make` prints this list.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Ten processes import the same code at every start of a bar: compiled once, also where a machine says otherwise.
unexport PYTHONDONTWRITEBYTECODE
MEMBERS := contracts libs/kit libs/upkeep libs/testkit $(wildcard services/*) infra/local

##@ Run

.PHONY: help setup run
help: ## Print this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.ready ## Make .venv with the locked dependencies, pourline and nats-server

$(VENV)/.ready: requirements.lock pyproject.toml $(addsuffix /pyproject.toml,$(MEMBERS))
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation $(addprefix --editable ,$(MEMBERS))
	$(BIN)/python -m compileall -q $(addsuffix /src,$(MEMBERS))
	touch $@

run: setup ## Run the whole bar with a demo evening
	$(BIN)/pourline up --demo

HOST ?= localhost
DIR ?= .pourline-ca
.PHONY: ca
ca: setup ## Make a bar's own certificate authority: DIR=/etc/pourline/ca HOST="bar.lan 10.0.0.5"
	$(BIN)/pourline ca --dir $(DIR) --host $(HOST)

##@ Test
# Three workers where a suite mostly waits; bars share two cores well, their ports are drawn apart.

.PHONY: test test-long test-security fuzz test-browser test-resilience test-resilience-long resilience promises promises-more mail-log test-monitoring test-all
test: setup ## Run the tests that need nothing but this checkout and three minutes
	$(BIN)/python -m pytest -n 2 --dist loadscope -m "not browser and not resilience and not long_resilience and not broker and not monitoring and not long and not security"

test-long: setup ## Search states, race closes, play an evening, write to a mail server (three minutes)
	$(BIN)/python -m pytest -n 3 --dist loadscope -m long

test-security: setup ## Attack bars of their own, over every edge (some minutes)
	$(BIN)/python -m pytest -n 2 --dist loadscope -m security

SECONDS ?= 60
fuzz: setup ## Search every parser that strangers reach, with atheris: SECONDS=60 in all
	$(BIN)/python -m pourline.testkit.fuzz --seconds $(SECONDS)

test-browser: setup ## Run the console in a real browser (Debian's chromium)
	@command -v chromium > /dev/null || echo "chromium is missing: apt-get install chromium; these tests will be skipped"
	$(BIN)/python -m pytest -n 2 --dist loadscope -m browser

test-resilience: setup ## Kill, freeze, cut and wipe in the middle of the flow (a fixed selection)
	$(BIN)/python -m pytest -n 3 --dist loadscope --no-loadscope-reorder -m resilience

test-resilience-long: setup ## Full disks, storms, zombies, slow strangers, an upgrade, wrong clocks (eleven minutes)
	$(BIN)/python -m pytest -m long_resilience -s

SEEDS ?= 20
FIRST ?= 1
resilience: setup ## Let a seed decide what goes wrong: SEEDS=20 FIRST=1, or SEED=17 alone again
	$(BIN)/python -m pourline.testkit.resilience seeds $(if $(SEED),--seed $(SEED),--seeds $(SEEDS) --first $(FIRST))

promises: SEEDS = 60
promises: setup ## Play 60 seeds, let everybody die at every moment, write docs/promises.md (one hour)
	for part in "seeds --seeds $(SEEDS) --by-itself" kills controllers offline evening machines; do \
	  $(BIN)/python -m pourline.testkit.resilience $$part --json docs/promises.json || exit 1; done
	$(BIN)/python -m pourline.testkit.resilience page --json docs/promises.json --page docs/promises.md

promises-more: SEEDS = 40
promises-more: setup ## Play more seeds beside those that docs/promises.md has: FIRST=61 SEEDS=40 (20 s a seed)
	$(BIN)/python -m pourline.testkit.resilience seeds --seeds $(SEEDS) --first $(FIRST) --add --json docs/promises.json
	$(BIN)/python -m pourline.testkit.resilience page --json docs/promises.json --page docs/promises.md

mail-log: setup ## Write mail to a server that misbehaves, kill its senders, write docs/mail-log.md (two minutes)
	$(BIN)/python -m pourline.testkit.resilience letters --page docs/mail-log.md

test-broker: setup ## Run the bar behind a broker of its own (Debian's mosquitto)
	@command -v mosquitto > /dev/null || test -x /usr/sbin/mosquitto || { echo "mosquitto is missing: apt-get install mosquitto"; exit 1; }
	$(BIN)/python -m pytest -n 3 --dist loadscope -m broker

test-monitoring: setup ## Let a real Prometheus scrape a bar, run the rules' own tests (Debian's prometheus)
	@command -v prometheus > /dev/null || echo "prometheus is missing: apt-get install prometheus; these tests will be skipped"
	$(BIN)/python -m pytest -m monitoring

test-all: test test-long test-security test-browser test-resilience test-broker test-monitoring ## Run every suite

##@ Check

.PHONY: check audit lint format types imports contracts contracts-freeze contracts-check infra env deployment-check requirements lock migration
check: lint types imports contracts-check ## Lint, types, import contracts, message contracts

audit: setup ## Ask whether anything is known against the locked dependencies; says when nobody could
	$(BIN)/python -m pourline.testkit.audit requirements.lock

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

env: setup ## Print a fresh .env for the compose page and the manifests, every secret made now
	@$(BIN)/python -m pourline.local.render env

deployment-check: setup ## Check manifests and units by tools of their own (its own .venv-deployment)
	test -x .venv-deployment/bin/python || $(PYTHON) -m venv .venv-deployment
	.venv-deployment/bin/python -m pip install --quiet --require-hashes --requirement infra/kubernetes/requirements.txt
	.venv-deployment/bin/kubernetes-validate --strict infra/kubernetes/pourline.yaml
	@if command -v systemd-analyze > /dev/null; then infra/systemd/check; else echo "systemd-analyze is missing: units not checked"; fi

requirements: setup ## Print which requirement ids have no test
	$(BIN)/python tests/architecture/requirement_ids.py

lock: setup ## Make requirements.lock anew (universal, hashes, no addresses)
	$(BIN)/uv pip compile --quiet --universal --upgrade --generate-hashes --no-annotate \
	  --no-header --python-version 3.11 --group build --group dev pyproject.toml | grep -v '^-e ' > requirements.lock

migration: setup ## Write a service's next migration: SERVICE=ledger REVISION=0002 M="what changes"
	$(BIN)/python -m pourline.testkit.migration $(SERVICE) $(REVISION) "$(M)"

##@ Show

.PHONY: screenshots
screenshots: setup ## Play an evening and write docs/images/*.png (Debian's chromium; three minutes)
	$(BIN)/python -m tests.browser.screenshots

##@ Measure

.PHONY: bench bench-books bench-growth bench-inventory bench-packages bench-spouts bench-anomalies bench-prediction bench-alerts bench-sizing
bench: setup ## Print speeds and memory beside the floors measured in the same run
	$(BIN)/python -m bench

bench-books: setup ## Print what a pour costs with 1,000,000 in the books, and memory over 100,000
	$(BIN)/python -m bench.books

bench-growth: setup ## Print what a card costs with 100,000 guests and 1,000,000 audit rows
	$(BIN)/python -m bench.growth

bench-spouts: setup ## Print that a hundred spouts' stock is exact, events/s, and how soon it shows
	$(BIN)/python -m bench.spouts

bench-anomalies: setup ## Print which faults of twenty simulated months are found, and false alarms
	$(BIN)/python -m bench.anomalies

bench-inventory: setup ## Print what the snapshot and a ledger page cost with 1,000,000 rows
	$(BIN)/python -m bench.inventory

bench-packages: setup ## Print what the availability of 500 packages costs, and how soon it is right
	$(BIN)/python -m bench.packages

bench-prediction: setup ## Print how well stock-outs are predicted, beside two naive ways
	$(BIN)/python -m bench.prediction

bench-sizing: setup ## Print disk a pour, and one machine under one, two and four venues' load (four minutes)
	$(BIN)/python -m bench.sizing

bench-curves: setup ## Measure cost over pours, taps and venues, draw it into docs/curves (ten minutes)
	$(BIN)/python -m bench.curves

bench-alerts: setup ## Print how long an alert takes to the topic and to a mailbox
	$(BIN)/python -m bench.alerts
