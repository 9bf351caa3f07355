# Everything a newcomer and CI need: `make setup`, `make demo`, `make test`.

SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ARGS ?=

.PHONY: help setup demo test lint reference bench lock clean

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 18

setup: $(STAMP) ## Make .venv with the locked dependencies and the tidegate command

$(STAMP): requirements.lock pyproject.toml scripts/venv.sh scripts/uv.txt
	@bash scripts/venv.sh $(VENV)
	@touch $@

demo: setup ## Run the demo; options in ARGS, as in make demo ARGS=--help
	@$(BIN)/python -m demo.provision prometheus
	@$(BIN)/tidegate demo $(ARGS)

test: setup ## Check style, types and imports, then run all tests
	@$(BIN)/python -m demo.provision prometheus chromium nginx redis
ifeq ($(ARGS),)
	@# These mostly wait, so everything else runs beside them; what they say follows at the end.
	@echo "end-to-end tests and triggers: started beside the others, several minutes, in .e2e.log and .triggers.log"
	@$(BIN)/pytest tests/e2e --durations=5 > .e2e.log 2>&1 & e2e=$$!; \
	  $(BIN)/pytest tests/triggers --durations=5 > .triggers.log 2>&1 & triggers=$$!; \
	  $(MAKE) --no-print-directory lint && $(BIN)/pytest -n 2 --dist loadfile --ignore=tests/e2e --ignore=tests/triggers; others=$$?; \
	  echo "triggers: waiting for them"; wait $$triggers; fired=$$?; cat .triggers.log; \
	  echo "end-to-end tests: waiting for them"; wait $$e2e; ended=$$?; cat .e2e.log; exit $$((others || fired || ended))
else
	$(BIN)/pytest $(ARGS)
endif

lint: setup ## Check style, types and imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

reference: setup ## Write docs/plan-reference.md anew from the plan's models
	@$(BIN)/python -c 'from pathlib import Path; from tidegate.plan_reference import plan_reference; \
	  Path("docs/plan-reference.md").write_text(plan_reference(), encoding="utf-8")'

bench: setup ## Run the benchmarks; options in ARGS, as in make bench ARGS=--stack
	@$(BIN)/python -m demo.provision prometheus
	@$(BIN)/python benchmarks/run.py $(ARGS)

lock: setup ## Work out requirements.lock anew from pyproject.toml
	@$(BIN)/python -m pip install --quiet --require-hashes -r scripts/uv.txt
	$(BIN)/uv pip compile pyproject.toml --extra demo --group dev --generate-hashes --universal \
	  --python-version 3.11 --no-header --no-annotate --quiet -o requirements.lock

clean: ## Remove .venv and all caches of this folder
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
