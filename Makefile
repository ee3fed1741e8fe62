# make demo, make test and make check do everything on a fresh machine, the set-up included.
PYTHON ?= python3
JOBS ?= 2
BIN := .venv/bin
STAMP := .venv/.ready

.PHONY: venv demo test check lowest lint coverage docs build fuzz kill bench clean

venv: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check \
		--constraint constraints.txt --editable '.[test,bm3d,cuda,app,studies,formats]'
	touch $@

demo: venv
	$(BIN)/priorkit compare --priors diffusion-celeba,glow-celeba --ms 500 --out priorkit-out
	@echo "Open priorkit-out/report.html, or look at priorkit-out/grid.png"

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -c "import sys, priorkit.cli; sys.exit('torch' in sys.modules)"

# Some sixty tests start processes that import torch: bytecode is written once, also where the
# environment, as that of many containers, says not to.
unexport PYTHONDONTWRITEBYTECODE

# A process per core, each with one thread.
RUN := OMP_NUM_THREADS=1 $(BIN)/python -m
PYTEST := pytest -n $(JOBS) --dist worksteal --junitxml=.durations.xml

test: lint
	$(RUN) $(PYTEST) -m "not slow"

# And the slow variants of what make test holds; then what took how long.
check: lint
	PRIORKIT_KILLS=3 $(RUN) $(PYTEST)
	$(BIN)/python -m tests.durations .durations.xml

# What needs no extra, with the lowest version of every dependency: some 3 GB are downloaded.
lowest:
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check --editable . \
		$$($(PYTHON) -m tests.lowest) pytest pytest-xdist hypothesis scikit-image
	OMP_NUM_THREADS=1 .venv-lowest/bin/python -m pytest -n $(JOBS) --dist worksteal -m "not slow" \
		tests/interfaces tests/plugins tests/run tests/settings tests/testing tests/training \
		tests/test_float32.py tests/test_loop.py tests/test_streams.py

# Lines of priorkit/ and plugins/ that the whole suite runs, in its subprocesses too.
coverage: venv
	$(BIN)/python -m coverage erase
	$(RUN) coverage run -m $(PYTEST)
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report

docs: venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[docs]'
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html
	@echo "Open docs/_build/html/index.html"

# The wheel, the sdist, and a bill of materials, as CycloneDX: of what they were tested with, and of
# the weights.
build: venv
	$(BIN)/python -m build --outdir dist .
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt cyclonedx-bom
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml \
		--output-file dist/priorkit.cdx.json $(BIN)/python
	$(BIN)/python docs/bom.py dist/priorkit.cdx.json

# 100,000 hostile cases, and twenty kills of every command by each signal: about 15 and 10 minutes.
fuzz: venv
	$(BIN)/python -m tests.fuzz.run --cases 100000

kill: venv
	PRIORKIT_KILLS=20 $(BIN)/python -m pytest tests/kill

bench: venv
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/quality.py

clean:
	rm -rf .venv .venv-lowest priorkit-out build dist docs/_build docs/components docs/api docs/gallery *.egg-info
