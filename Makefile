# Two commands matter: `make demo` and `make test`. Both need only Python 3.11+, git and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PEER   := .venv-peer
TRYTON := .venv-tryton
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: setup setup-test peers demo test test-all big-kills big-nodes big-others check format bench faults lock clean

# One stamp a lock file: a second run finds it newer than its lock and downloads nothing.
$(VENV)/.python: 
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: $(VENV)/.python requirements/runtime.txt pyproject.toml
	$(PIP) install --require-hashes -r requirements/runtime.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.runtime requirements/test.txt
	$(PIP) install --require-hashes -r requirements/test.txt
	@touch $@

setup: $(VENV)/.runtime
setup-test: $(VENV)/.test

demo: setup
	@$(BIN)/crossdock demo

# Compiled files are kept also where a shell forbids it (images for containers often do): else each of the processes compiles ours and all tests anew.
test: setup-test
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -m "not big" -p no:cacheprovider -n 3 --dist loadfile --no-loadscope-reorder

# Foreign stacks for the tests, in an environment of their own: some are GPL, so they are never imported by us. Debian programs are unpacked beside them.
$(PEER)/.ready: requirements/peers.txt tests/peers/patch_oscrypto.py tests/peers/debian.sh
	$(PYTHON) -m venv $(PEER)
	$(PEER)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/peers.txt
	$(PEER)/bin/python tests/peers/patch_oscrypto.py
	tests/peers/debian.sh $(PEER)/debian
	@touch $@

# A real ERP, in an environment of its own: it would pin the others' libraries, and they its.
$(TRYTON)/.ready: requirements/tryton.txt
	$(PYTHON) -m venv $(TRYTON)
	$(TRYTON)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/tryton.txt
	@touch $@

peers: $(PEER)/.ready $(TRYTON)/.ready

# In three parts side by side: kills, which keep a core busy; nodes and what else mostly waits; the others. Each prints what it counted when it ends.
test-all: setup-test peers
	@$(MAKE) --no-print-directory --jobs=3 --output-sync=target big-kills big-nodes big-others

big-kills: setup-test
	@$(BIN)/python -m pytest -m "big and kills" -p no:cacheprovider

big-nodes: setup-test
	@$(BIN)/python -m pytest -m "big and nodes" -p no:cacheprovider

big-others: setup-test
	@$(BIN)/python -m pytest -m "big and not kills and not nodes" -p no:cacheprovider

check: setup-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_house.py -p no:cacheprovider

format: setup-test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup-test
	$(BIN)/python -m benchmarks

# Every promise with its counts: `make faults`, `make faults PROMISES="P1 P7"`, and with the numbers of a release `make faults FULL=1` (hours).
PROMISES ?=
FULL     ?=

faults: setup-test
	$(BIN)/python -m tests.faults $(PROMISES) $(if $(FULL),--full)

# Needs uv; writes the four lock files again, hashes for every platform.
lock:
	uv pip compile --quiet --universal --generate-hashes --extra build pyproject.toml -o requirements/runtime.txt
	uv pip compile --quiet --universal --generate-hashes --extra build --extra nats --extra otel --extra s3 --extra test pyproject.toml -o requirements/test.txt
	uv pip compile --quiet --universal --generate-hashes requirements/peers.in -o requirements/peers.txt
	@echo "requirements/extras.txt: copy what the extras need from requirements/test.txt"
	uv pip compile --quiet --universal --generate-hashes requirements/tryton.in -o requirements/tryton.txt

clean:
	rm -rf $(VENV) $(PEER) $(TRYTON) .pytest_cache .ruff_cache .mypy_cache
