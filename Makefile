# Needs Python 3.11 or newer, make and a package index; everything else lives in .venv.
# Another interpreter: make install PYTHON=python3.13. More for a command: make run ARGS="--port 9090".

PYTHON ?= python3
JOBS ?= 2
ARGS ?=

VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
SOURCES := $(wildcard gateway_auth tests benchmarks scripts examples)
# One file stays on one worker, so that servers started for a module start once.
PYTEST := $(PY) -m pytest --numprocesses $(JOBS) --dist loadfile

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help run install check test test-fast bench docs lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: install ## start the demo gateway with a sample API behind it
	$(VENV)/bin/gateway-auth demo $(ARGS)

install: $(STAMP) ## create .venv with the locked dependencies and the gateway-auth command

# Wheels only, and the build back end from the lock too: a source build would fetch tools nobody has pinned.
$(STAMP): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "gateway-auth needs Python 3.11 or newer: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PY) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	$(PY) -m pip install --quiet --no-deps --require-hashes --only-binary :all: --requirement requirements.lock
	$(PY) -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

check: install ## lint, format, types, import contracts, generated docs
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy $(SOURCES)
	$(VENV)/bin/lint-imports
	@if [ -f scripts/docs.py ]; then $(PY) scripts/docs.py --check; fi

test: install ## run every test, with coverage
	$(PYTEST) --cov $(ARGS)

test-fast: install ## run the tests that take no real server and no load
	$(PYTEST) -m "not slow" $(ARGS)

bench: install ## measure
	$(PY) -m benchmarks $(ARGS)

docs: install ## write the generated pages
	@if [ -f scripts/docs.py ]; then $(PY) scripts/docs.py; fi

# What resolves on the oldest supported Python also installs on the newer ones; the reverse does not hold.
lock: install ## resolve dependencies anew into requirements.lock (on Python 3.11)
	@$(PY) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
		{ echo "make lock needs a .venv on Python 3.11: make clean lock PYTHON=python3.11" >&2; exit 1; }
	$(PY) -m piptools compile --quiet --upgrade --all-extras --all-build-deps --generate-hashes --allow-unsafe \
		--strip-extras --no-header --no-config --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
		--output-file requirements.lock pyproject.toml

clean: ## remove everything these targets make, .venv included
	rm -rf $(VENV) tests/provider/node_modules build dist htmlcov .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
