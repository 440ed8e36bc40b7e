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
outputs = $(foreach kind,json html,--$(kind:html=report) $(DEMO)/$(basename $(notdir $(1))).$(kind))

# Here package-lock.json says what the page of the report takes from npm, and SHA256SUMS what was taken.
PAGE := src/lipaccord/report/page

# The tests of the pages drive a browser: LIPACCORD_BROWSER names one, LIPACCORD_WITHOUT_BROWSER=1 does without.
BROWSERS := chromium chromium-browser google-chrome
# They go first and alone: a browser that has to share its cores is slow to answer.
BROWSER_TESTS := tests/test_browser.py tests/test_report_browser.py tests/test_review_browser.py \
  tests/test_source_browser.py

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test bench vendor browser clean

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.installed ## set up, analyze a real clip and an altered one
	@mkdir -p $(DEMO)
	@printf '\n== A real clip: %s\n' $(REAL_CLIP)
	@$(VENV)/bin/lipaccord analyze $(REAL_CLIP) $(call outputs,$(REAL_CLIP))
	@printf '\n== The same with its sound replaced: %s\n' $(ALTERED_CLIP)
	@$(VENV)/bin/lipaccord analyze $(ALTERED_CLIP) $(call outputs,$(ALTERED_CLIP))
	@printf '\nThe results as JSON, and as reports to open in a browser, are in %s\n' $(DEMO)

test: $(VENV)/.installed-test | browser ## set up, lint, check types, run the tests
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy
	$(PY) -m pytest $(BROWSER_TESTS)
	$(PY) -m pytest --numprocesses=auto --dist=loadfile $(addprefix --ignore=,$(BROWSER_TESTS)) $(PYTEST_ARGS)

bench: $(VENV)/.installed-test | browser ## set up, measure speed and memory
	$(PY) -m pytest tests/benchmarks --override-ini=python_files='bench_*.py' --capture=no $(PYTEST_ARGS)

vendor: ## fetch what the report takes from npm
	@command -v npm >/dev/null || { \
	  echo "There is no npm on this machine; on Debian and Ubuntu: apt install npm" >&2; exit 1; }
	@folder="$$(mktemp -d)" && trap 'rm -rf "$$folder"' EXIT && \
	  cp $(PAGE)/package.json $(PAGE)/package-lock.json "$$folder" && \
	  npm ci --prefix "$$folder" --ignore-scripts --no-audit --no-fund --silent && \
	  cd "$$folder/node_modules/uplot" && \
	  cp dist/uPlot.iife.min.js dist/uPlot.min.css "$(CURDIR)/$(PAGE)" && cp LICENSE "$(CURDIR)/$(PAGE)/uPlot.LICENSE"
	@cd $(PAGE) && sha256sum --check SHA256SUMS || { \
	  echo "These are not the files that were taken before. Where that is wanted, keep their hashes:" >&2; \
	  echo "  cd $(PAGE) && sha256sum uPlot.* > SHA256SUMS" >&2; exit 1; }

browser:
	@if [ -n "$$LIPACCORD_WITHOUT_BROWSER" ]; then exit 0; fi; \
	if [ -n "$$LIPACCORD_BROWSER" ]; then command -v "$$LIPACCORD_BROWSER" >/dev/null && exit 0; \
	  echo "There is no browser $$LIPACCORD_BROWSER, which LIPACCORD_BROWSER names" >&2; exit 1; fi; \
	for name in $(BROWSERS); do if command -v $$name >/dev/null; then exit 0; fi; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing Chromium for the tests of the pages (a minute or two)"; \
	  log="$$(mktemp)"; export DEBIAN_FRONTEND=noninteractive; \
	  if apt-get update >"$$log" 2>&1 </dev/null && \
	    apt-get install --yes --no-install-recommends chromium fonts-dejavu-core >>"$$log" 2>&1 </dev/null && \
	    command -v chromium >/dev/null; then rm "$$log"; exit 0; fi; \
	  cat "$$log" >&2; rm "$$log"; \
	fi; \
	echo "The tests of the pages need Chromium; on Debian: apt install chromium. Another one is named by" >&2; \
	echo "LIPACCORD_BROWSER=/path/to/it; to leave these tests out, set LIPACCORD_WITHOUT_BROWSER=1." >&2; exit 1

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
