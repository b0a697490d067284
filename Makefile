# make serve   set up and run the demo
# make test    set up and run all tests
# make check   lint and type-check
# make bench   run the benchmarks

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# what the tests use beside Python packages: command=Debian package
TEST_TOOLS := chromium=chromium curl=curl logrotate=logrotate ip=iproute2 openssl=openssl \
  nginx=nginx haproxy=haproxy caddy=caddy systemd-analyze=systemd strace=strace
# what the benchmarks use
BENCH_TOOLS := gcc=build-essential openssl=openssl

.PHONY: serve test check bench test-tools bench-tools clean

serve: $(VENV)/.serve
	$(BIN)/python -m server $(ARGS)

test: $(VENV)/.dev test-tools tests/npm/node_modules
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: $(VENV)/.dev bench-tools
	$(BIN)/python -m benchmarks $(ARGS)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV) || { \
	  echo "installing python3-venv"; . tests/as_root.sh; as_root apt-get update -q && \
	  as_root apt-get install -qy python3-venv && $(PYTHON) -m venv --clear $(VENV); }

$(VENV)/.serve: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@ $(VENV)/.serve

# Installed only where missing: most machines have them. Daemons are not started.
test-tools: TOOLS := $(TEST_TOOLS)
bench-tools: TOOLS := $(BENCH_TOOLS)
test-tools bench-tools:
	@. tests/as_root.sh; missing=""; PATH="$$PATH:/usr/sbin"; \
	for tool in $(TOOLS); do \
	  command -v $${tool%%=*} >/dev/null || missing="$$missing $${tool##*=}"; \
	done; \
	command -v node >/dev/null || missing="$$missing nodejs"; \
	command -v npm >/dev/null || missing="$$missing npm"; \
	if [ -n "$$missing" ]; then \
	  echo "installing$$missing"; as_root apt-get update -q && \
	  without_services apt-get install -qy --no-install-recommends $$missing; \
	fi

tests/npm/node_modules: tests/npm/package.json | test-tools
	cd tests/npm && npm install --silent --no-audit --no-fund --no-package-lock
	touch $@

clean:
	rm -rf $(VENV) tests/npm/node_modules logs build dist
