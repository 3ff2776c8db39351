# What each word does is said once, in the README; the words are the same in CI.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.responder-runtime
DEV := $(VENV)/.responder-dev

.PHONY: help setup run test test-unit test-truth test-faults test-harm check format bench image lock clean docs record

help:
	@echo "make run     set up all, then the demo: an alert becomes a note"
	@echo "make test    set up all, then every test, real systems included"
	@echo "make test-truth  incidents with a known cause: how often a report points at it first"
	@echo "make test-faults  the whole fault suite: kill -9, outages, frozen replicas; over an hour"
	@echo "make test-harm  10,000 looks at each kind of target that are given up midway"
	@echo "make setup   virtual environment, locked dependencies, git hooks"
	@echo "make check   ruff, mypy, import contracts, rule files"
	@echo "make format  ruff format and import order"
	@echo "make docs    docs/diagnostics from the code; make record: with outputs of real systems, by their tests"
	@echo "make bench   figures as ratios against a reference in the same run"
	@echo "make image   the container image, by docker, podman or buildah (make image ENGINE=podman)"

$(STAMP): requirements/runtime.txt pyproject.toml
	@$(PYTHON) deploy/setup.py $(VENV) requirements/runtime.txt
	@touch $@

$(DEV): $(STAMP) requirements/dev.txt
	@$(PYTHON) deploy/setup.py $(VENV) requirements/dev.txt
	@touch $@

setup: $(DEV)
	@if [ -d .git ]; then $(BIN)/pre-commit install >/dev/null; fi
	@echo "ready: $(BIN)/responder --help"

run: $(STAMP)
	@$(BIN)/responder demo

test: $(DEV)
	@$(BIN)/python tests/systems/install.py
	@$(BIN)/python tests/run_all.py

test-unit: $(DEV)
	$(BIN)/python -m pytest -m "not system and not faults"

test-truth: $(DEV)
	@$(BIN)/python -m tests.scenarios.score

test-faults: $(DEV)
	@$(BIN)/python tests/systems/install.py
	RESPONDER_TEST_FAULTS=full $(BIN)/python tests/faults/side_by_side.py -rA

test-harm: $(DEV)
	@$(BIN)/python tests/systems/install.py
	RESPONDER_TEST_HARM=full $(BIN)/python -m pytest -rP tests/harm

check: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/responder check rules
	$(BIN)/responder test --mutate rules responder/demo/pack

format: $(DEV)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(DEV)
	@$(BIN)/python deploy/docs.py

record: $(DEV)
	@$(BIN)/python tests/systems/install.py
	RESPONDER_TEST_RECORD=docs/diagnostics/recorded $(BIN)/python -m pytest -q tests/diagnostics
	@$(BIN)/python deploy/docs.py

bench: $(DEV)
	$(BIN)/python bench/rules.py
	$(BIN)/python bench/hostile.py
	$(BIN)/python bench/run.py
	$(BIN)/python bench/diagnostics.py

# HEALTHCHECK is of Docker's format only. Behind a mirror of PyPI: make image IMAGE_ARGS="--secret id=pip,src=pip.conf"
ENGINE ?= $(firstword $(notdir $(foreach it,docker podman buildah,$(shell command -v $(it)))))
IMAGE ?= responder:$(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' responder/__init__.py)
image:
	@test -n "$(ENGINE)" || { echo "docker, podman or buildah is needed"; exit 2; }
	$(ENGINE) build $(if $(filter docker,$(ENGINE)),,--format docker) $(IMAGE_ARGS) -t $(IMAGE) .

# Needs uv on the PATH; leaves no registry address in the files. Releases younger than a week are left alone.
EXTRAS = --extra gcp --extra k8s --extra kafka --extra sql
COOL_OFF = $(shell date -u -d '7 days ago' +%F)
lock:
	uv pip compile --universal --generate-hashes --no-emit-index-url --python-version 3.11 --exclude-newer $(COOL_OFF) pyproject.toml -o requirements/runtime.txt
	uv pip compile --universal --generate-hashes --no-emit-index-url --python-version 3.11 --exclude-newer $(COOL_OFF) $(EXTRAS) pyproject.toml -c requirements/runtime.txt -o requirements/extras.txt
	uv pip compile --universal --generate-hashes --no-emit-index-url --python-version 3.11 --exclude-newer $(COOL_OFF) $(EXTRAS) --extra dev pyproject.toml -c requirements/extras.txt -o requirements/dev.txt

clean:
	rm -rf $(VENV) var .mypy_cache .ruff_cache .pytest_cache
