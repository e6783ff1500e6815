# Every target makes .venv first when there is none, and again when pyproject.toml or requirements.lock has changed.
# ARGS goes to the command a target ends in: make demo ARGS="--seconds 60", make test ARGS="-k cap -x"

ifndef PYTHON
PYTHON = $(eval PYTHON := $(shell .ci/fastest-python))$(PYTHON)
endif
ARGS ?=
BIN := .venv/bin
QUIX := .bench/quix
STAMP := .venv/.installed
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# The tests start hundreds of processes: each would compile all that it imports, where the caller's environment forbids to
# keep that.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help demo test test-properties test-kafka test-system test-scenarios test-tak test-tak-short test-docker test-versions test-dist dist lock lint type fmt docs docs-check site bench bench-state bench-roll bench-lane chaos chaos-lane chaos-long clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "The hub needs Python 3.11 or newer, and '$(PYTHON)' is $$($(PYTHON) --version 2>&1 || true)." >&2; \
	  echo "Name another one, for example: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(BIN)/python -c '' 2>/dev/null || $(PYTHON) -m venv --clear .venv || { \
	  echo "No virtual environment could be made; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "Installing the hub and its tools into .venv; the first time takes a few minutes."
	@$(BIN)/python -m pip install --quiet --upgrade pip
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps -e .
	@touch $@

demo: $(STAMP) ## a fleet, two control rooms and the hub between them, on this machine
	$(BIN)/hub demo $(ARGS)

# Each test runs in exactly one of the six targets, or takes long and runs with `make chaos-lane`; vendor sandboxes are run
# by hand. Property tests of `test` try a quarter of their examples there and all of them in `test-properties`.
ALONE = not kafka and not system and not tak and not scenarios and not docker and not vendor and not long
# They wait for brokers and processes more than they work: four of them keep two cores busy.
WORKERS = -n 4 --dist loadfile --no-loadscope-reorder

test: $(STAMP) ## all that needs Python alone, on the embedded broker
	$(BIN)/pytest -m "$(ALONE)" --hypothesis-profile brief $(WORKERS) $(ARGS)

test-properties: $(STAMP) ## the property tests of these with all their examples
	$(BIN)/pytest -m "hypothesis and $(ALONE)" $(WORKERS) $(ARGS)

test-kafka: $(STAMP) ## against Apache Kafka without Docker (installs Java and Maven)
	.ci/need java maven
	$(BIN)/python -m bondmate_hub.broker.apache --install
	$(BIN)/pytest -m "kafka and not tak and not scenarios and not docker and not vendor and not long" $(ARGS)

test-system: $(STAMP) ## the whole hub beside real servers (installs Prometheus, Alertmanager, Exim and kcat)
	.ci/need prometheus alertmanager exim kcat
	$(BIN)/pytest -m "system and not kafka and not tak and not scenarios and not docker and not vendor and not long" $(ARGS)

test-scenarios: $(STAMP) ## emergencies as officers and dispatchers live them, on the whole hub (installs taky-ng)
	$(BIN)/pytest -m scenarios tests/scenarios $(ARGS)

TAK_SERVERS = PYTHONPATH=tests $(BIN)/python -m tak_servers.environments

test-tak: $(STAMP) ## against taky, taky-ng, OpenTAKServer and FreeTAKServer (installs them, RabbitMQ and PostGIS)
	.ci/need rabbitmq postgis
	$(TAK_SERVERS)
	$(BIN)/pytest -m "tak and not docker and not vendor" tests/tak_servers $(ARGS)

test-tak-short: $(STAMP) ## the same without FreeTAKServer, in some minutes
	.ci/need rabbitmq postgis
	$(TAK_SERVERS) taky taky-ng opentakserver operator
	$(BIN)/pytest -m "tak and not long and not docker and not vendor" tests/tak_servers $(ARGS)

test-docker: $(STAMP) ## against containers, where a Docker engine answers
	@docker info >/dev/null 2>&1 || { echo "No Docker engine answers; start one or choose make test-kafka." >&2; exit 1; }
	$(BIN)/pytest -m "docker and not vendor and not long" $(ARGS)

# What a fresh .venv would hold by pyproject.toml alone, in its own folder: the lowest versions it allows, or the newest.
VERSIONS = .bench/versions/$(1)
versions-%: $(STAMP)
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(call VERSIONS,$*)
	@$(BIN)/uv pip install --quiet --python $(call VERSIONS,$*)/bin/python \
	  --resolution $(if $(filter lowest,$*),lowest-direct,highest) -e '.[embedded,columns,dev]'
	$(call VERSIONS,$*)/bin/pytest -p no:cacheprovider -m "$(ALONE)" $(WORKERS) $(ARGS)

test-versions: versions-lowest versions-newest ## as test, with the lowest and the newest versions of what the hub needs

lock: $(STAMP) ## write requirements.lock anew where pyproject.toml asks for it; ARGS=--upgrade for newest versions
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --extra embedded \
	  --extra columns --extra dev --output-file requirements.lock --quiet $(ARGS)

lint: $(STAMP) ## every static check
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/mypy .ci/*.py
	$(BIN)/python .ci/words.py
	$(BIN)/python .ci/labels.py --check
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/validate-pyproject pyproject.toml
	$(BIN)/deptry schemas monitoring streams connectors infra

type: $(STAMP) ## mypy alone
	$(BIN)/mypy $(ARGS)

fmt: $(STAMP) ## format, and mend what can be mended without asking
	$(BIN)/ruff check --fix-only --exit-zero
	$(BIN)/ruff format

dist: $(STAMP) ## the sdist, and the wheel made of it, into dist/
	@rm -rf dist
	$(BIN)/uv build --quiet --out-dir dist
	@ls -l dist

test-dist: $(STAMP) ## the wheel in an empty environment: its files, its version, and `hub demo` from it
	$(BIN)/pytest -m system tests/system/test_wheel.py $(ARGS)

docs: $(STAMP) ## write the generated documents, connectors' pages, dashboards and catalogues of languages
	$(BIN)/hub docs
	$(BIN)/python .ci/labels.py
	$(BIN)/python -m bench.chaos.page
	$(BIN)/python -m bench.history

docs-check: $(STAMP) ## fail, with the difference, when a generated file is stale or not valid
	$(BIN)/hub docs --check
	$(BIN)/python -m bench.chaos.page --check
	$(BIN)/python -m bench.history --check
	$(BIN)/openapi-spec-validator $$(find docs -name '*openapi*.yaml' -o -name '*openapi*.json')

site: $(STAMP) ## the site of the documents in build/site, every link checked
	$(BIN)/python .ci/build_site.py

bench: $(STAMP) ## the measured figures, and one more line in their history; on a quiet machine
	$(BIN)/python -m bench $(ARGS)

bench-state: $(STAMP) ## what open alerts cost, to 100,000 of them, on Apache Kafka (installs Java and Maven)
	.ci/need java maven
	$(BIN)/python -m bondmate_hub.broker.apache --install
	$(BIN)/python -m bench.state $(ARGS)

bench-roll: $(STAMP) ## how long alerts wait while streams workers come and go, on Apache Kafka (installs Java and Maven)
	.ci/need java maven
	$(BIN)/python -m bondmate_hub.broker.apache --install
	$(BIN)/python -m bench.roll $(ARGS)

$(QUIX)/.installed: bench/lane/quix.txt pyproject.toml
	@$(PYTHON) -m venv --clear $(QUIX)
	@echo "Installing Quix Streams beside the hub; it needs an older client of Kafka."
	@$(QUIX)/bin/python -m pip install --quiet -r bench/lane/quix.txt
	@$(QUIX)/bin/python -m pip install --quiet --no-deps -e .
	@touch $@

bench-lane: $(STAMP) $(QUIX)/.installed ## the location lane beside other ways to do the same; three quarters of an hour
	.ci/need java maven
	$(BIN)/python -m bondmate_hub.broker.apache --install
	@$(BIN)/python -m pip install --quiet -e '.[bench]'
	$(BIN)/python -m bench.lane --quix $(QUIX)/bin/python $(ARGS)

chaos: $(STAMP) ## the fault laboratory: every scenario, an hour, and then chaos-lane (installs Java and Maven)
	.ci/need java maven
	$(BIN)/python -m bondmate_hub.broker.apache --install
	$(BIN)/python -m bench.chaos $(ARGS)
	$(if $(ARGS),,@$(MAKE) --no-print-directory chaos-lane)

chaos-lane: $(STAMP) ## 2,000,000 positions through lanes that are killed, and a million worked both ways (Java and Maven)
	.ci/need java maven
	$(BIN)/python -m bondmate_hub.broker.apache --install
	$(BIN)/python -m bench.lane.checked
	$(BIN)/pytest -m "long and not tak"

chaos-long: $(STAMP) ## the fault laboratory, five rounds with other seeds
	$(MAKE) --no-print-directory chaos ARGS="--rounds 5 --long $(ARGS)"

clean: ## remove caches and build output; .venv stays
	rm -rf .bench/versions .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist infra/kafka/target
	find . -name .venv -prune -o -type d -name __pycache__ -exec rm -rf {} +
