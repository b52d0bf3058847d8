# make demo   a whole lifecycle on real data, from nothing but python3 and make
# make test   every test, lint, types and layers
# make faults long storms: kills, power loss, … over 1,500 workflows; then all mutants: an hour and more
# make fuzz   garbage for every input: Hypothesis, then the coverage-guided engine; SECONDS=600
# make env · check · bench · lock · compose-test

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.locked

.PHONY: demo env test check faults fuzz bench lock compose-test
.DEFAULT_GOAL := demo

env: $(STAMP)

$(STAMP): requirements.lock pyproject.toml deploy/make-env
	@deploy/make-env $(PYTHON) $(VENV)
	@touch $@

demo: env
	@test -e demo || $(BIN)/cyclery init demo --example cancer
	@cd demo && $(CURDIR)/$(BIN)/cyclery run cancer.yaml && echo "Flower: $$($(CURDIR)/$(BIN)/cyclery flower)"
	@echo "Go on there, where the stack lives: cd demo && . ../$(BIN)/activate    To stop everything: cyclery down"

check: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check
	deploy/install-test-packages
	$(BIN)/pytest -n 2 --dist loadfile

faults: env
	deploy/install-test-packages
	$(BIN)/python -m tests.faults --workflows 1500 --write
	$(BIN)/python -m tests.faults.ledger.mutants

SECONDS ?= 600
fuzz: env
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS)

bench: env
	$(BIN)/python -m benchmarks

# One lock for Python 3.11 to 3.13, workers and tests included; the image's is a part of it. Commit what changes.
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header
lock: env
	$(COMPILE) --all-extras --group dev --output-file requirements.lock pyproject.toml
	$(COMPILE) --extra workers --group image --constraint requirements.lock --no-annotate \
	  --output-file deploy/requirements.lock pyproject.toml

compose-test:
	deploy/try-compose
