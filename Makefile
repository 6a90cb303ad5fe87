# Each target makes .venv on first use. Try: make annotate; make annotate SHARD=photos/; make test
DATA ?= data/graph200k
OUT ?= runs/tiny
PYTHON ?= python3
BIN := .venv/bin
GRAPH200K := $(BIN)/graph200k
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: setup annotate train weights test test-heavy lint bench bench-learning clean
.DEFAULT_GOAL := help

help:
	@echo "make annotate [SHARD=photos/]  annotate your images, or demo photographs; DATA=$(DATA)"
	@echo "make train                      train a tiny FLUX on DATA, on a CPU, in two minutes; OUT=$(OUT)"
	@echo "make test | test-heavy | lint | bench | bench-learning | setup | weights | clean"

setup: .venv/annotate.stamp

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed; name one with make PYTHON=python3.12 ..."; exit 1; }
	@echo "Making .venv: about 8 GB, most of it torch with CUDA; 3 minutes on a fast line, longer on a slow one."
	$(PYTHON) -m venv .venv

.venv/annotate.stamp: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) -e '.[annotate,demo]'
	@# numba compiles a part of rembg when it is first imported: 45 s that a worker should not spend.
	$(BIN)/python -c 'import rembg'
	touch $@

.venv/dev.stamp: .venv/annotate.stamp
	$(PIP) -e '.[dev]'
	touch $@

weights: .venv/annotate.stamp
	$(GRAPH200K) weights

# Without weights the annotators that need them are left out, and the run says so.
annotate: .venv/annotate.stamp
	@$(GRAPH200K) weights > /dev/null || echo "going on without the weights that could not be fetched"
ifdef SHARD
	$(GRAPH200K) annotate "$(SHARD)" --data "$(DATA)"
else
	@$(GRAPH200K) demo data/demo
	$(GRAPH200K) annotate data/demo --data "$(DATA)"
endif

.venv/train.stamp: .venv/annotate.stamp
	$(PIP) -e '.[train]'
	touch $@

$(DATA)/dataset.json:
	@$(MAKE) --no-print-directory annotate

# Goes on where it was stopped; a finished run is kept, name another OUT for a new one.
train: .venv/train.stamp $(DATA)/dataset.json
	@# Tensors this small lose more by threads than they gain.
	OMP_NUM_THREADS=1 $(GRAPH200K) train --config configs/tiny.yaml --data "$(DATA)" --out "$(OUT)" \
	  $(if $(wildcard $(OUT)/checkpoints/step-*),--resume latest)

test: .venv/dev.stamp
	$(BIN)/python -m pytest

# Twenty kills of the driver in one run, with and without models: about 15 minutes; a compiled training: one more.
test-heavy: .venv/dev.stamp
	$(BIN)/python -m pytest -m heavy

lint: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/dev.stamp
	$(BIN)/python -m benchmarks

# Trains a small FLUX from scratch: 20 to 28 minutes on two cores.
bench-learning: .venv/dev.stamp
	$(BIN)/python -m benchmarks learning

clean:
	rm -rf .venv data build *.egg-info
