# make demo         restore a sample photograph with the bundled prior
# make test         lint, types, tests (what .ci/run runs)
# make test-slow    the tests that take minutes; before a release, with test-lowest
# make test-lowest  the tests with the oldest versions that pyproject.toml allows, in an environment of their own
# make check        lint and types alone
# make photo        train a photo prior from nothing (DATA, MINUTES, PHOTO_OPTIONS); see docs/reports/photo-prior.md
# make weights      renew restore/weights.sha256 after bundled weights were trained again
# make fuzz         coverage-guided fuzzing of pictures, configs and records, ten minutes (FUZZ_SECONDS of each)
# make lock         renew the hashes of .ci/constraints-hashed.txt, where pip-compile is there
# make locked       an environment of its own with the packages of that file, each checked against its hash
# make audit        known vulnerabilities of the locked packages, where pip-audit is there
# make docs         the site of the documents, in build/site; warnings are errors
# make format       put the code in order

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint .ci/constraints.txt --constraint .ci/constraints-docs.txt
SOURCES := $(shell find restore plugins -name '*.py' -not -path '*/__pycache__/*')
DEMO := demo
# One thread a worker: small tensors gain nothing from more, and workers would wait for each other.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal

.PHONY: demo test test-slow test-lowest check photo weights fuzz lock locked audit docs format clean

.venv/installed: pyproject.toml .ci/constraints.txt $(SOURCES)
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) .
	touch $@

# Editable: tests run on the working tree.
.venv/installed-for-tests: pyproject.toml .ci/constraints.txt .ci/constraints-docs.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) --editable '.[test]'
	-$(PIP) --editable '.[test,docs]' # The test of the site is skipped where this cannot be installed.
	touch $@

demo: .venv/installed
	mkdir -p $(DEMO)
	$(BIN)/restore inpaint samples/degraded/astronaut-scratched.png --mask samples/masks/astronaut.png \
		-o $(DEMO)/astronaut.png --overwrite
	$(BIN)/python -m benchmarks strip $(DEMO)/before-after.png samples/degraded/astronaut-scratched.png $(DEMO)/astronaut.png
	@echo "restored:     $(DEMO)/astronaut.png"
	@echo "before/after: $(DEMO)/before-after.png"

check: .venv/installed-for-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Values in float32, whatever the machine is made for; then what goes through the bundled prior once more, in bfloat16.
test: check
	$(PYTEST)
	RESTORE_DTYPE=bfloat16 $(PYTEST) -m bfloat16 $$(grep -l mark.bfloat16 tests/*.py)

# Some of these measure time and memory: one after the other.
test-slow: .venv/installed-for-tests
	-$(PIP) --editable '.[test,test-slow]' # Tests skip what cannot be installed.
	$(BIN)/python -m pytest -m slow

# .ci/constraints-lowest.txt names the lower bounds. Old diffusers on old torch warns of how it copies tensors.
test-lowest:
	test -x .venv-lowest/bin/python || $(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check --constraint .ci/constraints-lowest.txt \
		--editable '.[test]'
	$(subst $(BIN),.venv-lowest/bin,$(PYTEST)) -W "default:To copy construct:UserWarning"

# Two stages: Gaussian noise alone for three quarters of the time, then also states of restorations. An interrupted stage goes
# on where it was. Batch and rate are for a GPU; on two cores PHOTO_OPTIONS="--batch 8 --lr 0.0012" with MINUTES=600.
DATA ?= data
MINUTES ?= 28
PHOTO_OPTIONS ?= --batch 128 --lr 0.003
PHOTO_TRAIN = $(BIN)/restore train runs/photos/photographs runs/photos/plain --family edm --network deep --size 128 \
	--optimizer muon --warmup 100 --ema 0.9995 --scales 1,0.85,0.7,0.6,0.5,0.42,0.35 --procedural 0.06 --gray 0.07 --jitter 0.15 \
	--detail 3 --relative 0.02 --sigma-mean -1.5 --sigma-std 0.9 --sigma-spread 0.1 --sigma-start 2 --dtype bfloat16 --compile \
	--save-every 120 $(PHOTO_OPTIONS)
RESUMED = $(if $(wildcard $(1)/training.pt),--resume)
photo: .venv/installed-for-tests
	test -d runs/photos || $(BIN)/python -m benchmarks photo-prior-data $(DATA) runs/photos
	$(PHOTO_TRAIN) -o runs/photo-1 --cooldown 0.7 --minutes $$(($(MINUTES) * 3 / 4)) $(call RESUMED,runs/photo-1)
	$(PHOTO_TRAIN) -o runs/photo-2 --init runs/photo-1 --pnp-states 0.25 --jpeg-states 0.3 --cooldown 1 \
		--minutes $$(($(MINUTES) / 4)) $(call RESUMED,runs/photo-2)

# `cd restore && sha256sum --check weights.sha256` compares.
weights:
	cd restore && find * -name '*.safetensors' | LC_ALL=C sort | xargs sha256sum > weights.sha256

# Finds are written to fuzz/NAME/crash-*; inputs that reach new code are kept in fuzz/NAME/corpus for the next time.
FUZZ_SECONDS ?= 200
fuzz: .venv/installed-for-tests
	$(PIP) --editable '.[test,fuzz]'
	for name in reading configs records; do mkdir -p fuzz/$$name && (cd fuzz/$$name && HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 \
		PYTHONPATH=$(CURDIR) $(CURDIR)/$(BIN)/python $(CURDIR)/tests/hostile/fuzz/fuzz.py $$name $(FUZZ_SECONDS) corpus) || exit 1; done

# All but torch, whose files differ by accelerator.
LOCK := .ci/constraints-hashed.txt
lock: .venv/installed-for-tests
	@test -x $(BIN)/pip-compile || { echo "pip-compile is not installed: $(BIN)/pip install pip-tools"; exit 1; }
	$(BIN)/pip-compile --quiet --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
		--no-emit-trusted-host --strip-extras --allow-unsafe --extra test \
		--constraint .ci/constraints.txt --output-file $(LOCK).all pyproject.toml
	$(PYTHON) .ci/without_torch.py < $(LOCK).all > $(LOCK) && rm $(LOCK).all

locked:
	test -x .venv-locked/bin/python || $(PYTHON) -m venv .venv-locked
	.venv-locked/bin/python -m pip install --quiet --no-deps --require-hashes --requirement $(LOCK)
	.venv-locked/bin/python -m pip install --quiet --no-deps --constraint .ci/constraints.txt torch
	.venv-locked/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	.venv-locked/bin/python -m pip check

# Fails where something is found, and where nothing could be asked: neither is a pass.
audit: .venv/installed-for-tests
	@test -x $(BIN)/pip-audit || { echo "pip-audit is not installed: $(BIN)/pip install pip-audit"; exit 1; }
	$(BIN)/pip-audit --strict --disable-pip --requirement $(LOCK) \
		|| { echo "pip-audit found something or could not ask about a package: see above"; exit 1; }

docs: .venv/installed-for-tests
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

format: .venv/installed-for-tests
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv .venv-lowest .venv-locked $(DEMO) build *.egg-info
