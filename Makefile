# Needs python3 >= 3.11 with venv, and make. Everything it makes lies in .venv, var and demo.
# Only relative paths: the folder may have blanks and Chinese characters in its name.

ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif

PYTHONS := python3 python3.14 python3.13 python3.12 python3.11 python
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c requirements.lock

.PHONY: help setup demo run test check bench fuzz soak clean
.DELETE_ON_ERROR:

help:
	@echo 'make setup   an environment in .venv with mailflow in it'
	@echo 'make demo    a made-up department and its month, to look at'
	@echo 'make run     the daemon with config.example.toml'
	@echo 'make test    all tests (make test ARGS="tests/config -x": some)'
	@echo 'make check   style, types, layers'
	@echo 'make bench   measurements'
	@echo 'make fuzz    a million mangled mails (make fuzz ARGS="--minutes 10": as many as there is time for)'
	@echo 'make soak    the daemon for an hour on servers and a disk that fail (make soak ARGS="--minutes 5"); needs Dovecot'
	@echo 'make clean   removes .venv, caches and what demo and bench made; keeps var'

setup: .venv/.installed

demo: setup
	$(BIN)/mailflow demo

run: setup
	$(BIN)/mailflow --config config.example.toml run

test: .venv/.installed-dev
	$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

check: .venv/.installed-dev
	$(BIN)/python -m ruff check
	$(BIN)/python -m ruff format --check
	$(BIN)/python -m mypy
	$(BIN)/python -m pytest tests/architecture

bench: .venv/.installed-compare
	$(BIN)/python -m bench

fuzz: .venv/.installed-dev
	$(BIN)/python -m tests.fuzz --count 1000000 $(ARGS)

soak: .venv/.installed-dev
	$(BIN)/python -m tests.soak $(ARGS)

clean:
	rm -rf .venv build demo .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.installed: pyproject.toml requirements.lock | .venv/.made
	$(PIP) -e .
	@touch $@

.venv/.installed-dev: .venv/.installed
	$(PIP) -e '.[dev]'
	@touch $@

.venv/.installed-compare: .venv/.installed-dev
	$(PIP) -e '.[compare]'
	@touch $@

# The first interpreter that is new enough and can make an environment. PYTHON=… names one.
.venv/.made:
	@for p in $(if $(PYTHON),"$(PYTHON)",$(PYTHONS)); do \
	    "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue; \
	    new=$$p; \
	    "$$p" -c 'import ensurepip, venv' >/dev/null 2>&1 || continue; \
	    echo "$$p -m venv .venv"; \
	    "$$p" -m venv .venv && touch $@ && exit 0; \
	    exit 1; \
	done; \
	if [ -n "$$new" ]; then \
	    echo "$$new has no venv module: install it (Debian, Ubuntu: apt install python3-venv)" >&2; \
	else \
	    echo "no Python 3.11 or newer found (looked for: $(or $(PYTHON),$(PYTHONS)))" >&2; \
	fi; \
	exit 1
