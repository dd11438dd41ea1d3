# Needs Python 3.11 or newer, make and a package index; everything else lives in .venv.
# Another interpreter: make install PYTHON=python3.13. More for a command: make run ARGS="--port 9090".

PYTHON ?= python3
JOBS ?= 2
ARGS ?=

VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
PLOTS := $(VENV)/.plots
PEERS := .venv-peers/.installed
WITH_PEERS = BENCHMARK_PEERS_PYTHON=$$(test -f $(PEERS) && echo $(CURDIR)/.venv-peers/bin/python)
BENCH_ARGS := --json build/bench/figures.json --plots docs/performance --baseline benchmarks/baseline.json \
	--write-docs README.md --write-docs docs/performance.md
SOURCES := $(wildcard gateway_auth tests benchmarks scripts examples)
# One file stays on one worker, so that servers started for a module start once. A worker that dies ends the run: one
# made in its place would be given files with nothing left to do, and wait for more for ever.
PYTEST := $(PY) -m pytest --numprocesses $(JOBS) --dist loadfile --max-worker-restart 0

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Tests start gateways by the hundred: where no bytecode is kept, as in many images, each would compile the package anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run install check test coverage test-fast bench bench-full bench-baseline budget docs lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

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

test: install ## run every test
	$(PYTEST) $(ARGS)

coverage: install ## the same, measuring which lines and branches ran; takes nearly twice as long
	$(PYTEST) --cov $(ARGS)

test-fast: install ## run the tests that take no real server and no load
	$(PYTEST) -m "not slow" $(ARGS)

bench: install $(PLOTS) $(PEERS) ## measure beside what would be used instead, 10 minutes; writes the tables and pictures
	$(WITH_PEERS) $(PY) -m benchmarks $(if $(ARGS),$(ARGS),$(BENCH_ARGS))

bench-full: install $(PLOTS) $(PEERS) ## the same in more and longer rounds, into build/bench alone
	$(WITH_PEERS) $(PY) -m benchmarks --full --json build/bench/full.json --plots build/bench $(ARGS)

bench-baseline: ## make the last `make bench` what later ones are compared with
	cp build/bench/figures.json benchmarks/baseline.json

budget: install ## record how many instructions a request executes, as what it may
	$(PY) -m benchmarks.budget --record

$(PLOTS): benchmarks/requirements.lock $(STAMP)
	$(PY) -m pip install --quiet --no-deps --require-hashes --only-binary :all: --requirement benchmarks/requirements.lock
	@touch $@

# Without them a measurement goes on, and says who is missing.
$(PEERS): benchmarks/peers/apart.txt
	@$(PYTHON) -m venv --clear $(@D) && \
		$(@D)/bin/python -m pip install --quiet --only-binary :all: --requirement $< && touch $@ || \
		echo "the peers of benchmarks/peers/apart.txt could not be installed" >&2

docs: install ## write the generated pages
	@if [ -f scripts/docs.py ]; then $(PY) scripts/docs.py; fi

# What resolves on the oldest supported Python also installs on the newer ones; the reverse does not hold.
lock: install ## resolve dependencies anew into requirements.lock (on Python 3.11)
	@$(PY) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
		{ echo "make lock needs a .venv on Python 3.11: make clean lock PYTHON=python3.11" >&2; exit 1; }
	$(PY) -m piptools compile --quiet --upgrade --extra dev --all-build-deps --generate-hashes --allow-unsafe \
		--strip-extras --no-header --no-config --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
		--output-file requirements.lock pyproject.toml
	$(PY) -m piptools compile --quiet --upgrade --extra bench --generate-hashes --constraint requirements.lock \
		--strip-extras --no-header --no-config --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
		--no-annotate --output-file benchmarks/requirements.lock pyproject.toml

clean: ## remove everything these targets make, .venv included
	rm -rf $(VENV) .venv-peers tests/provider/node_modules build dist htmlcov .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
