# make demo   set up, then the main job end to end       make test   set up, then everything CI runs
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
# TORCH=cuda installs the build with GPU support; the default is the much smaller CPU build.
TORCH  ?= cpu
TORCH_CPU_INDEX := https://download.pytorch.org/whl/cpu
EXTRAS := client,plot,embedded,server,worker,dev
DATA   ?=

.PHONY: help setup demo test lint check-proto unit compose-check proto bench bench-serving bench-training quality choice lock clean
.DEFAULT_GOAL := help

help: ## Show what each target does
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

setup: $(VENV)/.ready ## Create .venv with exact pins (TORCH=cuda for a GPU build)

# torch is a step of its own: an index that cannot be reached costs seconds for every package that is asked of it.
$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@echo "Installing torch ($(TORCH) build) ..."
	@$(BIN)/pip install -qq --disable-pip-version-check -c constraints.txt torch $(if $(filter cpu,$(TORCH)),--extra-index-url $(TORCH_CPU_INDEX) --retries 1)
	@echo "Installing the other dependencies ..."
	@$(BIN)/pip install -qq --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS)]'
	@touch $@

demo: setup ## Train two tasks, publish, hot-reload and predict (DATA_MIRROR=folder or DATA=public for real data)
	@$(BIN)/polyhead demo $(if $(DATA),--data $(DATA))

test: setup lint check-proto unit ## Lint, types, import rules, stub drift, all tests

lint: setup ## ruff, mypy --strict, import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

unit: setup
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

compose-check: setup ## Build and run the compose stack for real: train, stop, restart (needs Docker; not part of test)
	@COMPOSE_CHECK=1 $(BIN)/python -m pytest -s tests/e2e/compose

proto: setup ## Regenerate the committed stubs from proto/
	@$(BIN)/python tools/generate_stubs.py .

check-proto: setup
	@$(BIN)/python tools/generate_stubs.py --check .

bench: setup ## Measure against peers; prints a table
	@$(BIN)/python -m benchmarks

bench-serving: setup ## Measure the server against its raw engine, FIFO batches, overload, swaps (needs h2load)
	@$(BIN)/python -m benchmarks.serving

bench-training: setup ## Measure the trainer against the Hugging Face Trainer and naive loops (needs DATA_MIRROR)
	@$(BIN)/python -m benchmarks.training

quality: setup ## Train on TweetEval over three seeds and score its test files; hours (needs DATA_MIRROR)
	@$(BIN)/python -m benchmarks.quality

choice: setup ## Measure what to freeze, when to thaw, which rates; writes docs/results/choice.md (needs DATA_MIRROR)
	@$(BIN)/python -m benchmarks.choice --write

lock: ## Resolve pyproject.toml anew into constraints.txt
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/pip install -qq torch==2.13.0 --extra-index-url $(TORCH_CPU_INDEX) --retries 1
	build/lock/bin/pip install -qq -e '.[$(EXTRAS)]'
	(echo "# Exact versions of everything that runs here. Made by: make lock"; \
	  echo 'async-timeout==5.0.1 ; python_full_version < "3.11.3"'; \
	  build/lock/bin/pip freeze --all --exclude-editable --exclude pip | grep -v '^-e' | sed 's/+cpu$$//') > constraints.txt
	rm -rf build/lock

clean: ## Remove the environment, build products and local state
	rm -rf $(VENV) build .polyhead *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
