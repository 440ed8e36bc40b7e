# Needs Python 3.11 or newer and make, nothing else; everything is kept in .venv and build.
PYTHON ?= python3
PYTEST_ARGS ?=

VENV := .venv
PY := $(VENV)/bin/python
PIP_INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# What decides on the contents of the environment; the version is kept in __init__.py.
PINS := pyproject.toml constraints.txt src/lipaccord/__init__.py

REAL_CLIP := fixtures/obama_speech.mp4
ALTERED_CLIP := fixtures/obama_sound_replaced.mp4
DEMO := build/demo

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test bench clean

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.installed ## set up, analyze a real clip and an altered one
	@mkdir -p $(DEMO)
	@printf '\n== A real clip: %s\n' $(REAL_CLIP)
	@$(VENV)/bin/lipaccord analyze $(REAL_CLIP) --json $(DEMO)/$(basename $(notdir $(REAL_CLIP))).json
	@printf '\n== The same with its sound replaced: %s\n' $(ALTERED_CLIP)
	@$(VENV)/bin/lipaccord analyze $(ALTERED_CLIP) --json $(DEMO)/$(basename $(notdir $(ALTERED_CLIP))).json
	@printf '\nThe results as JSON are in %s\n' $(DEMO)

test: $(VENV)/.installed-test ## set up, lint, check types, run the tests
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy
	$(PY) -m pytest $(PYTEST_ARGS)

bench: $(VENV)/.installed-test ## set up, measure speed and memory
	$(PY) -m pytest tests/benchmarks --override-ini=python_files='bench_*.py' --capture=no $(PYTEST_ARGS)

clean: ## remove all that make has made
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache
	find src tests fixtures -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.made:
	@command -v "$(PYTHON)" >/dev/null || { \
	  echo "There is no $(PYTHON) on this machine: install Python 3.11 or newer, or name it: make PYTHON=/path/to/python" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "lipaccord needs Python 3.11 or newer; this is $$("$(PYTHON)" --version 2>&1). Name another: make PYTHON=python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) cannot make virtual environments; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "Making $(VENV) with $$("$(PYTHON)" --version 2>&1)"
	@"$(PYTHON)" -m venv $(VENV)
	@touch $@

$(VENV)/.installed: $(PINS) | $(VENV)/.made
	@echo "Installing lipaccord and what it needs into $(VENV) (some minutes the first time)"
	@$(PIP_INSTALL) --editable .
	@touch $@

$(VENV)/.installed-test: $(PINS) | $(VENV)/.made
	@echo "Installing lipaccord, what it needs and the test tools into $(VENV) (some minutes the first time)"
	@$(PIP_INSTALL) --editable '.[test]'
	@touch $@ $(VENV)/.installed
