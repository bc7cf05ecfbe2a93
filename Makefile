# Every command sets up what it needs by itself: a virtual environment in .venv with the packages of the lock files.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
COMPILE := $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

# Stamps: a step is done again when what it depends on is newer than its stamp.
CREATED := $(VENV)/.created
RUNTIME := $(VENV)/.runtime
DEVELOPMENT := $(VENV)/.development

# The load of `make faults`: requests a second, and the calm between two kills.
RATE ?= 200
SECONDS ?= 5

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install up test check demo attack bench faults million prove lock secrets audit fmt

help: ## Show this help
	@echo "i-Shop: the open backend of a regional marketplace. Commands:"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "Settings (environment or .env): ISHOP_PORT (8000), ISHOP_HOME (.ishop), MEILI_URL; see README.md."

install: $(RUNTIME) ## Install the packages that i-Shop needs to run

up: $(RUNTIME) ## Start the whole market on this machine; Ctrl-C stops it, the data stays
	@exec $(BIN)/ishop up

demo: $(RUNTIME) ## Play the demo scenario against the market that `make up` started
	@exec $(BIN)/ishop demo

test: $(DEVELOPMENT) ## Run the tests on a real PostgreSQL
	$(BIN)/pytest -n 2

check: $(DEVELOPMENT) ## Check style, types, import rules, migrations and the API document
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/ishop migrate --check
	$(BIN)/ishop openapi --check openapi.json --released docs/api/released.json
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	$(BIN)/python -m audit.leaks

attack: $(DEVELOPMENT) ## Attack the API: fuzz every operation as every role, and test each OWASP API risk (EXAMPLES=100)
	ATTACK_EXAMPLES=$(or $(EXAMPLES),100) $(BIN)/pytest -n 2 --dist loadfile tests/attack tests/e2e/test_access.py tests/gateway

secrets: $(RUNTIME) ## Write .env with strong secrets for `docker compose up`
	@$(BIN)/ishop secrets

audit: $(DEVELOPMENT) ## Ask for known vulnerabilities of our packages, and look for secrets in the whole history
	$(BIN)/python -m audit

bench: $(DEVELOPMENT) ## Measure speed against floors taken in the same run
	$(BIN)/python -m benchmarks

faults: $(DEVELOPMENT) ## Kill each process under load and report what it cost (RATE=200, SECONDS=5 between kills)
	$(BIN)/python -m benchmarks.faults --rate $(RATE) --seconds $(SECONDS)

prove: $(DEVELOPMENT) ## Put every promise to the proof (QUICK=1 under two minutes, ONLY=contention, CYCLES=1000 for a night)
	$(BIN)/python -m benchmarks.prove $(if $(ONLY),--only $(ONLY))

million: $(DEVELOPMENT) ## Compare a market of 1,000,000 products and orders with one of 10,000 (KEEP=/a/place keeps it)
	$(BIN)/python -m benchmarks.million $(if $(KEEP),--home $(KEEP)) $(if $(QUICK),--quick)

fmt: $(DEVELOPMENT) ## Format the code and apply safe fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(DEVELOPMENT) ## Write the lock files again after pyproject.toml was changed
	$(COMPILE) --output-file requirements.lock
	$(COMPILE) --group dev --extra telemetry --constraints requirements.lock --output-file requirements-dev.lock

$(CREATED):
	@command -v $(PYTHON) >/dev/null || { \
		echo "There is no program '$(PYTHON)'. On Debian or Ubuntu run, as root:"; \
		echo "    apt-get install python3 python3-venv"; \
		echo "Another Python is used with: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; exit 1; } >&2
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "i-Shop needs Python 3.11 or newer, and '$(PYTHON)' is $$($(PYTHON) -V 2>&1)."; \
		echo "Another Python is used with: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; exit 1; } >&2
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "The venv module of Python is not installed. On Debian or Ubuntu run, as root:"; \
		echo "    apt-get install python3-venv"; \
		echo "and then again: make $(MAKECMDGOALS)"; exit 1; } >&2
	@echo "Making a virtual environment in $(VENV)."
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(RUNTIME): $(CREATED) requirements.lock pyproject.toml
	@echo "Installing the packages of requirements.lock into $(VENV)."
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --quiet --no-deps --editable .
	@touch $@

$(DEVELOPMENT): $(RUNTIME) requirements-dev.lock
	@echo "Installing the packages of requirements-dev.lock into $(VENV)."
	@$(PIP) install --quiet --require-hashes -r requirements-dev.lock
	@touch $@
