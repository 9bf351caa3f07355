# Everything a newcomer and CI need: `make setup`, `make demo`, `make test`.

SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ARGS ?=
# Where Python may write no bytecode, every process that runs tests would rewrite all of their assertions anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test e2e trials chaos coverage mutants screenshots lint reference grafana bench lock clean

help: ## Show this list
	@sed -n 's/^\([a-z0-9]*\):.*## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 18

setup: $(STAMP) ## Make .venv with the locked dependencies and the tidegate command

$(STAMP): requirements.lock pyproject.toml scripts/venv.sh scripts/uv.txt
	@bash scripts/venv.sh $(VENV)
	@touch $@

demo: setup ## Run the demo; options in ARGS, as in make demo ARGS=--help
	@$(BIN)/python -m demo.provision prometheus
	@$(BIN)/tidegate demo $(ARGS)

# What needs the real Unleash, which takes long to fetch and to start, belongs to the long tests.
UNLEASH := tests/blocks/test_unleash.py tests/blocks/test_unleash_journey.py
LONG := tests/triggers tests/trials $(UNLEASH)
PARTS := @$(BIN)/python -m demo.provision prometheus chromium nginx redis web-parts

# What failed may have been starved by what ran beside it: it is judged once more, alone, and named either way.
again = failed=$$?; if [ $$failed = 1 ]; then echo "once more, alone: what failed"; \
  $(BIN)/pytest --last-failed --last-failed-no-failures none -rp $(1); failed=$$?; fi
# Tests wait as much as they compute, so more workers than processors; the longest files come first.
beside = $(BIN)/pytest -n $(2) --durations=15 --dist loadfile --no-loadscope-reorder $(1); $(call again,$(1))

test: setup ## Check style, types and imports, and run all tests but the end-to-end ones and the long ones
ifeq ($(ARGS),)
	@$(BIN)/python -m demo.provision prometheus nginx redis faketime
	@# The checks beside the tests, which wait at times; before them what makes the bytecode that all workers share.
	@said=$$(mktemp); trap 'rm -f "$$said"' EXIT; \
	  (($(CHECKS)) >"$$said" 2>&1; wrong=$$?; cat "$$said"; exit $$wrong) & checks=$$!; \
	  $(COLLECTED); $(call beside,-m "not e2e" $(LONG:%=--ignore=%) --ignore=tests/e2e,7); \
	  wait $$checks || failed=1; exit $$failed
else
	$(PARTS)
	$(BIN)/pytest $(ARGS)
endif

e2e: setup ## Run the end-to-end tests: whole rollouts on a stack, real Prefect servers and workers, Chromium, installed packages
	$(PARTS)
	@# What starts a whole stack and waits in real time is slowed by whatever runs beside it: those alone, after the rest.
	@$(call beside,-m e2e $(LONG:%=--ignore=%) --ignore=tests/e2e,3); \
	  $(BIN)/pytest tests/e2e --durations=7; exit $$((failed || $$?))

trials: setup ## Run the long tests: each trigger provoked, each part broken, every step rolled back, the real Unleash
	@$(BIN)/python -m demo.provision prometheus chromium nginx redis unleash web-parts faketime
	@# Each file by itself: the stacks that it has started end with it, and slow no other.
	@all=""; for part in "$(UNLEASH)" tests/triggers tests/trials/test_*.py; do \
	  echo "$$part"; $(BIN)/pytest $$part --durations=10; $(call again,$$part); \
	  [ $$failed = 0 ] || all="$$all $$part"; done; [ -z "$$all" ] || { echo "failed:$$all"; exit 1; }

chaos: setup ## Kill, stop, cut and fill at random and judge from outside: 100 faults for each of two seeds; options in ARGS
	@$(BIN)/python -m demo.provision prometheus
	@# Where it cannot be had no clock is stepped, and the run says so.
	@$(BIN)/python -m demo.provision faketime || true
	@$(BIN)/python -m chaos $(ARGS)

# The rules' tests that are fast: without those that start processes or are long for a reason of their own, each law
# on few examples, the same ones each time.
FAST := --hypothesis-profile=few -p no:cacheprovider \
  --ignore=tests/tidegate/test_public_names.py --ignore=tests/tidegate/test_shape.py \
  --deselect=tests/tidegate/test_history.py::test_a_journal_of_ten_thousand_entries_folds \
  --deselect=tests/tidegate/test_inference.py::test_a_healthy_release_is_rolled_back_in_at_most_alpha_of_the_streams \
  --deselect=tests/tidegate/test_view.py::test_a_long_course_stays_small_and_keeps_its_breaches

coverage: setup ## Run the rules' fast tests and list the branches that none takes; fails below the floor in pyproject.toml
	@COVERAGE_CORE=ctrace $(BIN)/coverage run -m pytest tests/tidegate $(FAST)
	@$(BIN)/coverage report

mutants: setup ## Change one thing at a time in what decides, and list what no test of the rules sees
	@$(BIN)/python -m pip install --quiet --require-hashes -r scripts/uv.txt
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --constraint requirements.lock --no-build-isolation --editable '.[mutants]'
	@# Of one module or function alone: ARGS='tidegate.rollout.decision*'. What is asked again is only what has changed.
	@$(BIN)/mutmut run $(ARGS)
	@$(BIN)/mutmut results

screenshots: setup ## Take the pictures of the docs anew
	@$(BIN)/python -m demo.provision prometheus chromium
	@mkdir -p docs/images
	TIDEGATE_SCREENSHOTS=$(CURDIR)/docs/images $(BIN)/pytest tests/trials/test_dashboard_clicked.py
	TIDEGATE_SCREENSHOTS=$(CURDIR)/docs/images $(BIN)/pytest tests/e2e/test_rollout.py tests/e2e/test_browser.py

# Each is tried, though the one before it failed.
CHECKS = wrong=0; for check in mypy "ruff check" "ruff format --check" lint-imports; do \
  echo "$$check"; $(BIN)/$$check || wrong=1; done; exit $$wrong
# What runs seldom is at least imported at every run of the others.
COLLECTED = collected=$$($(BIN)/pytest --collect-only -qq tests 2>&1) || { echo "$$collected"; exit 1; }

lint: setup ## Check style, types and imports
	@$(COLLECTED)
	@$(CHECKS)

grafana: setup ## Write the Grafana dashboard of the engine anew
	@$(BIN)/python scripts/grafana.py > demo/templates/tidegate-grafana.json

reference: setup ## Write docs/plan-reference.md and the parts in docs/connections.md anew
	@$(BIN)/python -c 'from pathlib import Path; from tidegate.plan.loading.reference_page import plan_reference; \
	  Path("docs/plan-reference.md").write_text(plan_reference(), encoding="utf-8")'
	@$(BIN)/python scripts/parts_table.py

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
