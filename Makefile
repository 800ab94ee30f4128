# Everything a fresh machine needs is python3 (3.11 or newer, with venv) and make.
# Another interpreter: make test PYTHON=python3.13. More words for the program behind a target: make test ARGS="-k nursery".

PYTHON ?= python3
ARGS ?=
VENV := .venv
BENCH_VENV := .venv-bench
RUN := $(VENV)/bin/python
# Peers of the benchmarks that do not install everywhere: each is tried, and one that is missing is left out of the tables.
OPTIONAL_PEERS := tonio rloop zuvloop tinyio aiologic

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Two installs at a time into one environment would meet.
.NOTPARALLEL:

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(VENV)/.with-demo ## a server, 1,000 clients, a pool of workers and a picture, in under 20 seconds
	@$(RUN) -m examples.demo $(ARGS)

.PHONY: test
test: $(VENV)/.with-test $(VENV)/.with-demo ## the whole suite, stress tests at a tenth of their size
	@$(RUN) -m pytest $(ARGS)

.PHONY: soak
soak: $(VENV)/.with-test ## the stress tests at full size
	@CONC_SOAK=1 $(RUN) -m pytest tests/stress $(ARGS)

# What runs on virtual time does the same each time. Where threads, real sockets, files, processes and signals are the
# subject, it does not.
OUTSIDE := tests/stress tests/repo tests/bench tests/net tests/fs tests/process tests/signals tests/examples
LOGGED := -q -m conc $(OUTSIDE:%=--ignore=%) --conc-seed=7 --hypothesis-seed=7

.PHONY: determinism
determinism: $(VENV)/.with-test ## the tests on virtual time, twice with one seed: both times the same must happen
	@for run in first second; do $(RUN) -m pytest $(LOGGED) --conc-log=out/$$run.log || exit 1; done
	@diff out/first.log out/second.log && echo "The same happened twice in $$(wc -l < out/first.log) runs"

.PHONY: bench
bench: $(BENCH_VENV)/.ready ## conc beside its peers: tables, JSON, and charts in docs/benchmarks
	@$(BENCH_VENV)/bin/python -m benchmarks $(ARGS)

.PHONY: lint
lint: $(VENV)/.with-lint $(VENV)/.with-test $(VENV)/.with-demo $(VENV)/.with-docs ## ruff and mypy --strict
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m mypy

.PHONY: format
format: $(VENV)/.with-lint ## lay the code out as `make lint` wants it
	@$(RUN) -m ruff check --fix .
	@$(RUN) -m ruff format .

.PHONY: docs
docs: $(VENV)/.with-docs ## the site, built strictly, in site/
	@NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --strict
	@echo "The site is in site/index.html; to read it while writing: $(RUN) -m mkdocs serve"

.PHONY: clean
clean: ## remove all that make and its tools have made
	rm -rf $(VENV) $(BENCH_VENV) site out build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# An extra of pyproject.toml is installed when it is first needed, and again when pyproject.toml has changed.
$(VENV)/.with-%: pyproject.toml | $(VENV)/bin/python
	@echo "Installing conc with what \`$*\` needs into $(VENV)"
	@$(RUN) -m pip install -qq --disable-pip-version-check --editable '.[$*]'
	@touch $@

$(BENCH_VENV)/.ready: pyproject.toml | $(BENCH_VENV)/bin/python
	@echo "Installing conc and its peers into $(BENCH_VENV)"
	@$(BENCH_VENV)/bin/python -m pip install -qq --disable-pip-version-check --editable '.[bench]'
	@for peer in $(OPTIONAL_PEERS); do \
	    $(BENCH_VENV)/bin/python -m pip install -qq --disable-pip-version-check --only-binary :all: $$peer 2>/dev/null \
	        || echo "  $$peer does not install here; the benchmarks go on without it"; \
	done
	@touch $@

$(VENV)/bin/python $(BENCH_VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo "conc needs Python 3.11 or newer: make PYTHON=python3.13 ..." >&2; exit 1; }
	@echo "Making $(@:/bin/python=) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(@:/bin/python=)
