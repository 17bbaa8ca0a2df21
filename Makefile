# make demo       restore a sample photograph with the bundled prior
# make test       lint, types, tests (what .ci/run runs)
# make test-slow  the tests that take minutes
# make check      lint and types alone
# make format     put the code in order

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint .ci/constraints.txt
SOURCES := $(shell find restore plugins -name '*.py' -not -path '*/__pycache__/*')
DEMO := demo

.PHONY: demo test test-slow check format clean

.venv/installed: pyproject.toml .ci/constraints.txt $(SOURCES)
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) .
	touch $@

# Editable: tests run on the working tree.
.venv/installed-for-tests: pyproject.toml .ci/constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) --editable '.[test]'
	touch $@

demo: .venv/installed
	mkdir -p $(DEMO)
	$(BIN)/restore inpaint samples/degraded/astronaut-scratched.png --mask samples/masks/astronaut.png \
		-o $(DEMO)/astronaut.png --overwrite
	$(BIN)/python benchmarks/strip.py $(DEMO)/before-after.png samples/degraded/astronaut-scratched.png $(DEMO)/astronaut.png
	@echo "restored:     $(DEMO)/astronaut.png"
	@echo "before/after: $(DEMO)/before-after.png"

check: .venv/installed-for-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: check
	$(BIN)/python -m pytest

test-slow: .venv/installed-for-tests
	$(BIN)/python -m pytest -m slow

format: .venv/installed-for-tests
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv $(DEMO) build *.egg-info
