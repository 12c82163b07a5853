# Every target sets up what it needs in .venv; a bare machine with Python 3.11, pip and make will do.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
SUITE  ?= evals/order_extraction.yaml

.DEFAULT_GOAL := help
.PHONY: help run test test-slow lint format docs coverage bench clean

help:  ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.run  ## Compare the example's candidates on 150 cases; prints the path of the report
	$(BIN)/evalkit models pull smollm2-135m
	$(BIN)/evalkit run $(SUITE) --prompt order-extraction-few-shot

test: $(VENV)/.dev  ## Run all tests, the end-to-end ones against a real local model too
	$(BIN)/evalkit models pull smollm2-135m
	$(BIN)/pytest -n 3 --dist loadgroup

test-slow: $(VENV)/.dev  ## Check the statistics by simulation, gates and races too, and what takes long
	$(BIN)/pytest -n 2 --dist loadgroup -m slow

lint: $(VENV)/.dev  ## Check style, types and the order of the modules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev  ## Rewrite the code in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.dev  ## Bring the tables of evals/, prompts/ and results/README.md up to date with the code
	$(BIN)/python tests/support/reference.py

coverage: $(VENV)/.dev  ## Run all tests and list the lines they do not reach
	$(BIN)/pytest -n 2 --dist loadgroup --cov --cov-report=term-missing

bench: $(VENV)/.dev  ## Measure what evalkit adds to a bare client, in ratios
	$(BIN)/python tests/bench/run.py

clean:  ## Remove the virtual environment and all caches (results stay)
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .coverage htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "evalkit needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[local]'
	@touch $@

$(VENV)/.dev: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[local,dev]'
	@touch $@ $(VENV)/.run
