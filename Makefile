# `make demo` serves the page, `make test` runs ruff and the tests, and `make weights FERPLUS=FOLDER` trains grefel-small
# anew, with another seed by SEED=1; each makes .venv and installs what is missing.
# Arguments go through ARGS: make demo ARGS="--port 8000", make test ARGS="tests/model/test_losses.py".

PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test weights transformers-tests examples api clean

demo: .venv/demo.installed
	$(BIN)/python app.py $(ARGS)

test: .venv/test.installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile $(ARGS)

weights: .venv/weights.installed
	PYTHON=$(BIN)/python train/make_weights.sh $(FERPLUS) $(SEED)

# The source distribution of the installed transformers, whose common tests tests/model/test_transformers_common.py runs.
transformers-tests: .venv/test.installed
	version=$$($(BIN)/python -c "from importlib.metadata import version; print(version('transformers'))") && \
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: --dest .cache \
	  transformers==$$version

# The page's examples, chosen anew by the bundled weights.
examples: .venv/test.installed
	$(BIN)/python -m space.examples.make_examples

# docs/api.md from the docstrings.
api: .venv/test.installed
	$(BIN)/python docs/make_api.py

.venv/demo.installed: requirements.txt pyproject.toml
.venv/test.installed: tests/requirements.txt train/requirements.txt requirements.txt pyproject.toml
.venv/weights.installed: train/requirements.txt requirements.txt pyproject.toml
.venv/%.installed:
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(INSTALL) --requirement $<
	$(INSTALL) --no-deps --editable .
	touch $@

clean:
	rm -rf .venv .cache build *.egg-info
