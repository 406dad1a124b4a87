# Two commands do all the set-up: `make demo` and `make test`. `make` alone lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
LOCKED := $(VENV)/.locked
STAMP := $(VENV)/.ready
UV_VERSION := 0.13.9
WORKERS ?= 2
BUF := tools/buf/node_modules/.bin/buf

.DEFAULT_GOAL := help
.PHONY: help setup demo test check lint chaos witness-setup witness proof bench proto proto-check proto-baseline lock clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 24

setup: $(STAMP)  ## Make .venv with the locked set of packages

# The fast installer is tried first, with the index that pip is set up for, since it does not read pip's own settings.
# Where it cannot be had, pip installs the same locked bytes.
$(LOCKED): requirements/dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "propwash needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo "installing the locked set into $(VENV)"
	@index=$${UV_DEFAULT_INDEX:-$${PIP_INDEX_URL:-$$($(PIP) config get global.index-url 2>/dev/null || true)}}; \
	if $(PIP) install -q uv==$(UV_VERSION) 2>/dev/null \
		&& UV_DEFAULT_INDEX=$$index $(BIN)/uv pip sync -q --python $(BIN)/python --require-hashes requirements/dev.lock 2>/dev/null; then :; \
	else $(PIP) install -q --require-hashes -r requirements/dev.lock; fi
	@touch $(LOCKED)

$(STAMP): $(LOCKED) pyproject.toml
	@$(PIP) install -q --no-deps --no-build-isolation -e .
	@touch $(STAMP)

demo: $(STAMP)  ## Set up and run the main job: thousands of jobs on three systems, aborts, faults, crashes, a leak check
	@$(BIN)/propwash demo

test: $(STAMP)  ## Set up and pass the tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -q

check: lint proto-check test  ## The linters, the checks of the protos and the tests

lint: $(STAMP)  ## ruff, mypy, the import contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy service/propwash plugins/propwash_bigquery plugins/propwash_snowflake plugins/propwash_aws plugins/propwash_upstream tests proto docs
	$(BIN)/lint-imports --no-cache

chaos: $(STAMP)  ## Kill the server at 100 random moments and check the sandbox's ledger
	$(BIN)/python -m tests.e2e.chaos --moments 100

witness-setup: $(STAMP)  ## Make the environments of the public stand-ins, where this machine can have them
	$(BIN)/python -m tests.witness.environments

witness: witness-setup  ## Run the handlers against public stand-ins, and Flyte's own connector servers
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -q tests/witness

proof: $(STAMP)  ## Lose 200 answers and abort 200 jobs of every form, and count the remote calls
	$(BIN)/python -m tests.proof.lost_answers --count 200

bench: $(STAMP)  ## Measure
	$(BIN)/python -m tests.bench

proto: $(STAMP)  ## Generate service/propwash/pb from proto/
	$(BIN)/python proto/generate.py

$(BUF): tools/buf/package.json tools/buf/package-lock.json
	@command -v npm >/dev/null || { echo "buf comes with npm, which is not installed: apt-get install npm"; exit 1; }
	cd tools/buf && npm install --loglevel=error --no-save --ignore-scripts --no-fund --no-audit
	@touch $(BUF)

proto-check: $(STAMP) $(BUF)  ## Lint the protos, check their format, and look for breaking changes
	BUF=$(BUF) $(BIN)/python proto/check.py

proto-baseline: $(STAMP) $(BUF)  ## Renew the baseline that breaking changes are looked for against; at a release only
	BUF=$(BUF) $(BIN)/python proto/check.py --renew

lock: $(STAMP)  ## Compile requirements/dev.lock anew
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --all-extras \
		--group dev pyproject.toml -o requirements/dev.lock

clean:  ## Remove what was made
	rm -rf $(VENV) .witness tools/buf/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
