# All that can be done, CI included; `make` alone lists it.

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Checks and tests need no secrets of a server; `make run` is never DEBUG unless you say so.
CHECK := DEBUG=1 .venv/bin
UV_VERSION := 0.13.8
COMPILE := .tools/bin/uv pip compile --quiet --python-version 3.11 --no-python-downloads \
	--generate-hashes --no-header --no-annotate pyproject.toml

# The first of these that is Python 3.11; `make run PYTHON=…` names another.
PYTHON ?= $(shell for python in python3.11 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null && echo $$python && break; done)

.PHONY: help run test check bench bench-sending bench-lists bench-overview benchmark screenshots messages lock clean
.DEFAULT_GOAL := help

help: ## List what can be done
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

run: .venv/.run ## Start the console, the API and the worker (PORT=8123 make run: on another port)
	@.venv/bin/python -m scripts.serve

test: .venv/.dev ## Run all tests, on SQLite and on PostgreSQL
	@.venv/bin/python -m scripts.run_tests

check: .venv/.dev ## Check lint, format, types, imports between rooms, migrations and templates
	$(CHECK)/ruff check .
	$(CHECK)/ruff format --check .
	$(CHECK)/mypy .
	$(CHECK)/lint-imports
	$(CHECK)/python manage.py makemigrations --check --dry-run
	$(CHECK)/djlint --quiet --lint templates

bench: .venv/.dev ## Measure the Excel listing beside openpyxl (ARGS="--rows 5000": less)
	@$(CHECK)/python -m benchmarks.excel $(ARGS)

bench-lists: .venv/.dev ## Measure the list of personas with a million people beside a thousand (ARGS="--people 100000": sooner)
	@$(CHECK)/python -W ignore -m benchmarks.lists $(ARGS)

bench-overview: .venv/.dev ## Measure the overview beside the lists, with much of everything (ARGS="--calls 200000": sooner)
	@$(CHECK)/python -W ignore -m benchmarks.overview $(ARGS)

screenshots: .venv/.dev ## Take the pictures of docs/screenshots anew
	@.venv/bin/python -m scripts.screenshots

recording: .venv/.dev ## Picture the three main jobs by keyboard alone, key by key, into var/recording
	@.venv/bin/python -m scripts.recording

bench-sending: .venv/.dev ## Measure the outbox beside a bare loop of calls (ARGS="--rounds 1": sooner)
	@$(CHECK)/python -m benchmarks.sending $(ARGS)

benchmark: .venv/.dev ## Measure the gateway beside an empty view of the framework (ARGS="--seconds 1": sooner)
	@$(CHECK)/python -m benchmarks.gateway $(ARGS)

messages: .venv/.dev ## Bring locale/ up to date with the texts of the sources (ARGS=--missing: list what is untranslated)
	@$(CHECK)/python -m scripts.messages $(ARGS)

lock: .tools/bin/uv ## Write requirements/ anew from pyproject.toml (ARGS=--upgrade: with the newest versions)
	$(COMPILE) $(ARGS) -o requirements/run.txt
	$(COMPILE) $(ARGS) -c requirements/run.txt --group dev -o requirements/dev.txt

clean: ## Delete the environment and all caches; data in var/ and .env stay
	rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .import_linter_cache var/static var/static.stamp var/test-results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.run: requirements/run.txt | .venv/bin/python
	@echo "Installing the packages that the server needs …"
	@.venv/bin/pip install --quiet --require-hashes -r requirements/run.txt
	@touch $@

.venv/.dev: requirements/dev.txt | .venv/bin/python
	@echo "Installing the packages that the server and its tests need …"
	@.venv/bin/pip install --quiet --require-hashes -r requirements/dev.txt
	@touch $@ .venv/.run

.venv/bin/python:
	$(call need_python)
	@$(PYTHON) -m venv .venv

.tools/bin/uv:
	$(call need_python)
	@$(PYTHON) -m venv .tools
	@.tools/bin/pip install --quiet uv==$(UV_VERSION)

define need_python
	@$(or $(PYTHON),false) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || \
		{ echo "Python 3.11 is needed, and $(if $(PYTHON),$(PYTHON) is not,neither python3.11 nor python3 is): make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "$(PYTHON) comes without its venv module: on Debian and Ubuntu, apt install python3.11-venv" >&2; exit 1; }
endef
