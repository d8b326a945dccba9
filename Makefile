# What is done often. Every target works from a fresh clone, and from elsewhere with `make -C`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
AUDIT := $(VENV)/audit
RUN := runs/reuters

# Bytecode is written when a module is first used: compiling all of the packages takes half of the installation.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help install test test-browser style lint docs audit format demo clean distclean

help:
	@echo "make test       install what is needed into $(VENV), then run every check: style, imports, types, tests"
	@echo "make test-browser  the tests of report.html in a browser; needs Chromium (apt-get install chromium)"
	@echo "make lint       the checks without the tests"
	@echo "make docs       build the documentation into build/docs, with every warning an error"
	@echo "make audit      ask for known vulnerabilities of the pinned dependencies (needs a network)"
	@echo "make format     put the code into the project's style"
	@echo "make demo       fetch a model and its data, search, choose, export and use the result (about 8 minutes)"
	@echo "make clean      remove caches, build output and the demo's run; other runs, $(VENV) and examples/data stay"
	@echo "make distclean  remove $(VENV) and examples/data as well"

install: $(INSTALLED)

# The stamp is written last: an installation that ended half-way is done again, a finished one only when its lists changed.
$(INSTALLED): pyproject.toml constraints.txt
	@echo "==> installing Greenfront and its tools into $(VENV) (a minute or two)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one: make PYTHON=...")'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --no-compile -c constraints.txt -e '.[dev]'
	@touch $@

# The quickest checks come first, so that a mistake shows early.
style: $(INSTALLED)
	@echo "==> checking style"
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@echo "==> checking that imports go one way"
	@$(BIN)/lint-imports --no-logo

lint: style
	@echo "==> checking types"
	@$(BIN)/mypy
	@$(BIN)/mypy benchmarks/*.py benchmarks/search/*.py benchmarks/reliability/*.py
	@$(BIN)/mypy docs/conf.py docs/extensions/*.py

# Types are checked beside the tests, which often wait for other processes; what is wrong with types is said last.
test: style
	@echo "==> running the tests, and checking types beside them"
	@$(BIN)/mypy >$(VENV)/types.txt 2>&1 & checking=$$!; trap 'kill $$checking 2>/dev/null' EXIT; \
		HF_HUB_OFFLINE=1 $(BIN)/python -m pytest --verbosity=0 --numprocesses=2 --dist=loadfile; failed=$$?; \
		echo "==> types"; wait $$checking || failed=1; cat $(VENV)/types.txt; exit $$failed

test-browser: $(INSTALLED)
	@command -v chromium chromium-browser google-chrome >/dev/null || { echo "needs Chromium: apt-get install chromium"; exit 1; }
	@$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,browser]'
	@HF_HUB_OFFLINE=1 $(BIN)/python -m pytest tests/browser

docs: $(INSTALLED)
	@echo "==> building the documentation into build/docs"
	@HF_HUB_OFFLINE=1 $(BIN)/python -m sphinx -E -W --keep-going -q docs build/docs
	@echo "==> build/docs/index.html"

# In an environment of its own: what audits is no part of what is audited. pip-audit ends with 1 whatever went wrong, so
# its words decide.
audit:
	@echo "==> asking PyPI for known vulnerabilities of what constraints.txt pins"
	@mkdir -p $(VENV)
	@test -x $(AUDIT)/bin/pip-audit || { $(PYTHON) -m venv $(AUDIT) && \
		$(AUDIT)/bin/python -m pip install --quiet --disable-pip-version-check pip-audit==2.10.1; }
	@$(AUDIT)/bin/pip-audit --progress-spinner=off --no-deps --disable-pip --requirement constraints.txt 2>&1 \
		| tee $(VENV)/audit.txt; \
		grep -q '^No known vulnerabilities found' $(VENV)/audit.txt && exit; \
		grep -q '^Found [0-9]* known vulnerabilit' $(VENV)/audit.txt || \
			echo "==> PyPI's advisories could not be asked (no network?): nothing is known of these versions"; \
		exit 1

format: $(INSTALLED)
	@echo "==> putting the code into the project's style"
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

demo: export HF_HUB_OFFLINE := 1
demo: $(INSTALLED)
	@echo "==> fetching MiniLM-L6 and Reuters R8"
	@$(BIN)/python examples/fetch.py minilm reuters
	@echo "==> searching (a search that was interrupted goes on where it stopped)"
	@$(BIN)/greenfront search examples/reuters.yaml
	@echo "==> what was found"
	@$(BIN)/greenfront show $(RUN)
	@echo "==> choosing the knee of the front"
	@$(BIN)/greenfront select $(RUN) --knee
	@echo "==> exporting it to $(RUN)/exported"
	@rm -rf $(RUN)/exported
	@id=$$($(BIN)/greenfront select $(RUN) --knee --id-only) && \
		$(BIN)/greenfront export $(RUN) "$$id" --to $(RUN)/exported --onnx
	@echo "==> using it in a new process"
	@$(BIN)/python examples/reload.py $(RUN)/exported

clean:
	@echo "==> removing caches, build output and the demo's run"
	@rm -rf build dist *.egg-info .cache .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage $(RUN)
	@find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

distclean: clean
	@echo "==> removing $(VENV) and examples/data"
	@rm -rf $(VENV) examples/data
