# Needs Python 3.11+, make and a package index; every target does its own set-up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
HOME_DIR ?= var

.PHONY: setup run test test-long reliability ui check lint types docs bench lock clean

setup: $(READY)

# Bytecode is compiled here, since some machines write none at run time and start slowly then.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; set PYTHON to one"; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV)
	@echo "Installing pinned packages into $(VENV) (a few minutes the first time)"
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q $(VENV)/lib schemas registry_pipeline assets >/dev/null || true
	@touch $@

run: $(READY)
	@$(BIN)/registry run --landing data/sample --home $(HOME_DIR)

test: $(READY)
	$(BIN)/pytest --numprocesses 2 --dist loadfile

test-long: $(READY)
	$(BIN)/pytest -m long

# The page of what the fault tests saw; every run of the whole suite compares it.
reliability: $(READY)
	WRITE_RELIABILITY=1 $(BIN)/pytest -m "hazard and not long" --numprocesses 2 --dist loadfile

ui: $(READY)
	@$(BIN)/registry ui --home $(HOME_DIR)

check: lint types docs
	$(BIN)/pytest --numprocesses 2 --dist loadfile --cov --cov-report=term

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

types: $(READY)
	$(BIN)/mypy

docs: $(READY)
	$(BIN)/python -m registry_pipeline.codebook --check
	$(BIN)/python -m registry_pipeline.reference --check

bench: $(READY)
	$(BIN)/python -m benchmarks

lock:
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header \
		--no-annotate --no-emit-index-url --no-emit-find-links --no-strip-extras --extra dev --upgrade \
		pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV) $(HOME_DIR)
