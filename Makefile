# Three commands need nothing but Python 3.11 and a network: `make demo`, `make studies` and `make test`. Each installs what it needs into .venv.
PYTHON ?= python3
BIN := .venv/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo studies chaos test check pocket-encoder clean

demo: .venv/runtime.stamp
	$(BIN)/polystilts run sweeps/studies/demo.yaml
	@echo "so that polystilts and mlflow are found: source .venv/bin/activate"

# The pocket twins of the six studies: runs each, prints its answer, and checks that it is the planted one.
studies: .venv/dev.stamp
	POLYSTILTS_HOME=runs $(BIN)/pytest tests/sweeps/test_studies.py -m studies -s

# Real kills and clusters that come and go: half an hour on two cores.
chaos: .venv/dev.stamp
	$(BIN)/pytest tests/faults -m chaos

# A process for each of two cores, which torch would otherwise both take.
test: check
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile

check: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Makes the shipped encoder of the pocket world again (about 6 minutes).
pocket-encoder: .venv/runtime.stamp
	$(BIN)/polystilts run sweeps/studies/pocket_encoder.yaml
	$(BIN)/python -m sweeps.ship_encoder

.venv/runtime.stamp: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP_INSTALL) --editable .
	touch $@

.venv/dev.stamp: .venv/runtime.stamp
	$(PIP_INSTALL) --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv runs
