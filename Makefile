# make serve   set up and run the demo
# make test    set up and run all tests
# make check   lint and type-check
# make bench   run the benchmarks

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# what a virtual environment is made with: NEED=Debian package, as in tests/install.sh
VENV_NEEDS := $(if $(wildcard $(BIN)/python),,import:ensurepip=python3-venv)
# what the tests use beside Python packages; Playwright's own node needs libatomic
TEST_NEEDS := $(VENV_NEEDS) chromium=chromium curl=curl logrotate=logrotate ip=iproute2 \
  openssl=openssl nginx=nginx haproxy=haproxy caddy=caddy systemd-analyze=systemd strace=strace \
  node=nodejs npm=npm libatomic.so.1=libatomic1
# what the benchmarks use
BENCH_NEEDS := $(VENV_NEEDS) gcc=build-essential openssl=openssl rg=ripgrep

# Tests and benchmarks start a server hundreds of times: it is not to be compiled each time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: serve test check bench test-needs bench-needs clean

serve: $(VENV)/.serve
	$(BIN)/python -m server $(ARGS)

test: test-needs $(VENV)/.dev tests/npm/node_modules
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/mypy --platform darwin --cache-dir .mypy_cache/darwin --package server

bench: bench-needs $(VENV)/.dev
	$(BIN)/python -m benchmarks $(ARGS)

$(BIN)/python:
	@PYTHON=$(PYTHON) sh tests/install.sh $(VENV_NEEDS)
	$(PYTHON) -m venv --clear $(VENV)

$(VENV)/.serve: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[filters]'
	touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@ $(VENV)/.serve

# Installed only where missing: most machines have them. Daemons are not started.
test-needs:
	@PYTHON=$(PYTHON) sh tests/install.sh $(TEST_NEEDS)
bench-needs:
	@PYTHON=$(PYTHON) sh tests/install.sh $(BENCH_NEEDS)

tests/npm/node_modules: tests/npm/package.json | test-needs
	cd tests/npm && npm install --silent --no-audit --no-fund --no-package-lock
	touch $@

clean:
	rm -rf $(VENV) tests/npm/node_modules logs build dist
