# `make demo` and `make test` set themselves up: a virtual environment in .venv, made once for each state of the two
# files that say what goes into it.
PYTHON ?= python3
BIN := .venv/bin
DEMO := .demo

.PHONY: demo test check cli-reference miniature-backbones clean

demo: .venv/.ready
	sh docs/demo.sh $(DEMO)

test: .venv/.ready
	$(BIN)/pytest -n auto --dist loadfile $(PYTEST_ARGS)

check: .venv/.ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy tests/typed_face.py
	MYPYPATH=src:benchmarks $(BIN)/mypy --config-file= --ignore-missing-imports --check-untyped-defs benchmarks
	$(BIN)/python docs/check_links.py
	$(BIN)/python docs/cli_reference.py --check

# The frozen parts of the miniature's model, which the package ships: at most 40 minutes on two cores.
miniature-backbones: .venv/.ready
	$(BIN)/python -m ib_data.training.backbones.make

cli-reference: .venv/.ready
	$(BIN)/python docs/cli_reference.py

.venv/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "ib_data needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	@echo "Installing ib_data and its packages into .venv, once; this takes some minutes."
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,video,dev]'
	@touch $@

clean:
	rm -rf .venv $(DEMO) build dist src/*.egg-info
