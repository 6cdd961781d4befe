# Needs python3 (3.11 or later) with venv, and make. Everything else is installed here.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Modules are compiled when they are first imported: most never are, and to compile all of
# them would take half of the installation's time.
INSTALL := $(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -c $(VENV)/constraints.txt
# Where Python is told to keep no compiled modules, as in many containers, each of the
# processes that the tests start would compile PyTorch's again, for seconds.
unexport PYTHONDONTWRITEBYTECODE

# Which versions `make clean test` installs: VERSIONS=pinned (of constraints.txt), lowest
# (those that pyproject.toml declares) or newest. TORCH=2.13.0 names another torch for the
# last two, where only that one is to be had.
VERSIONS ?= pinned
TORCH ?=
CONSTRAINTS_pinned := cat constraints.txt
CONSTRAINTS_lowest := $(PYTHON) tests/lowest_versions.py $(TORCH)
CONSTRAINTS_newest := echo $(TORCH:%=torch==%)

# What starts processes or browsers, runs whole programs, or takes long: for `make test`.
SLOW_TESTS := browser cli course data/test_samplers.py doctor/test_callback.py \
	doctor/test_programs.py doctor/test_trial.py faults graphs/test_models.py \
	graphs/test_modules.py graphs/test_record.py ladder recipes run/test_modes.py \
	run/test_own_loop.py tables/files tables/fit tables/saved watching/test_patches.py \
	test_docs_walks.py test_examples.py test_loading.py test_loggers.py test_long_lives.py \
	test_written_before.py

.DEFAULT_GOAL := help
.PHONY: help demo check fast one test test-slow lint format types docs bench clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

# A stamp per set of extras: the second call of a target installs nothing.
$(VENV)/.base: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(CONSTRAINTS_$(VERSIONS)) > $(VENV)/constraints.txt
	$(INSTALL) -e .
	@touch $@

$(VENV)/.test: $(VENV)/.base
	$(INSTALL) -e '.[test]'
	@touch $@

$(VENV)/.bench: $(VENV)/.test
	$(INSTALL) -e '.[bench]'
	@touch $@

demo: $(VENV)/.base  ## train the tutorial's line and say where the run is
	$(BIN)/gradatim fit

lint: $(VENV)/.test  ## ruff: rules and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/.test  ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(VENV)/.test  ## the type checker
	$(BIN)/mypy

check: lint types fast  ## before each commit: ruff, types and the quick tests

fast: $(VENV)/.test  ## the quick tests alone
	$(BIN)/python -m pytest -q -n auto --dist worksteal tests $(SLOW_TESTS:%=--ignore=tests/%)

one: $(VENV)/.test  ## one file or folder of tests: make one T=tests/test_step.py
	$(BIN)/python -m pytest -q $(T)

# One worker more than cores: tests of browsers and processes wait for a third of their time.
test: lint types  ## ruff, types and the whole test suite
	$(BIN)/python -m pytest -q -n $$(( $$(getconf _NPROCESSORS_ONLN) + 1 )) --dist worksteal

test-slow: $(VENV)/.bench  ## the long tests: hundreds of kills, 10,000 checkpoints, large tables, the wheel
	$(BIN)/python -m pytest -q -m slow

docs: $(VENV)/.base  ## write docs/pitfalls.md from the docstrings
	$(BIN)/python -m gradatim.doctor.pages > docs/pitfalls.md

bench: $(VENV)/.bench  ## ratios against the hand-written loop and the peers
	$(BIN)/python benchmarks/run_all.py

clean:  ## remove what the targets made
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
