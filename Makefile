# make devnet: see it run.  make test, make test-browser, make test-docs: what CI runs.  Nothing else is needed than Python 3.11+ and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEEP ?=
MINUTES ?= 240
ifndef SEED
SEED := $(if $(DEEP),$(shell date +%s),0)
endif

.PHONY: setup devnet test test-browser test-docs docs lint properties soak week crashes mutants clean

setup: $(VENV)/.runtime

$(VENV)/.runtime: pyproject.toml
	@echo "Waiting for: a virtual environment in $(VENV)"
	$(PYTHON) -m venv $(VENV)
	@echo "Waiting for: the runtime packages (PyNaCl, aiohttp, plyvel, ... about half a minute)"
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.test: pyproject.toml $(VENV)/.runtime
	@echo "Waiting for: the test and data packages (pytest, hypothesis, mypy, pvlib, ... about a minute)"
	$(BIN)/pip install --quiet --disable-pip-version-check --editable ".[test,data]"
	@touch $@

devnet: $(VENV)/.runtime
	@$(BIN)/gridpact devnet up --scenario campus --live

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# By whole files, so that what a file builds once is built once; in the order that tests/conftest.py gives them. JOBS= processes.
test: lint
	$(BIN)/pytest -n $(or $(JOBS),2) --dist loadfile --no-loadscope-reorder

$(VENV)/.browser: pyproject.toml $(VENV)/.test
	@echo "Waiting for: the browser test packages (playwright, axe)"
	$(BIN)/pip install --quiet --disable-pip-version-check --editable ".[browser]"
	@touch $@

# The dashboard in Debian's Chromium, which apt installs for root where there is none, or in the one that CHROMIUM names.
test-browser: $(VENV)/.browser
	@chromium=$$(tests/browser/chromium.sh) && echo "pytest tests/browser, in $$chromium" && \
		CHROMIUM=$$chromium $(BIN)/pytest tests/browser

$(VENV)/.docs: pyproject.toml $(VENV)/.runtime
	@echo "Waiting for: the packages that make the documentation site (mkdocs, mkdocstrings)"
	$(BIN)/pip install --quiet --disable-pip-version-check --editable ".[docs]"
	@touch $@

# A page that is missing, a link or an anchor that leads nowhere is an error. See mkdocs.yml.
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "open build/site/index.html"

# The site, and every command of the documents in the order of reading, in two lanes: see tests/documents.
test-docs: $(VENV)/.test docs
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder tests/documents

properties: $(VENV)/.test
	@echo "seed $(SEED); repeat with: make properties SEED=$(SEED) DEEP=$(DEEP)"
	DEEP=$(DEEP) $(BIN)/pytest -m properties tests/consensus --hypothesis-seed=$(SEED) --hypothesis-show-statistics -v

soak: $(VENV)/.runtime
	$(BIN)/gridpact simulate --minutes $(MINUTES)

# A week of the campus with liars, an island hour and broken equipment, every statement proven; see devnet/scenarios/week.toml.
week: $(VENV)/.runtime
	$(BIN)/gridpact devnet run --scenario week

crashes: $(VENV)/.test
	CRASHES=all $(BIN)/pytest -v tests/replica/test_crash_points.py

# Plants faults in the code and tries seeds until each is seen: SEEDS= for each, JOBS= at once, ONLY= names, RECORD=1 keeps.
mutants: $(VENV)/.test
	$(BIN)/python -m tests.mutants --seeds $(or $(SEEDS),200) --jobs $(or $(JOBS),2) $(if $(ONLY),--only $(ONLY)) $(if $(RECORD),--record)

clean:
	rm -rf $(VENV) .gridpact build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
